import { expect, test } from 'vitest';
import { compare, differenceText, expectationsOf } from '../../source/conformance/compare.ts';
import { runCases } from '../../source/conformance/run-cases.ts';
import { fixtures } from '../oracle/fixture-files.ts';

test.each(Object.entries(fixtures))('the simulated unit answers all cases of %s as expected', (_, file) => {
  const differences = compare(runCases(file), expectationsOf(file));

  expect(differences.map(differenceText)).toEqual([]);
});

test('every hand-written case says what it expects', () => {
  const cases = Object.values(fixtures).flatMap(({ groups }) => groups.flatMap((group) => group.cases));

  expect(cases.filter((entry) => entry.expect === null)).toEqual([]);
});
