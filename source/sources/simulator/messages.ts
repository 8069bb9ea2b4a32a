/** What the screen's process and the simulator's process say to each other. */
import type { Command } from '../../commands/command.ts';
import type { LogEntry } from '../../commands/session.ts';
import type { Demo } from '../../demo/demo.ts';
import type { MachineOptions } from '../../machine/machine.ts';
import type { Focus, RunState, Snapshot } from '../../simulation/snapshot.ts';

/** Words on the command line that make the program a simulator process. */
export const SIMULATOR_ARGUMENT = 'simulator-process';

/** The word on the command line that makes a thread of the program one that measures; behind it the experiment. */
export const EXPERIMENT_ARGUMENT = 'experiment-thread';

/** Where to start: at boot, or where an earlier process stopped. */
export type Start = {
  readonly options: MachineOptions;
  readonly log: readonly LogEntry[];
  /** Boot line of the machine it is compared with, or null. */
  readonly otherBoot: string | null;
  readonly untilNs: number;
  readonly state: RunState;
  readonly speed: number;
  readonly demo: DemoStart | null;
};

export type DemoStart = {
  /** One that was read, or the name of a built-in one. */
  readonly demo: Demo | string;
  readonly scene: number;
  /** The machine that its first scene finds. */
  readonly machine: MachineOptions;
};

export type ToSimulator =
  | { readonly type: 'start'; readonly start: Start }
  | { readonly type: 'command'; readonly command: Command }
  | { readonly type: 'look'; readonly focus: Focus };

export type FromSimulator = {
  readonly type: 'snapshot';
  readonly snapshot: Snapshot;
  /** The options and commands that lead to it. */
  readonly options: MachineOptions;
  readonly log: readonly LogEntry[];
  readonly otherBoot: string | null;
};
