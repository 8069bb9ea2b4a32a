/** An experiment under way beside the machine: it has a host of its own and changes nothing of this one. */
import type { Experiment } from '../experiments/experiment.ts';
import { experiments } from '../experiments/index.ts';
import { experimentSteps, type Progress } from '../experiments/run.ts';
import { presets } from '../parameters/presets.ts';
import type { Overrides } from '../parameters/registry.ts';

export const experimentIds: readonly string[] = experiments.map(({ id }) => id);

export class Experimenting {
  /** What is known so far. */
  progress: Progress;
  private readonly steps: Generator<Progress, void>;

  /** @param id one of experimentIds */
  constructor(id: string) {
    this.steps = experimentSteps(experimentOf(id), {});
    this.progress = this.steps.next().value as Progress;
  }

  /** Measure the next point. Returns whether there was one. */
  step(): boolean {
    const { value, done } = this.steps.next();
    if (value !== undefined) this.progress = value;
    return done !== true;
  }
}

const experimentOf = (id: string): Experiment => experiments.find((one) => one.id === id) as Experiment;

/** The boot line and the parameters of an experiment's host. */
export function setupOf(id: string): { readonly boot: string; readonly parameters: Overrides } {
  const { boot, cases } = experimentOf(id);
  const { preset, overrides = {} } = cases[0];
  return { boot, parameters: { ...(preset === null ? {} : presets[preset].values), ...overrides } };
}
