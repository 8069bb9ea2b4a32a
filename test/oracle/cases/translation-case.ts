/** Made-up cases about tables: two domains, three devices, requests, and changes while it all is in use. */
import fc from 'fast-check';
import type { Case, Step, UnitWords } from '../../../source/conformance/case-file.ts';
import { change } from './changes.ts';
import { memoryOf, soundContext, soundEntry, soundTables, type Tables, tables } from './memory.ts';
import { request } from './requests.ts';
import { type Choice, stepsOf } from './steps.ts';
import { ROOT, watched } from './tables.ts';

const step = <S extends Step>(arbitrary: fc.Arbitrary<S>): fc.Arbitrary<Choice> =>
  arbitrary.map((found) => ({ do: 'step', step: found }));

const plain = (op: 'clearFaults' | 'faults' | 'enable'): fc.Arbitrary<Choice> =>
  fc.constant({ do: 'step', step: { op } });

const choice = (width: number): fc.Arbitrary<Choice> =>
  fc.oneof(
    { weight: 10, arbitrary: step(request) },
    { weight: 4, arbitrary: plain('clearFaults') },
    { weight: 3, arbitrary: change(width).map((found): Choice => ({ do: 'change', change: found })) },
    { weight: 1, arbitrary: plain('faults') },
    { weight: 1, arbitrary: plain('enable') },
  );

/** What is right stays right, so that a request before a change leaves something in the caches. */
const soundChoice = (width: number): fc.Arbitrary<Choice> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .record({ change: change(width, soundEntry, soundContext(width)), request })
        .map((found): Choice => ({ do: 'probe', ...found })),
    },
    { weight: 4, arbitrary: step(request) },
    { weight: 1, arbitrary: plain('clearFaults') },
  );

const rtaddr = fc.oneof(
  { weight: 40, arbitrary: fc.constant(BigInt(ROOT)) },
  { weight: 1, arbitrary: fc.constantFrom(0x3000_0000n, BigInt(ROOT) | 0x200n, BigInt(ROOT) | (1n << 50n)) },
);

/** The width that most contexts of a case ask for: the largest that the unit has. */
export const usualWidth = ({ awBits }: UnitWords): number => (awBits === 39 ? 1 : 2);

const caseOf = (
  unit: UnitWords,
  name: string,
  parts: { tables: fc.Arbitrary<Tables>; rtaddr: fc.Arbitrary<bigint>; choices: fc.Arbitrary<Choice[]> },
): fc.Arbitrary<Case> =>
  fc.record(parts).map(({ tables: found, rtaddr: at, choices }) => ({
    name,
    scalable: false,
    rtaddr: at,
    mem: memoryOf(found),
    watch: watched,
    steps: [{ op: 'enable' }, ...stepsOf(unit, found, choices)],
    expect: null,
  }));

/** Anything may be wrong with the tables. */
export const translationCase = (unit: UnitWords): fc.Arbitrary<Case> =>
  caseOf(unit, 'translation', {
    tables: tables(usualWidth(unit)),
    rtaddr,
    choices: fc.array(choice(usualWidth(unit)), { minLength: 1, maxLength: 14 }),
  });

/** Tables are right, and change under the eyes of those who use them. */
export const changeCase = (unit: UnitWords): fc.Arbitrary<Case> =>
  caseOf(unit, 'change', {
    tables: soundTables(usualWidth(unit)),
    rtaddr: fc.constant(BigInt(ROOT)),
    choices: fc.array(soundChoice(usualWidth(unit)), { minLength: 1, maxLength: 6 }),
  });
