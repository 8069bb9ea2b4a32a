/** What a demo tells the notes beside it: one line of JSON whenever another scene is entered. */
import type { DemoState } from '../../simulation/snapshot.ts';

export type NotesMessage = {
  /** Null when the demo was left. */
  readonly demo: DemoState | null;
  /** Milliseconds on the wall since the demo began. */
  readonly elapsedMs: number;
  /** The scene with which it began, counted from 1. */
  readonly first: number;
};
