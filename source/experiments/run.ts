/** Runs experiments. The same experiment, parameters and points give the same result, every time. */
import { type PresetName, presets } from '../parameters/presets.ts';
import {
  defaultValues,
  type Overrides,
  parameterNames,
  type Values,
  valuesWith,
} from '../parameters/registry.ts';
import type { Case, Experiment, Point, Result, Series } from './experiment.ts';
import { citationOf, figuresOf } from './published.ts';

export type RunOptions = {
  /** In place of the presets of the experiment. */
  readonly preset?: PresetName;
  /** Set on top of the preset. */
  readonly parameters?: Overrides;
  /** In place of the published points. */
  readonly xs?: readonly number[];
};

export type Progress = { readonly done: number; readonly of: number; readonly result: Result };

/** Run an experiment to its end. */
export function runExperiment(
  experiment: Experiment,
  options: RunOptions = {},
  onProgress: (progress: Progress) => void = () => {},
): Result {
  let last: Result | null = null;
  for (const progress of experimentSteps(experiment, options)) {
    onProgress(progress);
    last = progress.result;
  }
  return last as Result;
}

/** An experiment point by point: after each one, what is known so far. The last one has the checks. */
export function* experimentSteps(
  experiment: Experiment,
  options: RunOptions = {},
): Generator<Progress, void> {
  const { id, cases } = experiment;
  const valuesOf = (at: Case): Values => valuesWith(...overridesOf(at, options));
  const pointsOf = (at: Case): readonly number[] =>
    options.xs ?? at.xs ?? figuresOf(id, at.series[0].name).map(([x]) => x);
  const of = cases.reduce((sum, at) => sum + pointsOf(at).length, 0);
  const series: { name: string; unit: string; points: Point[] }[] = [];
  let done = 0;
  yield { done, of, result: resultOf(experiment, options, series, false) };
  for (const at of cases) {
    const mine = at.series.map(({ name, unit }) => ({ name, unit, points: [] as Point[] }));
    series.push(...mine);
    const values = valuesOf(at);
    for (const x of pointsOf(at)) {
      const figures = at.measure(x, values);
      mine.forEach(({ name, points }, i) => {
        points.push(pointOf(experiment, name, x, figures[i]));
      });
      done++;
      const isOver = done === of;
      yield { done, of, result: resultOf(experiment, options, series, isOver) };
    }
  }
}

/** The parameters of a case, later ones winning. */
const overridesOf = (at: Case, { preset, parameters = {} }: RunOptions): readonly Overrides[] => {
  const name = preset ?? at.preset;
  return [name === null ? {} : presets[name].values, at.overrides ?? {}, parameters];
};

function pointOf({ id, xUnit }: Experiment, series: string, x: number, simulated: number): Point {
  const figure = figuresOf(id, series).find(([at]) => at === x);
  if (figure === undefined) return { x, xUnit, published: null, simulated, tolerance: null, pass: null };
  const [, published, tolerance] = figure;
  const pass = tolerance === null ? null : Math.abs(simulated - published) <= tolerance * published;
  return { x, xUnit, published, simulated, tolerance, pass };
}

function resultOf(
  experiment: Experiment,
  options: RunOptions,
  series: readonly Series[],
  isOver: boolean,
): Result {
  const { id, title, kind, setup, xName, cases, note = null } = experiment;
  const found = (name: string, x: number): number =>
    series.find((one) => one.name === name)?.points.find((point) => point.x === x)?.simulated ?? Number.NaN;
  const valuesOf = (at: Case): Values => valuesWith(...overridesOf(at, options));
  // Checks compare points with each other; at points that somebody chose there may be nothing to compare.
  const judged = isOver && options.xs === undefined;
  const checks = judged ? (experiment.judge?.(found, valuesOf) ?? []) : [];
  const used = [...new Set(cases.map(({ preset }) => options.preset ?? preset ?? 'defaults'))];
  return {
    id,
    title,
    kind,
    source: citationOf(id),
    setup,
    xName,
    preset: used.join(', '),
    parameters: changed(
      cases.length === 1 || used.length === 1 ? valuesOf(cases[0]) : valuesWith(options.parameters ?? {}),
    ),
    note,
    series: series.map((one) => ({ ...one, points: one.points.slice() })),
    checks,
    pass:
      series.every(({ points }) => points.every(({ pass }) => pass !== false)) &&
      checks.every(({ pass }) => pass),
  };
}

const changed = (values: Values): Overrides =>
  Object.fromEntries(
    parameterNames.filter((name) => values[name] !== defaultValues[name]).map((name) => [name, values[name]]),
  );
