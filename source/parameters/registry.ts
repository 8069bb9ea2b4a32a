/**
 * Every parameter of the simulation by its name, and the readers of `--set name=value`. A name is declared once, in
 * the group it belongs to; add it there and it can be set everywhere.
 */
import { nearest } from '../linux/nearest.ts';
import type { UnitDescription } from '../vtd/unit/capabilities.ts';
import { cachesOf, chipParameters } from './chip.ts';
import { cpuParameters } from './cpu.ts';
import type { Parameter, ValuesOf } from './declaration.ts';
import { machineParameters } from './machine.ts';
import { timingParameters } from './timing.ts';
import { fieldParameters, uncertainParameters, unitOf } from './unit.ts';

/** The groups, in the order in which people read them. */
export const parameterGroups = {
  'The unit': chipParameters,
  Time: timingParameters,
  'The CPU': cpuParameters,
  'The machine': machineParameters,
  'What the unit offers': fieldParameters,
  'What the specification leaves open': uncertainParameters,
} as const;

export const parameters = {
  ...chipParameters,
  ...timingParameters,
  ...cpuParameters,
  ...machineParameters,
  ...fieldParameters,
  ...uncertainParameters,
} as const;

export type ParameterName = keyof typeof parameters;

/** A value for every parameter. */
export type Values = ValuesOf<typeof parameters>;

/** Values other than the default, as plain data: what a preset is, and what a user sets. */
export type Overrides = { readonly [N in ParameterName]?: Values[N] };

export const parameterNames = Object.keys(parameters) as ParameterName[];

export const defaultValues = Object.fromEntries(
  parameterNames.map((name) => [name, parameters[name].default]),
) as Values;

/** All values, those set in place of the defaults; later ones win. */
export const valuesWith = (...overrides: readonly Overrides[]): Values =>
  Object.assign({ ...defaultValues }, ...overrides);

/** What is wrong with a setting, in a sentence for people. */
export class BadSetting extends Error {}

/**
 * Read `name=value`.
 *
 * @throws BadSetting for an unknown name, with the nearest one, and for a value out of range
 */
export function readSetting(text: string): Overrides {
  const at = text.indexOf('=');
  if (at < 0) throw new BadSetting(`expected name=value, such as iotlb.entries=64; got ${shown(text)}`);
  const name = text.slice(0, at).trim();
  return { [name]: readValue(name, parameterOf(name), text.slice(at + 1).trim()) };
}

/** Throws BadSetting where values do not fit together, or make of a unit what none can be. */
export function checkValues(values: Values, unit: UnitDescription): void {
  try {
    cachesOf(values);
    unitOf(unit, values);
  } catch (error) {
    throw error instanceof RangeError ? new BadSetting(error.message) : error;
  }
}

function parameterOf(name: string): Parameter {
  if (Object.hasOwn(parameters, name)) return parameters[name as ParameterName];
  const meant = nearest(name, parameterNames, Math.max(4, Math.ceil(name.length / 2)));
  const suggestion = meant === null ? '' : ` Did you mean ${meant}?`;
  throw new BadSetting(`${shown(name)} is no parameter.${suggestion} docs/parameters.md lists all.`);
}

function readValue(name: string, parameter: Parameter, text: string): number | string {
  if (parameter.kind === 'choice') {
    if (parameter.choices.includes(text)) return text;
    const meant = nearest(text, parameter.choices);
    const suggestion = meant === null ? '' : `. Did you mean ${meant}?`;
    throw new BadSetting(`${name}: expected ${listed(parameter.choices)}; got ${shown(text)}${suggestion}`);
  }
  if (parameter.kind === 'field') {
    const { most } = parameter;
    const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
    if (value <= most) return value;
    throw new BadSetting(`${name}: expected a whole number from 0 to ${most}; got ${shown(text)}`);
  }
  const { least, most, unit, isWhole } = parameter;
  const value = /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value;
  const kind = isWhole ? 'a whole number' : 'a number';
  throw new BadSetting(
    `${name}: expected ${kind} from ${least} to ${most}${unit === '' ? '' : ` ${unit}`}; got ${shown(text)}`,
  );
}

const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

/** Text from outside, without what could move a cursor. */
const shown = (text: string): string =>
  text === '' ? 'nothing' : `"${text.slice(0, 60).replace(/[^\x20-\x7e]/g, '?')}"`;
