/** Second-stage paging entries, 64 bits. VT-d specification, chapter 9.8. */
import { address, bit, ignored, type Layout, layout } from './layout.ts';

const SOURCE = 'VT-d chapter 9.8';

const access = {
  R: bit(0, 'read', { values: { 0: 'no read', 1: 'read allowed' } }),
  W: bit(1, 'write', { values: { 0: 'no write', 1: 'write allowed' } }),
  X: ignored(2, 2, 'execute, honoured in scalable mode with SSEE'),
};

const upper = {
  AVAIL: ignored(61, 52, 'available to software'),
  TM: ignored(62, 62, 'transient mapping, ignored without device TLB'),
  top: ignored(63, 63),
};

const leafTail = {
  EMT: ignored(5, 3, 'memory type, ignored without MTS'),
  IPAT: ignored(6, 6, 'ignore PAT, ignored without MTS'),
  A: ignored(8, 8, 'accessed, set in scalable mode with SSADE'),
  D: ignored(9, 9, 'dirty, set in scalable mode with SSADE'),
  software: ignored(10, 10, 'available to software'),
  SNP: bit(11, 'force snoop', {
    exists: ({ SC }) => SC,
    values: { 0: 'snoop is left to the request', 1: 'always snoop' },
  }),
};

const nonLeafTail = {
  low: ignored(6, 3),
  A: ignored(8, 8, 'accessed, set in scalable mode with SSADE'),
  flags: ignored(10, 9),
};

/** Points to a table of the next level; at level 2 and 3, where PS chooses between table and page. */
export const tableEntry = layout('second-stage table entry', 64, SOURCE, {
  ...access,
  ...nonLeafTail,
  PS: bit(7, 'page size', { values: { 0: 'points to a table', 1: 'maps a large page' } }),
  ADDR: address(51, 12, 'next table'),
  ...upper,
});

/** Points to a table; at levels 4 and 5, where PS must be 0. */
export const topTableEntry = layout('second-stage upper table entry', 64, SOURCE, {
  ...access,
  ...nonLeafTail,
  ADDR: address(51, 12, 'next table'),
  ...upper,
});

/** Maps a page of 4 KiB. */
export const pageEntry = layout('second-stage page entry, 4 KiB', 64, SOURCE, {
  ...access,
  ...leafTail,
  PS: ignored(7, 7, 'ignored at the last level'),
  ADDR: address(51, 12, 'page frame'),
  ...upper,
});

/** Maps a page of 2 MiB; address bits 20:12 are reserved. */
export const largePageEntry = layout('second-stage page entry, 2 MiB', 64, SOURCE, {
  ...access,
  ...leafTail,
  PS: bit(7, 'page size', { exists: ({ sslps }) => (sslps & 1) !== 0, values: { 1: 'maps a large page' } }),
  ADDR: address(51, 21, 'page frame'),
  ...upper,
});

/** Maps a page of 1 GiB; address bits 29:12 are reserved. */
export const hugePageEntry = layout('second-stage page entry, 1 GiB', 64, SOURCE, {
  ...access,
  ...leafTail,
  PS: bit(7, 'page size', { exists: ({ sslps }) => (sslps & 2) !== 0, values: { 1: 'maps a large page' } }),
  ADDR: address(51, 30, 'page frame'),
  ...upper,
});

/** Bits of the low half used by the walk. */
export const READ = 1 << pageEntry.fields.R.shift;
export const WRITE = 1 << pageEntry.fields.W.shift;
export const EXECUTE = 1 << pageEntry.fields.X.shift;
export const PAGE_SIZE = 1 << tableEntry.fields.PS.shift;

/** The format of an entry read at a level (1 to 5), given its low half. */
export function pagingEntryLayout(level: number, lo: number): Layout {
  if (level === 1) return pageEntry;
  if (level >= 4) return topTableEntry;
  if ((lo & PAGE_SIZE) === 0) return tableEntry;
  return level === 2 ? largePageEntry : hugePageEntry;
}

/** Intel's name for an entry of a level, as the processor manuals use it. */
export const levelName = (level: number): string => ['', 'PT', 'PD', 'PDPT', 'PML4', 'PML5'][level];
