/** The fields of an entry or register, read and named by its declared layout and nothing else. */

import type { TableLevel } from '../simulation/snapshot.ts';
import { wordsToBig } from '../vtd/bits.ts';
import { contextEntry } from '../vtd/formats/context-entry.ts';
import { firstStageEntryLayout } from '../vtd/formats/first-stage-entry.ts';
import { codeText, type Field, fieldValue, type Layout } from '../vtd/formats/layout.ts';
import { pagingEntryLayout } from '../vtd/formats/paging-entry.ts';
import { pasidDirectoryEntry } from '../vtd/formats/pasid-directory-entry.ts';
import { pasidTableEntry } from '../vtd/formats/pasid-table-entry.ts';
import { rootEntry } from '../vtd/formats/root-entry.ts';
import { scalableContextEntry } from '../vtd/formats/scalable-context-entry.ts';
import { scalableRootEntry } from '../vtd/formats/scalable-root-entry.ts';
import { rootTableAddress } from '../vtd/unit/registers.ts';
import { frame, hexText, iova } from './format.ts';

export type ShownField = {
  readonly name: string;
  readonly high: number;
  readonly low: number;
  readonly kind: Field['kind'] | 'reserved';
  readonly value: bigint;
  /** The value as it is written: a digit, a number, an address. */
  readonly text: string;
  readonly meaning: string;
  /** Whether the value itself has a meaning, not only the field. */
  readonly values: boolean;
};

/** The layout of an entry in a table. */
export function layoutOf(kind: TableLevel['kind'], level: number, words: readonly number[]): Layout {
  switch (kind) {
    case 'RTADDR':
      return rootTableAddress;
    case 'root table':
      return rootEntry;
    case 'context table':
      return contextEntry;
    case 'scalable root table':
      return scalableRootEntry;
    case 'scalable context table':
      return scalableContextEntry;
    case 'PASID directory':
      return pasidDirectoryEntry;
    case 'PASID table':
      return pasidTableEntry;
    case 'first-stage table':
      return firstStageEntryLayout(level, words[0] ?? 0);
    case 'page table':
      return pagingEntryLayout(level, words[0] ?? 0);
  }
}

/** All fields, most significant first, with what lies between them as reserved. */
export function fieldsOf(layout: Layout, words: readonly number[]): ShownField[] {
  const whole = wordsToBig(words);
  const shown: ShownField[] = [];
  let above = layout.bits;
  for (const field of layout.ordered) {
    if (field.high < above - 1) shown.push(reserved(above - 1, field.high + 1, whole));
    shown.push(shownField(field, whole));
    above = field.low;
  }
  if (above > 0) shown.push(reserved(above - 1, 0, whole));
  return shown;
}

function shownField(field: Field, whole: bigint): ShownField {
  const value = fieldValue(field, whole);
  const { name, high, low, kind, values, meaning } = field;
  return {
    name,
    high,
    low,
    kind,
    value,
    text: valueText(field, value),
    meaning: values?.[Number(value)] ?? meaning,
    values: values?.[Number(value)] !== undefined,
  };
}

function valueText(field: Field, value: bigint): string {
  if (field.kind === 'address') return frame(value);
  if (field.kind === 'input') return iova(value);
  return codeText(field, value) ?? (field.high - field.low < 8 ? value.toString(10) : hexText(value));
}

function reserved(high: number, low: number, whole: bigint): ShownField {
  const value = (whole >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
  const meaning = value === 0n ? 'reserved, must be 0' : 'reserved, must be 0: the unit refuses this entry';
  return {
    name: 'reserved',
    high,
    low,
    kind: 'reserved',
    value,
    text: hexText(value),
    meaning,
    values: false,
  };
}

export const rangeText = ({ high, low }: Pick<ShownField, 'high' | 'low'>): string =>
  high === low ? String(high) : `${high}:${low}`;

/** The fields that say something: named ones that hardware looks at, and reserved bits that are set. */
export const speaking = (fields: readonly ShownField[]): ShownField[] =>
  fields.filter(({ kind, value }) => (kind === 'reserved' ? value !== 0n : kind !== 'ignored'));
