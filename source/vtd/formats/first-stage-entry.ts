/** First-stage paging entries, 64 bits: those of the processor. VT-d specification, chapter 9.7. */
import { address, bit, ignored, type Layout, layout } from './layout.ts';

const SOURCE = 'VT-d chapter 9.7';

const access = {
  P: bit(0, 'present', { values: { 0: 'not present', 1: 'present' } }),
  RW: bit(1, 'write', { values: { 0: 'read only', 1: 'write allowed' } }),
  US: bit(2, 'user or supervisor', { values: { 0: 'supervisor only', 1: 'user allowed' } }),
  PWT: ignored(3, 3, 'write-through'),
  PCD: ignored(4, 4, 'cache disable'),
  A: bit(5, 'accessed'),
  EA: bit(10, 'extended accessed, used with EAFE'),
};

const upper = {
  software: ignored(9, 9),
  software2: ignored(11, 11),
  AVAIL: ignored(62, 52),
  XD: bit(63, 'execute disable; reserved without NXE'),
};

const leaf = {
  D: bit(6, 'dirty'),
  G: ignored(8, 8, 'global'),
};

const nonLeaf = {
  D: ignored(6, 6),
  G: ignored(8, 8),
};

/** Points to a table of the next level; at level 2 and 3, where PS chooses between table and page. */
export const firstStageTableEntry = layout('first-stage table entry', 64, SOURCE, {
  ...access,
  ...nonLeaf,
  PS: bit(7, 'page size', { values: { 0: 'points to a table', 1: 'maps a large page' } }),
  ADDR: address(51, 12, 'next table'),
  ...upper,
});

/** Points to a table; at levels 4 and 5, where PS must be 0. */
export const firstStageTopTableEntry = layout('first-stage upper table entry', 64, SOURCE, {
  ...access,
  ...nonLeaf,
  ADDR: address(51, 12, 'next table'),
  ...upper,
});

/** Maps a page of 4 KiB. */
export const firstStagePageEntry = layout('first-stage page entry, 4 KiB', 64, SOURCE, {
  ...access,
  ...leaf,
  PAT: ignored(7, 7, 'page attribute'),
  ADDR: address(51, 12, 'page frame'),
  ...upper,
});

/** Maps a page of 2 MiB; address bits 20:13 are reserved. */
export const firstStageLargePageEntry = layout('first-stage page entry, 2 MiB', 64, SOURCE, {
  ...access,
  ...leaf,
  PS: bit(7, 'page size', { values: { 1: 'maps a large page' } }),
  PAT: ignored(12, 12, 'page attribute'),
  ADDR: address(51, 21, 'page frame'),
  ...upper,
});

/** Maps a page of 1 GiB; address bits 29:13 are reserved. */
export const firstStageHugePageEntry = layout('first-stage page entry, 1 GiB', 64, SOURCE, {
  ...access,
  ...leaf,
  PS: bit(7, 'page size', { exists: ({ FS1GP }) => FS1GP, values: { 1: 'maps a large page' } }),
  PAT: ignored(12, 12, 'page attribute'),
  ADDR: address(51, 30, 'page frame'),
  ...upper,
});

/** The format of an entry read at a level (1 to 5), given its low half. */
export function firstStageEntryLayout(level: number, lo: number): Layout {
  if (level === 1) return firstStagePageEntry;
  if (level >= 4) return firstStageTopTableEntry;
  const isLarge = ((lo >>> firstStageTableEntry.fields.PS.shift) & 1) !== 0;
  if (!isLarge) return firstStageTableEntry;
  return level === 2 ? firstStageLargePageEntry : firstStageHugePageEntry;
}
