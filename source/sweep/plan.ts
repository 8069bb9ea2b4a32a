/**
 * What a sweep does: the product of some values, each point of which is one command line of this program. So a point
 * can be anything that the program does without a screen, and each result carries what reproduces it.
 */
import { createHash } from 'node:crypto';

/** One thing that is varied, and the words that a value of it adds to the command line. */
export type Axis = {
  /** A parameter such as `iotlb.entries`, or an option: `boot`, `seed`, `unit`, `preset`. */
  readonly name: string;
  readonly kind: 'parameter' | 'option';
  readonly values: readonly string[];
};

export type Plan = {
  /** The words that all points begin with: `run --time 10ms`, or `experiment E1`. */
  readonly command: readonly string[];
  readonly axes: readonly Axis[];
};

export type Point = {
  /** From 0; the last axis varies fastest. */
  readonly index: number;
  /** The value on each axis, by its name. */
  readonly values: Readonly<Record<string, string>>;
  readonly words: readonly string[];
};

/** All points in order; one, where nothing is varied. */
export function pointsOf({ command, axes }: Plan): Point[] {
  let points: Omit<Point, 'index'>[] = [{ values: {}, words: command }];
  for (const axis of axes) {
    points = points.flatMap(({ values, words }) =>
      axis.values.map((value) => ({
        values: { ...values, [axis.name]: value },
        words: [...words, ...wordsOf(axis, value)],
      })),
    );
  }
  return points.map((point, index) => ({ index, ...point }));
}

const wordsOf = ({ name, kind }: Axis, value: string): string[] =>
  kind === 'option' ? [`--${name}`, value] : ['--set', `${name}=${value}`];

/** Tells two sweeps apart, and two versions of the program, whose results must not be mixed. */
export const idOf = (points: readonly Point[], version: string): string =>
  createHash('sha256')
    .update(JSON.stringify([version, points.map(({ words }) => words)]))
    .digest('hex')
    .slice(0, 16);
