/** The devices at the left of the other views: which one is chosen, and its fate. */
import { badge, laneToken, ownerText } from '../fate.ts';
import { quantity } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { blank, cell, type Row, right, row, span } from '../rows.ts';
import type { Scene } from '../scene.ts';
import { shownDevices } from '../selection.ts';

export function rail({ snapshot, selection, device: chosen }: Scene, width: number): Row[] {
  // A marker, the badge, a gap, and the rate at the right end.
  const name = Math.min(13, width - 15);
  const rows = shownDevices(snapshot, selection).flatMap((device) => {
    const weight = device === chosen ? { inverse: true } : {};
    return [
      row(
        span(device === chosen ? glyph.selected : ' ', 'text', weight),
        cell(device.name, name, 'text', { ...weight, bold: device === chosen }),
        ' ',
        cell(badge(device.lane), 4, laneToken(device.lane), { bold: true }),
        right(quantity(device.rates.requests), 6),
      ),
      row(' ', cell(`${device.bdf}  ${ownerText(device)}`, width - 3, 'label')),
      blank,
    ];
  });
  return [blank, row(cell(' Devices', name + 6, 'title'), right('DMA/s', 6, 'label')), blank, ...rows];
}
