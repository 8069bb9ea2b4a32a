/** Where shown states come from. The screen knows this and no more. */
import type { Command } from '../commands/command.ts';
import type { Focus, Snapshot } from '../simulation/snapshot.ts';

export type Source = {
  /** The newest snapshot. */
  current(): Snapshot;
  /** Be told when there is a newer one; returns the way to stop being told. */
  subscribe(listener: () => void): () => void;
  /** Carry out a command; what came of it is the `notice` of a later snapshot. */
  send(command: Command): void;
  /** Say what the screen looks at. */
  look(focus: Focus): void;
  /** Why a command cannot work with this source (`a recording cannot be changed`), or null. */
  refusal(command: Command): string | null;
  /** Something went wrong that people should know: the simulation died and was restarted, say; or null. */
  trouble(): string | null;
  /** Stop everything this source started. Resolves when it is gone. */
  stop(): Promise<void>;
};
