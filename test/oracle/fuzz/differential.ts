/** Random cases of one mode on one unit, here and on QEMU. */
import fc from 'fast-check';
import type { Case, UnitWords } from '../../../source/conformance/case-file.ts';
import type { FieldDifference } from '../../../source/conformance/compare.ts';
import { writeCases } from '../../../source/conformance/write-cases.ts';
import { Comparer } from '../../../source/oracle/compare-with-qemu.ts';
import { QemuError, type QemuProgram } from '../../../source/oracle/program.ts';

export type FuzzOptions = {
  readonly unit: UnitWords;
  readonly cases: fc.Arbitrary<Case>;
  readonly count: number;
  readonly seed: number;
  /** Told after every case, also of those that shrinking tries. */
  readonly progress?: () => void;
};

export type FuzzResult = {
  /** How many cases were compared to their end without any difference. */
  readonly same: number;
  /** How many were compared to their end, with answers that differ at most for a known reason. */
  readonly complete: number;
  /** In how many cases each known departure showed. */
  readonly departures: ReadonlyMap<string, number>;
  readonly found: Found | null;
};

/** The smallest case found that differs for no known reason. */
export type Found = {
  /** From 1: which of the random cases differed first. */
  readonly at: number;
  /** From 1. */
  readonly step: number;
  readonly fields: readonly FieldDifference[];
  /** The case as a file for `dmascope conform FILE --qemu`. */
  readonly file: string;
};

class Differs extends Error {
  readonly step: number;
  readonly fields: readonly FieldDifference[];

  constructor(step: number, fields: readonly FieldDifference[]) {
    super('the units differ');
    this.step = step;
    this.fields = fields;
  }
}

/** @throws QemuError with the case as a file, if QEMU ended or did not answer */
export async function differential(program: QemuProgram, options: FuzzOptions): Promise<FuzzResult> {
  const { unit, cases, count, seed, progress } = options;
  await using comparer = new Comparer(program, unit);
  let same = 0;
  let complete = 0;
  const departures = new Map<string, number>();
  const fileOf = (entry: Case) => writeCases({ groups: [{ name: 'found', unit, cases: [entry] }] });
  let failure: QemuError | null = null;
  const property = fc.asyncProperty(cases, async (entry) => {
    // There is nobody left to ask about smaller cases.
    if (failure !== null) return;
    const { judgement } = await comparer.compare(entry).catch((error) => {
      if (!(error instanceof QemuError)) throw error;
      failure = new QemuError(`${error.message}\n${fileOf(entry)}`);
      throw failure;
    });
    progress?.();
    for (const name of new Set(judgement.departures.map((found) => found.name)))
      departures.set(name, (departures.get(name) ?? 0) + 1);
    if (judgement.difference !== null) {
      throw new Differs(judgement.difference.at + 1, judgement.difference.fields);
    }
    if (judgement.departures.length === 0) same++;
    if (judgement.isComplete) complete++;
  });
  const { failed, counterexample, errorInstance, numRuns } = await fc.check(property, {
    numRuns: count,
    seed,
  });
  if (failure !== null) throw failure;
  if (!failed) return { same, complete, departures, found: null };
  if (!(errorInstance instanceof Differs) || counterexample === null) throw errorInstance;
  const { step, fields } = errorInstance;
  const file = fileOf(counterexample[0]);
  return { same, complete, departures, found: { at: numRuns, step, fields, file } };
}

/** What was found, in lines. */
export const foundText = ({ at, step, fields, file }: Found): string =>
  [
    `case ${at} differs; made small, its step ${step} does:`,
    ...fields.map(({ field, expected, got }) => `  ${field}: ${expected} here, ${got} in QEMU`),
    'As a file for dmascope conform FILE --qemu:',
    file,
  ].join('\n');
