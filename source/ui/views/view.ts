/** What a view is. A new one is a file beside this one and a line in index.ts. */
import type { Command, ViewName } from '../../commands/command.ts';
import type { Snapshot } from '../../simulation/snapshot.ts';
import type { Row } from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';
import type { Action, Chosen } from '../selection.ts';

export type Direction = 'up' | 'down' | 'left' | 'right';

export type View = {
  readonly name: ViewName;
  readonly title: string;
  /** The title where there is little room. */
  readonly short: string;
  /** A number behind the title; 0 for none. */
  count?(snapshot: Snapshot): number;
  /** Whether a rail of devices at the left adds something. */
  readonly rail: boolean;
  /** Whether the hint about the device stands below the body even where there is no notice. */
  readonly hint: boolean;
  /** In the footer: what the movement keys move over and what enter opens. A missing word: no such key here. */
  readonly words: { readonly vertical?: string; readonly horizontal?: string; readonly enter?: string };
  /** Draw into the area. */
  draw(scene: Scene, area: Area): Row[];
  /** The chosen thing in full, for wide screens. */
  inspect?(scene: Scene, area: Area): Row[];
  /** `by` is more than 1 for whole pages. */
  move?(scene: Scene, direction: Direction, by: number): Partial<Chosen> | null;
  /** To the newest, or to the end. */
  end?(scene: Scene): Partial<Chosen> | null;
  /** What to show, what to carry out, or why there is nothing. */
  enter?(scene: Scene): Action | Command | string;
  /** What esc stops here before anything else; null where nothing runs. */
  cancel?(scene: Scene): Command | null;
  /** What esc does here before it leaves the view; null to leave. */
  leave?(scene: Scene): Partial<Chosen> | null;
  /** Asked at every new snapshot: what has to be kept so that it stands still while the machine runs on. */
  settle?(scene: Scene): Partial<Chosen> | null;
};

/** The place in a list after a step up or down, without falling off its ends. */
export const stepped = (at: number, direction: Direction, by: number, length: number): number =>
  Math.min(length - 1, Math.max(0, at + (direction === 'up' || direction === 'left' ? -by : by)));
