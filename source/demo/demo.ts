/** A demo: scenes that set the machine up, say what to see in them, and expect it to be so. */
import type { Command } from '../commands/command.ts';

export const noteKinds = ['say', 'point', 'ask', 'if asked', 'if it goes wrong'] as const;
export type NoteKind = (typeof noteKinds)[number];

/** For the speaker alone. */
export type Note = { readonly kind: NoteKind; readonly text: string };

export type Line = {
  readonly command: Command;
  /** As it was written. */
  readonly text: string;
  /** Line of the file, counted from 1. */
  readonly line: number;
};

export type Scene = {
  readonly heading: string;
  readonly line: number;
  /** Paragraphs for the room. */
  readonly caption: readonly string[];
  readonly notes: readonly Note[];
  readonly commands: readonly Line[];
};

export type Demo = {
  /** `claims`, or the name of the file. */
  readonly name: string;
  readonly file: string;
  readonly title: string;
  /** How long a talk with it is planned to take; null if the title does not say. */
  readonly minutes: number | null;
  readonly introduction: readonly string[];
  readonly scenes: readonly Scene[];
};

/** What is wrong with a demo file, with file and line. */
export class DemoError extends Error {}
