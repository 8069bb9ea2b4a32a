/** Everything that a drawing or a key may look at. */
import type { Command } from '../commands/command.ts';
import type { DeviceState, Snapshot } from '../simulation/snapshot.ts';
import type { Screen } from './screen.ts';
import { chosenDevice, type Selection } from './selection.ts';
import type { Tools } from './tools.ts';

export type Scene = {
  readonly snapshot: Snapshot;
  readonly selection: Selection;
  readonly screen: Screen;
  readonly tools: Tools;
  /** The chosen device; null if there is none at all. */
  readonly device: DeviceState | null;
  /** Why the source cannot do something, or null. */
  refusal(command: Command): string | null;
  readonly trouble: string | null;
};

export const sceneOf = (
  snapshot: Snapshot,
  selection: Selection,
  screen: Screen,
  tools: Tools,
  source: Pick<Scene, 'refusal' | 'trouble'>,
): Scene => ({
  snapshot,
  selection,
  screen,
  tools,
  device: chosenDevice(snapshot, selection),
  refusal: source.refusal,
  trouble: source.trouble,
});
