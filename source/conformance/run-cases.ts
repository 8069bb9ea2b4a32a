/** Runs cases on the simulated unit. */
import { PhysicalMemory } from '../vtd/memory.ts';
import { Bench } from './bench.ts';
import { type Case, type CaseFile, MEMORY_BYTES, type UnitWords } from './case-file.ts';
import type { ObservedRequest } from './dma-engine.ts';
import type { Results, StepResult } from './results.ts';
import { Software } from './software.ts';

/** What a run of one case leaves: the answers, and what only the simulator can tell. */
export type CaseRun = {
  readonly steps: readonly StepResult[];
  /** The requests of each step, if they were to be observed. */
  readonly requests: readonly (readonly ObservedRequest[])[];
  /** Numbers of the pages that devices wrote. */
  readonly written: ReadonlySet<number>;
};

/** Run every case of a file, each on a unit and memory of its own. */
export function runCases(file: CaseFile): Results {
  const memory = new PhysicalMemory(MEMORY_BYTES);
  return {
    groups: file.groups.map(({ name, unit, cases }) => ({
      name,
      results: cases.map((entry) => ({ name: entry.name, steps: runCase(unit, entry, { memory }).steps })),
    })),
  };
}

export type RunOptions = {
  /** True to note how every request was decided. */
  readonly observe?: boolean;
  /** To be used again for the next case; whatever it holds is cleared first. */
  readonly memory?: PhysicalMemory;
};

/** Run one case. */
export function runCase(unit: UnitWords, entry: Case, options: RunOptions = {}): CaseRun {
  const { observe = false, memory = new PhysicalMemory(MEMORY_BYTES) } = options;
  const bench = new Bench(unit, memory);
  const software = new Software(entry);
  for (const block of entry.mem) bench.perform({ kind: 'write memory', ...block });
  const requests: ObservedRequest[][] = [];
  const steps = entry.steps.map((step) => {
    const observed: ObservedRequest[] = [];
    requests.push(observed);
    if (observe) bench.engine.observer = (request) => observed.push(request);
    const { operations, result } = software.plan(step);
    const values = operations.map((operation) => bench.perform(operation));
    return result(values.filter((value) => value !== null));
  });
  return { steps, requests, written: bench.engine.written };
}
