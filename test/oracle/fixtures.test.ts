import { describe, expect } from 'vitest';
import { compare, differenceText, expectationsOf } from '../../source/conformance/compare.ts';
import { compareWithQemu } from '../../source/oracle/compare-with-qemu.ts';
import { DEPARTURES, fixtures } from './fixture-files.ts';
import { testWithQemu } from './test-with-qemu.ts';

describe('QEMU answers the hand-written cases as they expect, but for known departures', () => {
  for (const [name, file] of Object.entries(fixtures)) {
    if (name === DEPARTURES) continue;
    const scalable = file.groups.some(({ cases }) => cases.some((entry) => entry.scalable));
    testWithQemu(
      `in ${name}`,
      async (program) => {
        const { theirs, departures, differences } = await compareWithQemu(program, file);
        const unexpected = compare(theirs, expectationsOf(file)).filter(
          (found) =>
            !departures.some(
              ({ group, case: entry, step }) =>
                group === found.group && entry === found.case && step <= found.step,
            ),
        );

        expect(differences.map(differenceText)).toEqual([]);
        expect(unexpected.map(differenceText)).toEqual([]);
      },
      { scalable },
    );
  }
});
