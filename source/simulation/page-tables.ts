/** Page tables of both stages on the way of an address, as a debugger would read them. */
import type { Device } from '../machine/devices/device.ts';
import type { Machine } from '../machine/machine.ts';
import { hex, highHalf, join, lowHalf } from '../vtd/bits.ts';
import { leafBytes } from '../vtd/caches/iotlb.ts';
import { firstStagePageEntry } from '../vtd/formats/first-stage-entry.ts';
import { PAGE_SIZE, READ, WRITE } from '../vtd/formats/paging-entry.ts';
import { levelIndex } from '../vtd/translation/translator.ts';
import type { TableEntry, TableLevel } from './snapshot.ts';
import { readTable } from './table-level.ts';

const ENTRIES = 512;
const FIRST_STAGE_PRESENT = 1 << firstStagePageEntry.fields.P.shift;

export type Stage = 'first' | 'second';

/** The tables of one stage: where the top one lies, in the addresses that the entries of the stage have. */
export type Tables = {
  readonly stage: Stage;
  readonly root: number;
  readonly levels: number;
  /** What is translated: addresses of a device, or of a guest. */
  readonly input: 'iova' | 'guest';
};

/** Pages of an address space that the IOTLB holds, by first address. */
export type Cached = ReadonlySet<number>;

export const isPresent = (stage: Stage, lo: number): boolean =>
  stage === 'first' ? (lo & FIRST_STAGE_PRESENT) !== 0 : (lo & (READ | WRITE)) !== 0;

export const isLeaf = (stage: Stage, [lo]: readonly number[], level: number): boolean =>
  isPresent(stage, lo) && (level === 1 || (lo & PAGE_SIZE) !== 0);

const targetOf = ([lo, hi]: readonly number[]): number => join(hi & 0xf_ffff, lo & ~0xfff);

/** The page that a leaf of a level maps. */
const pageOf = (words: readonly number[], level: number): number =>
  targetOf(words) - (targetOf(words) % leafBytes(level));

/** What an address is translated to by tables, or null; `inHost` says where a table lies in memory. */
export function translated(
  { memory }: Machine,
  { stage, root, levels }: Tables,
  address: number,
  inHost: (address: number) => number | null = (at) => at,
): number | null {
  let table: number | null = inHost(root);
  for (let level = levels; level >= 1; level--) {
    if (table === null || !memory.has(table)) return null;
    const words = memory.read64(table + 8 * levelIndex(level, highHalf(address), lowHalf(address)));
    if (!isPresent(stage, words[0])) return null;
    if (isLeaf(stage, words, level)) return pageOf(words, level) + (address % leafBytes(level));
    table = inHost(targetOf(words));
  }
  return null;
}

/**
 * The tables of a stage from the top down to the page of an address.
 *
 * @param second the second stage in which the tables of a guest lie, or null
 */
export function pageTables(
  machine: Machine,
  device: Device,
  { stage, root, levels, input }: Tables,
  second: Tables | null,
  hi: number,
  lo: number,
  cached: Cached,
): TableLevel[] {
  const found: TableLevel[] = [];
  let table = root;
  for (let level = levels; level >= 1; level--) {
    const base = second === null ? table : translated(machine, second, table);
    if (base === null || !machine.memory.has(base)) break;
    const guest = second === null ? undefined : table;
    const one = pageTable(machine, device, { stage, level, base, guest, input }, hi, lo, cached);
    found.push(one);
    if (!isPresent(stage, one.words[0]) || isLeaf(stage, one.words, level)) break;
    table = targetOf(one.words);
  }
  return found;
}

type Place = {
  readonly stage: Stage;
  readonly level: number;
  readonly base: number;
  /** Guest-physical, if the table is a guest's. */
  readonly guest: number | undefined;
  readonly input: Tables['input'];
};

function pageTable(
  machine: Machine,
  device: Device,
  { stage, level, base, guest, input }: Place,
  hi: number,
  lo: number,
  cached: Cached,
): TableLevel {
  const reach = leafBytes(level);
  const covered = reach * ENTRIES;
  const first = Math.floor(join(hi, lo) / covered) * covered;
  const isNested = guest !== undefined;
  const found = readTable(
    machine,
    {
      kind: stage === 'first' ? 'first-stage table' : 'page table',
      level,
      base,
      guest,
      index: levelIndex(level, hi, lo),
      wordsPerEntry: 2,
      size: ENTRIES,
    },
    (index, words) =>
      isLeaf(stage, words, level)
        ? mapped(machine, device, pageOf(words, level), isNested)
        : isPresent(stage, words[0])
          ? `from ${input} ${hex(first + index * reach, 8)}`
          : 'not mapped',
  );
  const entries: TableEntry[] = found.entries.map((entry) => {
    const inIotlb = isLeaf(stage, entry.words, level) ? cached.has(first + entry.index * reach) : null;
    return { ...entry, inIotlb };
  });
  if (level === 1) {
    // Pages gone from the table but still in the IOTLB: the stale window of lazy invalidation.
    for (const iova of cached) {
      const index = (iova - first) / reach;
      if (index < 0 || index >= ENTRIES || entries.some((entry) => entry.index === index)) continue;
      entries.push({ index, words: [0, 0], usedBy: 'not mapped', inIotlb: true });
    }
    entries.sort((a, b) => a.index - b.index);
  }
  return { ...found, entries };
}

/** Whose page a leaf maps, in words; where it is nested its address is a guest's. */
function mapped(machine: Machine, { guest }: Device, page: number, isNested: boolean): string {
  if (guest === null) return machine.map.nameAt(page);
  const inGuest = isNested ? page : page - guest.base;
  return inGuest >= 0 && inGuest < guest.bytes
    ? `guest ${guest.name} page ${hex(inGuest / 4096)}`
    : machine.map.nameAt(page);
}
