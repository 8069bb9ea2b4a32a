/** Files that a user names. */
import { readFileSync } from 'node:fs';
import { printable } from '../commands/printable.ts';

export class UnreadableInput extends Error {}

/** The text of a file; one that cannot be read is wrong usage. */
export function readInput(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UnreadableInput(`cannot read ${printable(path)}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
