/** The parts of a sweep as one. */
import { isDeepStrictEqual } from 'node:util';
import { BadResults, type ResultLine, readResults } from './result-file.ts';

export type Merged = {
  readonly results: readonly ResultLine[];
  /** Points that no part has. */
  readonly missing: readonly number[];
};

/**
 * Join parts. A point that several have must have come out the same.
 *
 * @throws BadResults
 */
export function mergeResults(files: readonly string[]): Merged {
  const byPoint = new Map<number, { line: ResultLine; file: string }>();
  let first: { line: ResultLine; file: string } | null = null;
  for (const file of files) {
    for (const line of readResults(file)) {
      first ??= { line, file };
      if (line.sweep !== first.line.sweep) {
        throw new BadResults(
          `${file} and ${first.file} are parts of different sweeps, or of different versions`,
        );
      }
      const known = byPoint.get(line.point);
      if (known !== undefined && !isDeepStrictEqual(known.line, line)) {
        throw new BadResults(
          `point ${line.point} came out differently in ${known.file} and ${file}: "${line.command}"`,
        );
      }
      byPoint.set(line.point, { line, file });
    }
  }
  const count = first?.line.of ?? 0;
  return {
    results: [...byPoint.values()].map(({ line }) => line),
    missing: Array.from({ length: count }, (_, point) => point).filter((point) => !byPoint.has(point)),
  };
}

/** `0 to 3, 7`. */
export function rangesText(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last !== undefined && number === last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ');
}
