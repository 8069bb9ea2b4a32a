import { describe, expect } from 'vitest';
import { compare, differenceText, expectationsOf } from '../../source/conformance/compare.ts';
import { DEPARTURES, fixtures } from './fixture-files.ts';
import { runOnQemu } from './qemu-oracle.ts';
import { testWithQemu } from './test-with-qemu.ts';

describe('QEMU answers the hand-written cases as they expect', () => {
  for (const [name, file] of Object.entries(fixtures)) {
    if (name === DEPARTURES) continue;
    testWithQemu(`in ${name}`, async () => {
      const differences = compare(await runOnQemu(file), expectationsOf(file));
      expect(differences.map(differenceText)).toEqual([]);
    });
  }
});
