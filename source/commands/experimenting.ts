/** An experiment under way beside the machine: it has a host of its own and changes nothing of this one. */
import type { Experiment } from '../experiments/experiment.ts';
import { experiments } from '../experiments/index.ts';
import { experimentSteps, type Progress } from '../experiments/run.ts';
import type { Benchmark } from '../machine/benchmarks/benchmark.ts';
import { presets } from '../parameters/presets.ts';
import { type Overrides, valuesWith } from '../parameters/registry.ts';
import type { ExperimentState } from '../simulation/snapshot.ts';

export const experimentIds: readonly string[] = experiments.map(({ id }) => id);

/**
 * One experiment. A point takes up to a second of work, which is not done here: whoever lets time pass measures the
 * points, in a thread of its own or one after the other, and tells of each.
 */
export class Experimenting {
  readonly id: string;
  private known: Progress;
  private isStopped = false;

  /** @param id one of experimentIds */
  constructor(id: string) {
    this.id = id;
    this.known = stepsOf(id).next().value as Progress;
  }

  /** A point was measured. */
  tell(progress: Progress): void {
    if (!this.isStopped) this.known = progress;
  }

  stop(): void {
    this.isStopped = this.state.state === 'running';
  }

  get state(): ExperimentState {
    const { done, of } = this.known;
    return { ...this.known, state: done === of ? 'over' : this.isStopped ? 'stopped' : 'running' };
  }
}

/** An experiment point by point, as published. */
export const stepsOf = (id: string): Generator<Progress, void> => experimentSteps(experimentOf(id), {});

const experimentOf = (id: string): Experiment => experiments.find((one) => one.id === id) as Experiment;

/** A live machine that is set up like an experiment's host. */
export type LiveSetup = {
  readonly boot: string;
  readonly parameters: Overrides;
  /** What its device does; left out where an experiment has none that a live machine could run. */
  readonly benchmark?: Benchmark;
  /** The point of the experiment: `window 1048576 B`; empty without a benchmark. */
  readonly point: string;
};

export function setupOf(id: string): LiveSetup {
  const { boot, cases, xName, xUnit } = experimentOf(id);
  const { preset, overrides = {}, live } = cases[0];
  const parameters = { ...(preset === null ? {} : presets[preset].values), ...overrides };
  if (live === undefined) return { boot, parameters, point: '' };
  const benchmark = live.benchmark(live.x, valuesWith(parameters));
  return { boot: live.boot, parameters, benchmark, point: `${xName} ${live.x} ${xUnit}`.trimEnd() };
}
