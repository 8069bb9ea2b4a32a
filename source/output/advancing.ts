/** Long simulations in steps, so that whoever waits can be told how far they are, and can stop them. */
import type { Session } from '../commands/session.ts';

/** How far a run is. */
export type Done = { readonly doneNs: number; readonly ofNs: number };

/** Work in steps: it yields how far it is, and ends early, with what it has, when it is answered `stop`. */
export type Progress<Result> = Generator<Done, Result, 'stop' | undefined>;

/** Simulated time between two answers; a fraction of a second on any machine. */
const STEP_NS = 1e5;

/**
 * Let time pass in sessions, to the same moment in each. In which steps makes no difference to what they do.
 *
 * @param ofNs where it all ends, if this is a part of it
 * @returns where time has come to
 */
export function* advancing(
  sessions: readonly Session[],
  untilNs: number,
  ofNs: number = untilNs,
): Progress<number> {
  const latest = Math.max(...sessions.map(({ simulation }) => simulation.now));
  for (let at = latest + STEP_NS; at < untilNs; at += STEP_NS) {
    for (const session of sessions) session.advance(at);
    if ((yield { doneNs: at, ofNs }) === 'stop') return at;
  }
  for (const session of sessions) session.advance(untilNs);
  return untilNs;
}

/** Carry work out to its end. */
export function finished<Result>(work: Progress<Result>): Result {
  let step = work.next();
  while (step.done !== true) step = work.next();
  return step.value;
}
