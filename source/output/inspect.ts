/** `dmascope inspect`: a file of the simulated kernel after some time. */
import { carryOutAll } from '../commands/carry-out-all.ts';
import type { Command } from '../commands/command.ts';
import { readKernelFile } from '../commands/inspect.ts';
import { Session } from '../commands/session.ts';
import type { MachineOptions } from '../machine/machine.ts';

export type InspectOptions = {
  readonly machine: MachineOptions;
  readonly commands: readonly Command[];
  /** Simulated time after the commands. */
  readonly timeNs: number;
  readonly path: string;
};

/**
 * Carry out the commands, let time pass, read the file.
 *
 * @returns its text, and which commands were refused
 * @throws Refused where there is no such file
 */
export function inspect({ machine, commands, timeNs, path }: InspectOptions): {
  text: string;
  refusals: readonly string[];
} {
  const session = new Session(machine);
  const { askedNs, refusals } = carryOutAll(session, commands);
  session.apply({ name: 'run', forNs: null });
  session.advance(Math.max(askedNs + timeNs, session.simulation.now));
  return { text: readKernelFile(session.simulation.machine, path), refusals };
}
