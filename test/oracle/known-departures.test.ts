import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runCase } from '../../source/conformance/run-cases.ts';
import { Comparer } from '../../source/oracle/compare-with-qemu.ts';
import { judge } from '../../source/oracle/judge.ts';
import { knownDepartures } from '../../source/oracle/known-departures.ts';
import { majorVersion } from '../../source/oracle/program.ts';
import { DEPARTURES, fixtures } from './fixture-files.ts';
import { testWithQemu } from './test-with-qemu.ts';

const { groups } = fixtures[DEPARTURES];
const named = groups.flatMap(({ unit, cases }) => cases.map((entry) => ({ unit, entry })));

test('there is a case for every known departure, and for nothing else', () => {
  const names = knownDepartures.map(({ name }) => name);

  expect(named.map(({ entry }) => entry.name).sort()).toEqual(names.sort());
});

test('the documentation has all of them', () => {
  const text = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8');

  for (const { name, why } of knownDepartures) expect(text).toContain(`| ${name} | ${why} |`);
});

describe('QEMU departs from the specification, and only that entry of the table knows it, in the case of', () => {
  for (const { unit, entry } of named) {
    testWithQemu(
      entry.name,
      async (program) => {
        await using comparer = new Comparer(program, unit);
        const { ours, theirs, judgement } = await comparer.compare(entry);
        const without = knownDepartures.filter(({ name }) => name !== entry.name);

        const { apart, mendedIn = Number.POSITIVE_INFINITY } = knownDepartures.find(
          ({ name }) => name === entry.name,
        )!;
        if (majorVersion(program) >= mendedIn) {
          expect(judgement).toEqual({ departures: [], isComplete: true, difference: null });
          return;
        }

        expect(judgement).toMatchObject({ departures: [{ name: entry.name }], difference: null });
        expect(judge(unit, entry, ours, theirs, { table: without }).difference).not.toBeNull();
        // What is only told differently is no reason for another difference in the same step.
        const more = theirs.map((step) =>
          step.op === 'dma' ? { ...step, watch: { '0x800000': '0x1' } } : step,
        );
        const told = knownDepartures.filter((known) => !known.apart);
        const isDma = theirs.some(({ op }) => op === 'dma');
        if (!apart && isDma)
          expect(judge(unit, entry, ours, more, { table: told }).difference).not.toBeNull();
      },
      { scalable: entry.scalable },
    );
  }
});

test('a difference that nobody knows is not taken for a departure', () => {
  const { unit, entry } = named[0];
  const { steps } = runCase(unit, entry);
  const other = steps.map((step) => (step.op === 'dma' ? { ...step, watch: { '0x800000': '0x1' } } : step));

  expect(judge(unit, entry, steps, other).difference).toMatchObject({ at: 1 });
});
