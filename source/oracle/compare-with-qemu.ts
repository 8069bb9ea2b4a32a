/** Cases on both units: one at a time, or a whole file. */
import { type Case, type CaseFile, MEMORY_BYTES, type UnitWords } from '../conformance/case-file.ts';
import type { Difference } from '../conformance/compare.ts';
import type { CaseResult, Results, StepResult } from '../conformance/results.ts';
import { runCase } from '../conformance/run-cases.ts';
import { PhysicalMemory } from '../vtd/memory.ts';
import { type Judgement, judge } from './judge.ts';
import { QemuError, type QemuProgram } from './program.ts';
import { requireFeatures } from './qemu-machine.ts';
import { QemuOracle } from './qemu-oracle.ts';

/** Compares cases of one unit, each with the same QEMU. */
export class Comparer implements AsyncDisposable {
  private readonly unit: UnitWords;
  private readonly oracle: QemuOracle;
  private readonly memory = new PhysicalMemory(MEMORY_BYTES);

  /** @throws QemuError if this QEMU cannot be that unit */
  constructor(program: QemuProgram, unit: UnitWords) {
    this.unit = unit;
    this.oracle = new QemuOracle(program, unit);
  }

  /** @throws QemuError if QEMU ends or does not answer */
  async compare(entry: Case): Promise<Comparison> {
    // Both at the same time.
    const answered = this.oracle.run(entry, () => run.written);
    const run = runCase(this.unit, entry, { memory: this.memory });
    const theirs = await answered;
    const judgement = judge(this.unit, entry, run.steps, theirs, { memory: this.memory });
    return { ours: run.steps, theirs, judgement };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.oracle[Symbol.asyncDispose]();
  }
}

/** What each unit answers to a case, and what that means. */
export type Comparison = {
  readonly ours: readonly StepResult[];
  readonly theirs: readonly StepResult[];
  readonly judgement: Judgement;
};

/** A known departure, where it shows. */
export type FoundDeparture = {
  readonly group: string;
  readonly case: string;
  /** From 1. */
  readonly step: number;
  readonly name: string;
};

export type FileComparison = {
  readonly ours: Results;
  readonly theirs: Results;
  readonly departures: readonly FoundDeparture[];
  /** What QEMU answers otherwise for no known reason: `expected` is what the simulated unit answers. */
  readonly differences: readonly Difference[];
};

/**
 * Run every case of a file here and on QEMU, one process for each unit that the file describes.
 *
 * @throws QemuError with the group, and the case if it came to that
 */
export async function compareWithQemu(program: QemuProgram, file: CaseFile): Promise<FileComparison> {
  // A file is refused before anything runs.
  for (const { name, unit } of file.groups)
    await located(`group "${name}"`, () => requireFeatures(program, unit));
  const departures: FoundDeparture[] = [];
  const differences: Difference[] = [];
  const ours = [];
  const theirs = [];
  await using comparers = new Comparers(program);
  for (const { name: group, unit, cases } of file.groups) {
    const comparer = comparers.of(unit);
    const mine: CaseResult[] = [];
    const others: CaseResult[] = [];
    for (const entry of cases) {
      const { name } = entry;
      const found = await located(`group "${group}", case "${name}"`, () => comparer.compare(entry));
      mine.push({ name, steps: found.ours });
      others.push({ name, steps: found.theirs });
      const { judgement } = found;
      for (const { at, name: departure } of judgement.departures)
        departures.push({ group, case: name, step: at + 1, name: departure });
      if (judgement.difference === null) continue;
      const { at, fields } = judgement.difference;
      for (const field of fields) differences.push({ group, case: name, step: at + 1, ...field });
    }
    ours.push({ name: group, results: mine });
    theirs.push({ name: group, results: others });
  }
  return { ours: { groups: ours }, theirs: { groups: theirs }, departures, differences };
}

/** One for each unit, until all are done. */
class Comparers implements AsyncDisposable {
  private readonly program: QemuProgram;
  private readonly byUnit = new Map<string, Comparer>();

  constructor(program: QemuProgram) {
    this.program = program;
  }

  of(unit: UnitWords): Comparer {
    const key = JSON.stringify(unit);
    const comparer = this.byUnit.get(key) ?? new Comparer(this.program, unit);
    this.byUnit.set(key, comparer);
    return comparer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.byUnit.values()].map((comparer) => comparer[Symbol.asyncDispose]()));
  }
}

/** Say where QEMU failed. */
async function located<T>(place: string, body: () => T | Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw error instanceof QemuError ? new QemuError(`${place}: ${error.message}`) : error;
  }
}
