import { expect, test } from 'vitest';
import { defaultValues } from '../../source/parameters/registry.ts';
import { WRITE } from '../../source/vtd/formats/paging-entry.ts';
import { LAZY, session } from '../support/session.ts';

test('a refused request takes as long whether or not somebody has it explained', () => {
  const latency = (detail: boolean) => {
    const { simulation } = session(LAZY);
    simulation.advance(10_000);
    const { machine, journal } = simulation;
    journal.detail = detail;
    const nic = machine.find('nic0');
    if (nic === undefined) throw new Error('no nic0');
    // With cold caches the walk reads every level; explained afterwards it would read the last one only.
    machine.unit.invalidator.iotlbGlobal();
    return machine.dma.transfer(nic, 0, 0xffe0_0000 | 0, 64, WRITE);
  };
  const { 'walk.ns': first, 'walk.readNs': each } = defaultValues;
  expect(latency(true)).toBeGreaterThanOrEqual(first + 3 * each);
  expect(latency(false)).toBe(latency(true));
});
