/**
 * The way of a device's requests to memory, through the one vertical line of the IOMMU: pierced, entered, or
 * its end. Weight and shape say the fate without colour.
 */
import type { DeviceState } from '../simulation/snapshot.ts';
import { isRefused, laneToken } from './fate.ts';
import { glyph } from './glyphs.ts';
import { cell, padded, type Row, row, span } from './rows.ts';

/** Columns after the arrow: `host`, `vm A`, and the mark of a device that corrupted memory. */
export const landingWidth = 6;

/** Columns before the unit, of a lane with so many columns up to its arrow. */
const unitAt = (width: number): number => Math.floor((width - 1) * 0.55);

export function lane(device: DeviceState, width: number, corrupted: boolean): Row {
  const token = laneToken(device.lane);
  const at = unitAt(width);
  const rest = width - at - 1;
  const { thin, heavy, through, unit, arrow, refused } = glyph;
  const bold = { bold: true };
  const empty = (columns: number) => span(' '.repeat(columns + 1 + landingWidth));
  switch (device.lane) {
    case 'passthrough':
      if (isRefused(device)) {
        const line = heavy.repeat(at) + through;
        return row(span(line, token, bold), span(refused, 'blocked', bold), empty(rest - 1));
      }
      return row(
        span(heavy.repeat(at) + through + heavy.repeat(rest - 1) + arrow, token, bold),
        ...landing(device, corrupted),
      );
    case 'off':
      // No node at all: the line does not meet a unit that looks at it.
      return row(
        span(`${heavy.repeat(at - 2)} off ${heavy.repeat(rest - 3)}${arrow}`, token),
        ...landing(device, corrupted),
      );
    case 'blocked':
      return row(span(thin.repeat(at) + refused, token, bold), empty(rest));
    default:
      if (isRefused(device)) {
        return row(span(thin.repeat(at) + unit, token), span(refused, 'blocked', bold), empty(rest - 1));
      }
      return row(
        span(thin.repeat(at) + unit + thin.repeat(rest - 1) + arrow, token),
        ...landing(device, corrupted),
      );
  }
}

function landing(device: DeviceState, corrupted: boolean): Row {
  const where = device.lane === 'guest' ? userOf(device) : 'host';
  const mark = corrupted ? span(glyph.corrupt, 'corrupt', { bold: true }) : span(' ');
  return [cell(` ${where}`, landingWidth - 1), span(' '), mark];
}

/** The heading over the lanes, with the unit's name over its column. */
export function laneHeading(width: number): Row {
  const whole = width + 1 + landingWidth;
  const name = width >= 12 ? ' IOMMU ' : 'IOMMU';
  const start = Math.max(0, unitAt(width) - Math.floor((name.length - 1) / 2));
  const line = (columns: number) => glyph.thin.repeat(Math.max(0, columns));
  const before = start >= 8 ? `device ${line(start - 7)}` : (start >= 7 ? 'device' : '').padEnd(start);
  const used = start + name.length;
  const memoryAt = width - 1;
  const after = memoryAt - used >= 2 ? `${line(memoryAt - used - 1)} memory` : ' memory';
  return [span(padded(before + name + after, whole), 'label')];
}

/** Who a device was lent to: a guest, or in a recording any user of VFIO. */
const userOf = ({ owner }: DeviceState): string =>
  owner.startsWith('guest ') ? owner.replace('guest', 'vm') : 'vfio';
