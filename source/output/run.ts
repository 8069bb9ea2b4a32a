/** A machine without a screen: run so long, report. */
import { carryOutAll, type Done } from '../commands/carry-out-all.ts';
import type { Command } from '../commands/command.ts';
import { Session } from '../commands/session.ts';
import type { MachineOptions } from '../machine/machine.ts';
import { advancing, type Progress } from './advancing.ts';
import { type Report, report } from './report.ts';

export type RunOptions = {
  readonly machine: MachineOptions;
  /** Simulated time to run after the commands. */
  readonly timeNs: number;
  readonly commands: readonly Command[];
  /** Report along the way this often, besides at the end; null: only at the end. */
  readonly everyNs: number | null;
};

/**
 * Carry out the commands in order, then run. Stopped early, it reports what there is by then.
 *
 * @param onReport gets each report as it is due, the last one included
 * @returns what the commands were refused for, and which expectations among them were not met
 */
export function* running(options: RunOptions, onReport: (report: Report) => void): Progress<Done> {
  const session = new Session(options.machine);
  const done = carryOutAll(session, options.commands);
  const end = Math.max(done.askedNs + options.timeNs, session.simulation.now);
  session.apply({ name: 'run', forNs: null });
  const everyNs = options.everyNs ?? Number.POSITIVE_INFINITY;
  for (let at = session.simulation.now + everyNs; ; at += everyNs) {
    const until = Math.min(at, end);
    const reached = yield* advancing([session], until, end);
    onReport(report(session));
    if (reached < until || until === end) return done;
  }
}
