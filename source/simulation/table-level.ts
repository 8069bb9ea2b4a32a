/** Reading one table in memory, entry by entry. */
import type { Machine } from '../machine/machine.ts';
import { hex } from '../vtd/bits.ts';
import type { TableEntry, TableLevel } from './snapshot.ts';

/** Where a table lies and how it is cut into entries. */
export type Shape = {
  readonly kind: TableLevel['kind'];
  readonly level?: number;
  readonly base: number;
  /** The entry that the path goes through. */
  readonly index: number;
  readonly wordsPerEntry: number;
  readonly size: number;
  /** Guest-physical address of the table, if it is a guest's. */
  readonly guest?: number;
};

/** @param describe what an entry that is not zero leads to, in words */
export function readTable(
  { memory }: Machine,
  { kind, level = 0, base, index, wordsPerEntry, size, guest }: Shape,
  describe: (index: number, words: readonly number[]) => string,
): TableLevel {
  const bytes = 4 * wordsPerEntry;
  const entries: TableEntry[] = [];
  const wordsAt = (i: number) => Array.from(memory.readWords(base + i * bytes, wordsPerEntry));
  for (let i = 0; i < size && memory.has(base + i * bytes); i++) {
    const words = wordsAt(i);
    if (words.some((word) => word !== 0))
      entries.push({ index: i, words, usedBy: describe(i, words), inIotlb: null });
  }
  return {
    kind,
    level,
    base: hex(base),
    guest: guest === undefined ? null : hex(guest),
    index,
    entryAddress: hex(base + index * bytes),
    words: wordsAt(index),
    size,
    entries,
  };
}
