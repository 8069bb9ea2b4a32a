/** The entries of one table that are in use, one row each, with the fields that hardware looks at. */
import type { TableEntry, TableLevel } from '../../simulation/snapshot.ts';
import { fieldsOf, layoutOf } from '../entry-fields.ts';
import { absent, hexText, iova, wordText } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { cell, inverted, type Row, right, row, type Span, windowOf } from '../rows.ts';
import { withIndex } from '../walk-indices.ts';

/** The entries in use, with the chosen one among them even where it is empty. */
export function shownEntries(level: TableLevel, index: number): readonly TableEntry[] {
  if (level.kind === 'RTADDR' || level.entries.some((entry) => entry.index === index)) return level.entries;
  const words = level.index === index ? level.words : [0, 0];
  const entry: TableEntry = { index, words, usedBy: '', inIotlb: null };
  return [...level.entries, entry].sort((a, b) => a.index - b.index);
}

export const isEmpty = (entry: TableEntry): boolean => entry.words.every((word) => word === 0);

type Column = { readonly name: string; readonly width: number; readonly isAddress: boolean };

/** The columns of a list come from the layouts of its entries: what hardware looks at, lowest bit first. */
function columnsOf(level: TableLevel, entries: readonly TableEntry[]): Column[] {
  const columns = new Map<string, Column>();
  for (const { words } of entries) {
    for (const field of [...fieldsOf(layoutOf(level.kind, level.level, words), words)].reverse()) {
      if (field.kind !== 'value' && field.kind !== 'address' && field.kind !== 'input') continue;
      const isAddress = field.kind !== 'value';
      const count = field.high - field.low + 1;
      // A flag, a code of bits such as 10b, or a number.
      const digits = count === 1 ? 1 : count > 4 ? 5 : count + 1;
      const width = isAddress ? 13 : Math.max(field.name.length, digits) + 1;
      columns.set(field.name, { name: field.name, width, isAddress });
    }
  }
  // Of formats with many fields only what some entry uses.
  const isLarge =
    level.kind === 'first-stage table' || layoutOf(level.kind, level.level, level.words).bits > 128;
  const isUsed = ({ name }: Column) =>
    entries.some(({ words }) =>
      fieldsOf(layoutOf(level.kind, level.level, words), words).some(
        (field) => field.name === name && field.value !== 0n,
      ),
    );
  const shown = [...columns.values()].filter((column) => !isLarge || isUsed(column));
  return shown.sort((a, b) => Number(a.isAddress) - Number(b.isAddress));
}

export type EntryTable = {
  /** The chosen entry. */
  readonly index: number;
  /** What the table is walked for. */
  readonly address: string;
  readonly bdf: string;
  /** The table is of the second stage below a first one: its addresses are guest-physical, and not those of requests. */
  readonly isBelow: boolean;
  readonly width: number;
  readonly room: number;
};

export function entryTable(
  level: TableLevel,
  entries: readonly TableEntry[],
  { index, address, bdf, isBelow, width, room }: EntryTable,
): Row[] {
  const isPaging = level.kind === 'page table' || level.kind === 'first-stage table';
  const columns = columnsOf(level, entries);
  const narrow = width < 90;
  const place = isPaging ? (narrow ? 13 : 15) : 10;
  const cached = isPaging && !isBelow ? 10 : 0;
  const taken =
    9 + place + (narrow ? 0 : 20) + cached + columns.reduce((sum, column) => sum + column.width, 0);
  const used = Math.max(0, width - taken - 1);
  const heading = row(
    right('index', 7, 'label'),
    '  ',
    cell(isBelow ? 'guest' : placeHeading(level), place, 'label'),
    ...(narrow ? [] : [cell('entry', 20, 'label')]),
    ...columns.map((column) => cell(column.name, column.width, 'label')),
    ...(cached > 0 ? [cell('in IOTLB', cached, 'label')] : []),
    cell('used by', used, 'label'),
  );
  const at = entries.findIndex((entry) => entry.index === index);
  const { start, end } = windowOf(entries.length, at, room - 1);
  const rows = entries.slice(start, end).map((entry) => {
    const chosen = entry.index === index;
    const fields = fieldsOf(layoutOf(level.kind, level.level, entry.words), entry.words);
    const value = (name: string): string => fields.find((field) => field.name === name)?.text ?? absent;
    const none = isEmpty(entry);
    const token = none ? 'faint' : 'text';
    const spans = row(
      chosen ? glyph.selected : ' ',
      right(String(entry.index), 6),
      '  ',
      cell(placeText(level, address, entry.index, bdf), place),
      ...(narrow ? [] : [cell(wordText(entry.words), 20, token)]),
      ...columns.map((column) => cell(none ? glyph.later : value(column.name), column.width, token)),
      ...(cached > 0 ? [cachedCell(entry, cached)] : []),
      cell(none ? 'not mapped' : entry.usedBy, used, token),
    );
    return chosen ? inverted(spans) : spans;
  });
  return [heading, ...rows];
}

function cachedCell(entry: TableEntry, width: number): Span {
  if (entry.inIotlb === null) return cell(absent, width, 'faint');
  if (!entry.inIotlb) return cell('no', width, 'label');
  return isEmpty(entry) ? cell('STALE', width, 'stale') : cell('yes', width);
}

function placeHeading({ kind }: TableLevel): string {
  switch (kind) {
    case 'root table':
    case 'scalable root table':
      return 'bus';
    case 'context table':
    case 'scalable context table':
      return 'dev.fn';
    case 'PASID directory':
    case 'PASID table':
      return 'PASID';
    default:
      return 'iova';
  }
}

/** What an index stands for: a bus, a device and function, a PASID, or the first address that it leads to. */
export function placeText(level: TableLevel, address: string, index: number, bdf: string): string {
  switch (level.kind) {
    case 'root table':
    case 'scalable root table':
      return index.toString(16).padStart(2, '0');
    case 'context table':
      return functionText(bdf, index);
    case 'scalable context table':
      // A table is for the lower or the upper half of the devices of a bus.
      return functionText(bdf, index | (Number.parseInt(bdf.slice(3, 5), 16) >= 16 ? 0x80 : 0));
    case 'PASID directory':
      return hexText(64n * BigInt(index));
    case 'PASID table':
      return hexText(BigInt(index));
    default:
      return iova(withIndex(address, level.level, index));
  }
}

const functionText = (bdf: string, devfn: number): string =>
  `${bdf.slice(0, 3)}${(devfn >> 3).toString(16).padStart(2, '0')}.${devfn & 7}`;
