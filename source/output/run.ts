/** A machine without a screen: run so long, report. */
import { carryOutAll, type Done } from '../commands/carry-out-all.ts';
import type { Command } from '../commands/command.ts';
import { Session } from '../commands/session.ts';
import type { MachineOptions } from '../machine/machine.ts';
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
 * Carry out the commands in order, then run.
 *
 * @param onReport gets each report as it is due, the last one included
 * @returns what the commands were refused for, and which expectations among them were not met
 */
export function runHeadless(options: RunOptions, onReport: (report: Report) => void): Done {
  const session = new Session(options.machine);
  const done = carryOutAll(session, options.commands);
  const end = Math.max(done.askedNs + options.timeNs, session.simulation.now);
  session.apply({ name: 'run', forNs: null });
  if (options.everyNs !== null) {
    for (let at = session.simulation.now + options.everyNs; at < end; at += options.everyNs) {
      session.advance(at);
      onReport(report(session));
    }
  }
  session.advance(end);
  onReport(report(session));
  return done;
}
