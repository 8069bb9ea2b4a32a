/**
 * The file of results: one JSON object a line, written as each point is done, so that a sweep that was stopped goes on
 * where it was.
 */
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { csvLine } from '../output/csv.ts';
import type { Point } from './plan.ts';

/** A result, with all that reproduces it. */
export type ResultLine = {
  /** Which sweep it is a point of. */
  readonly sweep: string;
  readonly version: string;
  readonly point: number;
  /** How many points the sweep has. */
  readonly of: number;
  readonly values: Point['values'];
  /** The command line as one would type it. */
  readonly command: string;
  readonly result: unknown;
};

/** A file is not what it should be. */
export class BadResults extends Error {}

/**
 * The lines of a file. A last line that was cut off while it was written does not count.
 *
 * @throws BadResults
 */
export function readResults(file: string): ResultLine[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const unfinished = lines.pop();
  const results = lines.filter((line) => line !== '').map((line, i) => resultIn(line, `${file}:${i + 1}`));
  if (unfinished !== undefined && unfinished !== '' && results.length === 0)
    resultIn(unfinished, `${file}:1`);
  return results;
}

function resultIn(line: string, place: string): ResultLine {
  let value: Partial<ResultLine> | null = null;
  try {
    value = JSON.parse(line);
  } catch {
    // Told below, as what is JSON but no result is.
  }
  const isResult =
    typeof value?.sweep === 'string' &&
    Number.isSafeInteger(value.point) &&
    Number.isSafeInteger(value.of) &&
    typeof value.command === 'string';
  if (!isResult) throw new BadResults(`${place}: expected a result of a sweep as one line of JSON`);
  return value as ResultLine;
}

/** What a sweep has done already, by point; empty where the file is not there yet. */
export function resultsSoFar(file: string, sweep: string): Map<number, ResultLine> {
  const results = existsSync(file) ? readResults(file) : [];
  const other = results.find((line) => line.sweep !== sweep);
  if (other !== undefined) {
    throw new BadResults(
      `${file} holds another sweep, or one of another version: "${other.command}" of ${other.version}. ` +
        'Expected another --out, or the file gone',
    );
  }
  // Without a line that was cut off; and a file that cannot be written is found before anything runs.
  writeResults(file, results);
  return new Map(results.map((line) => [line.point, line]));
}

export const appendResult = (file: string, line: ResultLine): void =>
  writing(file, () => appendFileSync(file, lineText(line)));

/** Write all at once and in order, in place of what is there. */
export function writeResults(file: string, results: readonly ResultLine[]): void {
  const sorted = results.toSorted((a, b) => a.point - b.point);
  replace(file, sorted.map(lineText).join(''));
}

const lineText = (line: ResultLine): string => `${JSON.stringify(line)}\n`;

export const csvFile = (file: string): string => file.replace(/(\.ndjson)?$/, '.csv');

/** Every number that was measured as a row: the point, its values, where the number stands. The command is in the lines. */
export function writeCsv(file: string, results: readonly ResultLine[]): void {
  const sorted = results.toSorted((a, b) => a.point - b.point);
  const axes = Object.keys(sorted[0]?.values ?? {});
  const rows = sorted.flatMap(({ point, values, result }) =>
    numbersIn(measured(result)).map(([measure, value]) => [
      point,
      ...axes.map((axis) => values[axis]),
      measure,
      value,
    ]),
  );
  replace(file, [['point', ...axes, 'measure', 'value'], ...rows].map(csvLine).join(''));
}

/** A result without what was given. */
function measured(result: unknown): object {
  const { schema, seed, parameters, ...rest } = result as Readonly<Record<string, unknown>>;
  return rest;
}

/** The numbers in a value with the way to each: `devices.nic0.page_walks`. */
function numbersIn(value: unknown, path = ''): [string, number][] {
  if (typeof value === 'number') return [[path, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    // Elements of lists go by what they are called, or by where they lie on their axis.
    const name = Array.isArray(value) ? (inner?.name ?? inner?.x ?? key) : key;
    return numbersIn(inner, path === '' ? String(name) : `${path}.${name}`);
  });
}

function replace(file: string, text: string): void {
  const unfinished = `${file}.${process.pid}`;
  writing(file, () => {
    writeFileSync(unfinished, text);
    renameSync(unfinished, file);
  });
}

function writing(file: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new BadResults(`cannot write ${file}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
