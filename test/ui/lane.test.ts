import { expect, test } from 'vitest';
import type { DeviceState, Lane } from '../../source/simulation/snapshot.ts';
import { glyph } from '../../source/ui/glyphs.ts';
import { hint } from '../../source/ui/hint.ts';
import { lane } from '../../source/ui/lane.ts';
import { devices } from './fixture.ts';

const drawn = (device: DeviceState) =>
  lane(device, 21, false)
    .map((part) => part.text)
    .join('');

const nowhere = { mapped: 0, stale: 0 };
const nothing = { requests: 0, faults: 0 };
const waiting = (device: DeviceState, reach: DeviceState['reach']): DeviceState => ({
  ...device,
  reach,
  counts: { ...device.counts, ...nothing },
  rates: { ...device.rates, ...nothing },
});

test('a device that reaches nothing ends at the unit, before its first request and in any domain', () => {
  for (const of of ['passthrough', 'translated', 'guest'] as const satisfies readonly Lane[]) {
    const device = devices.find((each) => each.lane === of)!;
    expect(drawn(waiting(device, { mapped: 8, stale: 0 })), of).toContain(glyph.arrow);
    expect(drawn(waiting(device, nowhere)), of).not.toContain(glyph.arrow);
    expect(drawn(waiting(device, nowhere)), of).toContain(glyph.refused);
  }
});

test('a page that waits for its invalidation is still reached', () => {
  expect(drawn(waiting(devices[1], { mapped: 0, stale: 1 }))).toContain(glyph.arrow);
});

test('the hint does not promise passthrough to a device whose entry is not valid', () => {
  expect(hint(devices[0], true)).toContain('it can write any physical address');
  expect(hint(waiting(devices[0], nowhere), true)).toContain('every request is refused');
});
