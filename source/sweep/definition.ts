/** A sweep as a file: JSON with what is varied, and what holds for all points. */
import { nearest } from '../linux/nearest.ts';
import type { Axis, Plan } from './plan.ts';

/** What a sweep varies and what it does not, from a file or from the command line. */
export type Definition = {
  /** The experiment to vary; null for machines without a screen. */
  readonly experiment: string | null;
  /** Options that hold for all points, such as `time`. */
  readonly fixed: Readonly<Record<string, string>>;
  /** Options that are varied, in the order in which they vary. */
  readonly options: Readonly<Record<string, readonly string[]>>;
  /** Parameters that are varied, likewise. */
  readonly parameters: Readonly<Record<string, readonly string[]>>;
};

/** A file is no definition of a sweep. */
export class BadDefinition extends Error {}

/** Options that one value holds for, and options that a sweep may vary, of a run and of an experiment. */
const forms = {
  run: { fixed: ['time', 'exec'], varied: ['boot', 'seed', 'unit', 'preset'] },
  experiment: { fixed: ['x'], varied: ['preset'] },
} as const;

/**
 * The points of a definition, as a plan.
 *
 * @throws BadDefinition where an option does not belong to what is swept
 */
export function planOf({ experiment, fixed, options, parameters }: Definition): Plan {
  const form = experiment === null ? forms.run : forms.experiment;
  const foreign = [
    ...Object.keys(fixed).filter((name) => !(form.fixed as readonly string[]).includes(name)),
    ...Object.keys(options).filter((name) => !(form.varied as readonly string[]).includes(name)),
  ];
  if (foreign.length > 0) {
    const what = experiment === null ? 'a sweep over runs' : 'a sweep over an experiment';
    const known = [...form.fixed, ...form.varied, 'set'];
    throw new BadDefinition(`${what} has no ${foreign.join(', ')}: expected ${known.join(', ')}`);
  }
  const command = experiment === null ? ['run'] : ['experiment', experiment];
  const axes: Axis[] = [
    ...Object.entries(options).map(([name, values]) => ({ name, kind: 'option', values }) as const),
    ...Object.entries(parameters).map(([name, values]) => ({ name, kind: 'parameter', values }) as const),
  ];
  return {
    command: [...command, ...Object.entries(fixed).flatMap(([name, value]) => [`--${name}`, value])],
    axes,
  };
}

/**
 * Read a file such as `{"boot": ["intel_iommu=on", "iommu=pt"], "time": "5ms", "set": {"iotlb.entries": [64, 128]}}`.
 *
 * @throws BadDefinition
 */
export function readDefinition(text: string): Definition {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BadDefinition(`expected JSON: ${(error as Error).message}`);
  }
  const { experiment = null, set = {}, ...rest } = objectIn(value, 'a sweep');
  if (experiment !== null && typeof experiment !== 'string')
    throw new BadDefinition(`experiment: expected an id such as "E1", got ${shown(experiment)}`);
  const form = experiment === null ? forms.run : forms.experiment;
  const fixed: Record<string, string> = {};
  const options: Record<string, readonly string[]> = {};
  for (const [name, given] of Object.entries(rest)) {
    if ((form.fixed as readonly string[]).includes(name)) fixed[name] = oneIn(given, name);
    else if ((form.varied as readonly string[]).includes(name)) options[name] = valuesIn(given, name);
    else throw new BadDefinition(unknown(name, ['experiment', ...form.fixed, ...form.varied, 'set']));
  }
  const parameters = Object.fromEntries(
    Object.entries(objectIn(set, 'set')).map(([name, given]) => [name, valuesIn(given, `set: ${name}`)]),
  );
  return { experiment, fixed, options, parameters };
}

function objectIn(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new BadDefinition(`expected ${what} as an object, got ${shown(value)}`);
}

function oneIn(value: unknown, name: string): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new BadDefinition(`${name}: expected one value, got ${shown(value)}`);
}

function valuesIn(value: unknown, name: string): readonly string[] {
  const values = (Array.isArray(value) ? value : [value]).map((each) => oneIn(each, name));
  if (values.length === 0) throw new BadDefinition(`${name}: expected at least one value`);
  if (new Set(values).size < values.length) throw new BadDefinition(`${name}: a value stands twice`);
  return values;
}

function unknown(name: string, valid: readonly string[]): string {
  const meant = nearest(name, valid);
  const suggestion = meant === null ? '' : `. Did you mean ${meant}?`;
  return `expected ${valid.join(', ')}; got ${shown(name)}${suggestion}`;
}

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 60) ?? 'nothing';
