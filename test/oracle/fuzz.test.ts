/**
 * Random cases on the simulated unit and on QEMU. DMASCOPE_FUZZ_CASES says how many there are (2,000 if not given),
 * DMASCOPE_FUZZ_SEED which (`random` for others each time).
 */
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import type { Case, UnitWords } from '../../source/conformance/case-file.ts';
import { MEMORY_BYTES } from '../../source/conformance/case-file.ts';
import { runCase } from '../../source/conformance/run-cases.ts';
import { writeCases } from '../../source/conformance/write-cases.ts';
import { PhysicalMemory } from '../../source/vtd/memory.ts';
import { queueCase } from './cases/queue-case.ts';
import { changeCase, translationCase } from './cases/translation-case.ts';
import { judge, type Verdict } from './judge.ts';
import { QemuOracle } from './qemu-oracle.ts';
import { testWithQemu } from './test-with-qemu.ts';
import { units } from './units.ts';

const total = Number(process.env.DMASCOPE_FUZZ_CASES ?? 2000);
const { DMASCOPE_FUZZ_SEED: chosen = '1' } = process.env;
const firstSeed = chosen === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(chosen);

const kinds: Readonly<Record<string, (unit: UnitWords) => fc.Arbitrary<Case>>> = {
  'tables and requests': translationCase,
  'changes of tables in use': changeCase,
  'invalidation registers and descriptors': queueCase,
};

const tests = Object.keys(units).length * Object.keys(kinds).length;
const perTest = Math.ceil(total / tests);
/** Far more than a case takes on a busy machine, plus what shrinking may take. */
const timeout = 60_000 + 50 * perTest;

describe.each(Object.entries(units))('a unit with %s', (_, unit) => {
  for (const [kind, cases] of Object.entries(kinds)) {
    const title = `answers ${perTest} random cases about ${kind} as QEMU does`;
    testWithQemu(title, () => differential(unit, cases(unit)), timeout);
  }
});

async function differential(unit: UnitWords, cases: fc.Arbitrary<Case>): Promise<void> {
  // The same cases on every unit would find less.
  const seed = firstSeed + Object.values(units).indexOf(unit);
  await using oracle = new QemuOracle(unit);
  const memory = new PhysicalMemory(MEMORY_BYTES);
  const seen = new Map<string, number>();
  const property = fc.asyncProperty(cases, async (entry) => {
    const { steps, written } = runCase(unit, entry, { memory });
    const theirs = await oracle.run(entry, written);
    const verdict = judge(unit, entry, steps, theirs);
    const what = verdict.is === 'departure' ? verdict.name : verdict.is;
    seen.set(what, (seen.get(what) ?? 0) + 1);
    if (verdict.is !== 'difference') return;
    throw new Error(report(unit, entry, verdict));
  });
  const { failed, counterexample, errorInstance, numRuns, numShrinks } = await fc.check(property, {
    numRuns: perTest,
    seed,
  });
  if (failed) {
    expect.fail(
      `DMASCOPE_FUZZ_SEED=${firstSeed}, case ${numRuns}, shrunk ${numShrinks} times: ` +
        `${errorInstance instanceof Error ? errorInstance.message : JSON.stringify(counterexample)}`,
    );
  }
  // What departs is compared no further, so it must not be what most cases do.
  expect(seen.get('same') ?? 0).toBeGreaterThan(perTest / 2);
  if (process.env.DMASCOPE_FUZZ_REPORT === '1') console.log(Object.fromEntries(seen));
}

/** What differs, and the case as a file. */
function report(
  unit: UnitWords,
  entry: Case,
  { at, fields }: Extract<Verdict, { is: 'difference' }>,
): string {
  const lines = fields.map(({ field, expected, got }) => `  ${field}: ${expected} here, ${got} in QEMU`);
  const file = writeCases({ groups: [{ name: 'found', unit, cases: [entry] }] });
  return [`step ${at + 1} differs`, ...lines, file].join('\n');
}
