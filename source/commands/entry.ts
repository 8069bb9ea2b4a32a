/** Entries of the tables in memory by hand: what a debugger, a bug or an attack could write there. */
import type { Device } from '../machine/device.ts';
import type { Machine } from '../machine/machine.ts';
import type { TableLevel } from '../simulation/snapshot.ts';
import { tablePath } from '../simulation/tables.ts';
import { contextEntry } from '../vtd/context-entry.ts';
import type { Layout } from '../vtd/layout.ts';
import { pagingEntryLayout } from '../vtd/paging-entry.ts';
import { rootEntry } from '../vtd/root-entry.ts';
import type { EntryTable } from './command.ts';

/** An entry where it lies, and its format. */
export type Entry = { readonly at: number; readonly layout: Layout; readonly words: readonly number[] };

const kinds: Readonly<Record<EntryTable, TableLevel['kind']>> = {
  root: 'root table',
  context: 'context table',
  page: 'page table',
};

/**
 * The entry of a table on the way of an address of a device; of page tables the last one, where the walk ends.
 * Null where the way does not come to such a table.
 */
export function findEntry(
  machine: Machine,
  device: Device,
  table: EntryTable,
  address: string,
): Entry | null {
  const level = tablePath(machine, device, address).levels.findLast(({ kind }) => kind === kinds[table]);
  if (level === undefined || level.entryAddress === null) return null;
  const { words } = level;
  return { at: Number(level.entryAddress), layout: layoutOf(table, level.level, words[0]), words };
}

/** The names of fields that an entry of a table may have, whatever the level and size of its page. */
export function fieldNames(table: EntryTable): string[] {
  const layouts = table === 'page' ? pageLayouts : [layoutOf(table, 0, 0)];
  return [...new Set(layouts.flatMap(({ fields }) => Object.keys(fields)))];
}

/** The entry with other values of some fields. A value that does not fit throws a RangeError. */
export function withFields(
  { layout, words }: Entry,
  fields: readonly { readonly field: string; readonly value: string }[],
): Int32Array {
  const values: Record<string, bigint> = layout.decode(words);
  for (const { field, value } of fields) {
    if (!Object.hasOwn(values, field)) throw new RangeError(`${layout.name} has no field ${field}`);
    values[field] = BigInt(value);
  }
  // What the format does not name stays as it is.
  const named = layout.encode(layout.decode(words));
  const changed = layout.encode(values);
  return Int32Array.from(words, (word, i) => (word & ~named[i]) | changed[i]);
}

function layoutOf(table: EntryTable, level: number, lo: number): Layout {
  if (table === 'root') return rootEntry;
  return table === 'context' ? contextEntry : pagingEntryLayout(level, lo);
}

const pageLayouts: readonly Layout[] = [1, 2, 3, 4].flatMap((level) =>
  [0, 1 << 7].map((lo) => pagingEntryLayout(level, lo)),
);
