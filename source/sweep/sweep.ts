/** Carry out the points of a sweep, some at a time, each as a process of its own. */
import { execa } from 'execa';
import { shellText } from '../commands/printable.ts';
import type { Point } from './plan.ts';
import { appendResult, type ResultLine } from './result-file.ts';

/** A point that could not be carried out: its command line is wrong, or the program failed. */
export class PointFailed extends Error {}

export type SweepOptions = {
  /** The program's own file, to be started for each point. */
  readonly program: string;
  readonly version: string;
  readonly sweep: string;
  /** The points to do, and how many the whole sweep has. */
  readonly points: readonly Point[];
  readonly of: number;
  readonly file: string;
  /** How many at a time. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  readonly onDone: (line: ResultLine) => void;
};

/** Exit codes of a point that came to a result: 3 is an experiment that missed what was published. */
const FINISHED = [0, 3];

/**
 * Do all points and append each result to the file as it comes.
 *
 * @throws PointFailed for the first point that failed; those under way are stopped, and what is done is kept
 */
export async function sweep(options: SweepOptions): Promise<void> {
  const left = options.points.values();
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  async function work() {
    for (const point of left) {
      if (signal.aborted) return;
      const line = await carryOut(point, options, signal);
      if (line === null) return;
      appendResult(options.file, line);
      options.onDone(line);
    }
  }
  const workers = Array.from({ length: Math.min(options.jobs, options.points.length) }, () =>
    work().catch((error: unknown) => {
      failure.abort();
      throw error;
    }),
  );
  const ends = await Promise.allSettled(workers);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** @returns null where it was stopped */
async function carryOut(
  { index, values, words }: Point,
  { program, version, sweep: id, of }: SweepOptions,
  signal: AbortSignal,
): Promise<ResultLine | null> {
  const command = ['dmascope', ...words].map(shellText).join(' ');
  const done = await execa(process.execPath, [program, ...words, '--format', 'json'], {
    cancelSignal: signal,
    reject: false,
    stdin: 'ignore',
  });
  if (done.isCanceled || signal.aborted) return null;
  if (done.exitCode === undefined || !FINISHED.includes(done.exitCode)) {
    const said = done.stderr.replace(/^dmascope: /, '').trim() || `it ended by ${done.signal ?? 'an error'}`;
    throw new PointFailed(`point ${index}, ${command}: ${said}`);
  }
  return {
    sweep: id,
    version,
    point: index,
    of,
    values,
    command,
    result: essential(JSON.parse(done.stdout)),
  };
}

/** Logs and lists of single faults are in no sweep: whoever needs them runs the command of the point. */
function essential({ faults: _, dmesg: __, ...result }: Record<string, unknown>): Record<string, unknown> {
  return result;
}
