/** Below 60x20: a line for each device, and how large the window should be. Never refuses, never blank. */
import { badge, isRefused, isTranslated, laneToken } from '../fate.ts';
import { absent, percent, quantity, time } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { smallCaption } from '../parts/caption.ts';
import { blank, cell, fitRows, type Row, right, row, span } from '../rows.ts';
import type { Scene } from '../scene.ts';
import { smallest } from '../screen.ts';

export function small({ snapshot, screen }: Scene): Row[] {
  const { columns, rows } = screen;
  const state = snapshot.state === 'running' ? glyph.arrow : snapshot.state;
  const title = row(span(' dmascope ', 'title'), `${state} ${time(snapshot.timeNs)}`);
  const size = [
    blank,
    row(` This window is ${columns}x${rows}.`),
    row(` It needs ${smallest.columns}x${smallest.rows}; 80x24 is better.`),
    blank,
  ];
  const devices = snapshot.devices.map(({ name, lane, rates, ...rest }): Row => {
    const refused = isRefused({ name, lane, rates, ...rest });
    const hit = isTranslated(lane) ? percent(rates.iotlb_hit, rates.iotlb_lookup) : absent;
    return row(
      ' ',
      cell(name, 8),
      cell(badge(lane), 4, laneToken(lane), { bold: true }),
      right(`${quantity(rates.requests)}/s`, 8),
      refused ? span('  refused', 'blocked') : right(hit, 7),
    );
  });
  const keys = row(' ', span('space', 'key'), ' pause  ', span('q', 'key'), ' quit');
  const room = rows - 2;
  if (rows === 1) return [title];
  if (snapshot.demo != null) {
    const told = smallCaption(snapshot.demo, columns);
    const turn = row(' ', span(']', 'key'), ' next  ', span('[', 'key'), ' back ', ...keys);
    // What the demo says comes first; the devices take what is left.
    return [title, ...fitRows([...told, blank, ...devices], room), turn];
  }
  // With little height the devices matter more than the size.
  const middle = size.length + devices.length <= room ? [...size, ...devices] : devices;
  return [title, ...fitRows(middle, room), keys];
}
