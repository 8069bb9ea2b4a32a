/** Entries of the tables in memory by hand: what a debugger, a bug or an attack could write there. */
import type { Device } from '../machine/devices/device.ts';
import type { Machine } from '../machine/machine.ts';
import type { TableLevel } from '../simulation/snapshot.ts';
import { tablePath } from '../simulation/tables.ts';
import { contextEntry } from '../vtd/formats/context-entry.ts';
import { firstStageEntryLayout } from '../vtd/formats/first-stage-entry.ts';
import type { Field, Layout } from '../vtd/formats/layout.ts';
import { pagingEntryLayout } from '../vtd/formats/paging-entry.ts';
import { pasidTableEntry } from '../vtd/formats/pasid-table-entry.ts';
import { rootEntry } from '../vtd/formats/root-entry.ts';
import { scalableContextEntry } from '../vtd/formats/scalable-context-entry.ts';
import { scalableRootEntry } from '../vtd/formats/scalable-root-entry.ts';
import type { EntryTable } from './command.ts';

/** An entry where it lies, and its format. */
export type Entry = { readonly at: number; readonly layout: Layout; readonly words: readonly number[] };

/** The tables that a word stands for: legacy mode and scalable mode have formats of their own. */
const formats: Readonly<Record<EntryTable, readonly Format[]>> = {
  root: [
    { kind: 'root table', layout: () => rootEntry },
    { kind: 'scalable root table', layout: () => scalableRootEntry },
  ],
  context: [
    { kind: 'context table', layout: () => contextEntry },
    { kind: 'scalable context table', layout: () => scalableContextEntry },
  ],
  pasid: [{ kind: 'PASID table', layout: () => pasidTableEntry }],
  page: [
    { kind: 'page table', layout: pagingEntryLayout },
    { kind: 'first-stage table', layout: firstStageEntryLayout },
  ],
};

type Format = { readonly kind: TableLevel['kind']; layout(level: number, lo: number): Layout };

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
  const of = (kind: TableLevel['kind']) => formats[table].find((format) => format.kind === kind);
  const found = tablePath(machine, device, address).levels.findLast(({ kind }) => of(kind) !== undefined);
  if (found === undefined || found.entryAddress === null) return null;
  const { words, level, kind } = found;
  const layout = of(kind)?.layout(level, words[0]);
  return layout === undefined ? null : { at: Number(found.entryAddress), layout, words };
}

/** The fields that an entry of a table may have, whatever the level and size of its page, by name. */
export function fieldsOfTable(table: EntryTable): Readonly<Record<string, Field>> {
  // Levels and page sizes have formats of their own.
  const layouts = formats[table].flatMap(({ layout }) =>
    [1, 2, 3, 4].flatMap((level) => [0, 1 << 7].map((lo) => layout(level, lo))),
  );
  return Object.assign({}, ...layouts.map(({ fields }) => fields).reverse());
}

/** Their names. */
export const fieldNames = (table: EntryTable): string[] => Object.keys(fieldsOfTable(table));

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
