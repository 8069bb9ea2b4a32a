/** The two kinds of paging tables, first stage and second, as far as made-up cases treat them differently. */
import type fc from 'fast-check';
import { soundEntry } from '../memory.ts';
import { type Entry, entry, entryValue, indices } from '../tables.ts';
import { type FirstStageEntry, firstStageEntry, firstStageIndices, firstStageValue } from './first-stage.ts';
import { domainId, FIRST, SECOND } from './structures.ts';

export type TableKind<Entry> = {
  readonly isFirstStage: boolean;
  /** PGTT of the PASID table entries that lead to them. */
  readonly type: number;
  readonly indices: Readonly<Record<number, readonly number[]>>;
  readonly entry: (level: number, isSound: boolean) => fc.Arbitrary<Entry>;
  readonly value: (entry: Entry, domain: number, level: number) => bigint;
  readonly isPage: (entry: Entry, level: number) => boolean;
  /** The domain ids under which the tables of a domain may be cached. */
  readonly domainIds: (domain: number) => readonly number[];
  /** An address of 48 bits as requests have it. */
  readonly canonical: (address: bigint) => bigint;
};

const ids = (type: number, widths: readonly number[]) => (domain: number) =>
  widths.map((width) =>
    domainId({ present: true, fpd: false, type, width, domain, root: 'own', controls: 0, bits: [] }),
  );

export const secondStage: TableKind<Entry> = {
  isFirstStage: false,
  type: SECOND,
  indices,
  entry: (level, isSound) => (isSound ? soundEntry(level) : entry(level)),
  value: entryValue,
  isPage: ({ kind }) => kind !== 'table' && kind !== 'absent',
  domainIds: ids(SECOND, [1, 2]),
  canonical: (address) => address,
};

const SIGN = 1n << 47n;
const UPPER = 0xffffn << 48n;

export const firstStage: TableKind<FirstStageEntry> = {
  isFirstStage: true,
  type: FIRST,
  indices: firstStageIndices,
  entry: firstStageEntry,
  value: firstStageValue,
  isPage: ({ kind }) => kind !== 'table' && kind !== 'absent',
  domainIds: ids(FIRST, [0]),
  canonical: (address) => ((address & SIGN) === 0n ? address : address | UPPER),
};
