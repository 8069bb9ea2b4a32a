/** What an experiment is, and what comes of it. */
import type { Benchmark } from '../machine/benchmarks/benchmark.ts';
import type { PresetName } from '../parameters/presets.ts';
import type { Overrides, Values } from '../parameters/registry.ts';

export type Point = {
  readonly x: number;
  readonly xUnit: string;
  /** The published figure; null where none is known. */
  readonly published: number | null;
  readonly simulated: number;
  /** How far the two may differ, as a share of the published one; null where the point is no gate. */
  readonly tolerance: number | null;
  /** Null where the point is no gate. */
  readonly pass: boolean | null;
};

export type Series = { readonly name: string; readonly unit: string; readonly points: readonly Point[] };

/** Something an experiment must show besides its points. */
export type Check = {
  readonly name: string;
  readonly expected: string;
  readonly found: string;
  readonly pass: boolean;
};

export type Result = {
  readonly id: string;
  readonly title: string;
  /** A gate must pass; a demonstration shows shape and order. */
  readonly kind: 'gate' | 'demonstration';
  readonly source: string;
  readonly setup: string;
  /** What x is, for people. */
  readonly xName: string;
  readonly preset: string;
  /** The parameters that are not at their defaults, those of the preset included. */
  readonly parameters: Overrides;
  /** What the model cannot do, if anything. */
  readonly note: string | null;
  readonly series: readonly Series[];
  readonly checks: readonly Check[];
  readonly pass: boolean;
};

/** What is measured in one go: one figure for each series at a point. */
export type Case = {
  readonly preset: PresetName | null;
  /** What this case sets besides its preset. */
  readonly overrides?: Overrides;
  readonly series: readonly { readonly name: string; readonly unit: string }[];
  /** Where it is measured if nothing is published for its first series. */
  readonly xs?: readonly number[];
  /** How a live machine does the same at a point, and the point that one is opened at; left out where it cannot. */
  readonly live?: {
    readonly boot: string;
    readonly x: number;
    benchmark(x: number, values: Values): Benchmark;
  };
  /** @returns a figure for each series */
  measure(x: number, values: Values): readonly number[];
};

export type Experiment = {
  readonly id: string;
  readonly title: string;
  readonly kind: Result['kind'];
  /** What was measured, and on what. */
  readonly setup: string;
  readonly note?: string;
  /** The boot line of its host. */
  readonly boot: string;
  /** What x is, for people: `window`, `flows`. */
  readonly xName: string;
  readonly xUnit: string;
  readonly xRange: readonly [least: number, most: number];
  /** x is a multiple of this: whole pages of a window, whole descriptors of a ring. */
  readonly xStep: number;
  readonly cases: readonly Case[];
  /** What must hold besides the published points. Only called with the points of the experiment itself. */
  judge?(found: Found, valuesOf: (at: Case) => Values): readonly Check[];
};

/** The simulated figure of a series at a point. */
export type Found = (series: string, x: number) => number;

/** A check that two figures agree. */
export const within = (
  name: string,
  found: number,
  expected: number,
  tolerance: string,
  pass: boolean,
): Check => ({
  name,
  expected: `${rounded(expected)} ${tolerance}`,
  found: rounded(found),
  pass,
});

export const rounded = (value: number): string =>
  Number.isInteger(value) ? `${value}` : value.toPrecision(4).replace(/\.?0+$/, '');
