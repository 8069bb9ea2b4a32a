import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runCase } from '../../source/conformance/run-cases.ts';
import { DEPARTURES, fixtures } from './fixture-files.ts';
import { judge } from './judge.ts';
import { knownDepartures } from './known-departures.ts';
import { QemuOracle } from './qemu-oracle.ts';
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

describe('QEMU departs from the specification, and is recognised, in the case of', () => {
  for (const { unit, entry } of named) {
    testWithQemu(entry.name, async () => {
      await using oracle = new QemuOracle(unit);
      const { steps, written } = runCase(unit, entry);

      const verdict = judge(unit, entry, steps, await oracle.run(entry, written));

      expect(verdict).toMatchObject({ is: 'departure', name: entry.name });
    });
  }
});

test('a difference that nobody knows is not taken for a departure', () => {
  const { unit, entry } = named[0];
  const { steps } = runCase(unit, entry);
  const other = steps.map((step) => (step.op === 'dma' ? { ...step, watch: { '0x800000': '0x1' } } : step));

  expect(judge(unit, entry, steps, other)).toMatchObject({ is: 'difference', at: 1 });
});
