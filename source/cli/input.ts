/** Files that a user names. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { printable } from '../commands/printable.ts';

export class UnreadableInput extends Error {}

/** The text of a file; one that cannot be read is wrong usage. */
export function readInput(path: string): string {
  return orUnreadable(path, () => readFileSync(path, 'utf8'));
}

/** The text of a file that somebody wrote by hand: one that is much longer is another file, or has no end. */
export function readSmallInput(path: string, most: number): string {
  const bytes = orUnreadable(path, () => firstBytes(path, most + 1));
  if (bytes.length > most) {
    throw new UnreadableInput(
      `cannot read ${printable(path)}: expected at most ${most / 1000} kB of text, got more`,
    );
  }
  return bytes.toString('utf8');
}

function firstBytes(path: string, most: number): Buffer {
  const bytes = Buffer.alloc(most);
  const file = openSync(path, 'r');
  try {
    let length = 0;
    for (;;) {
      const read = length < most ? readSync(file, bytes, length, most - length, null) : 0;
      if (read === 0) return bytes.subarray(0, length);
      length += read;
    }
  } finally {
    closeSync(file);
  }
}

function orUnreadable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UnreadableInput(`cannot read ${printable(path)}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
