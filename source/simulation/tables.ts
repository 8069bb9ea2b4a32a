/** The tables in memory on the way of one address, as a debugger would read them: nothing is changed or counted. */
import type { Device } from '../machine/device.ts';
import { outcomeNames } from '../machine/dma.ts';
import type { Machine } from '../machine/machine.ts';
import { hex, hexOf, join, parseHalves } from '../vtd/bits.ts';
import { contextEntry, TranslationType } from '../vtd/context-entry.ts';
import { faultReason } from '../vtd/fault-reason.ts';
import { leafBytes } from '../vtd/iotlb.ts';
import { PAGE_SIZE, READ, WRITE } from '../vtd/paging-entry.ts';
import { Offset } from '../vtd/registers.ts';
import { rootEntry } from '../vtd/root-entry.ts';
import { bdf } from '../vtd/source-id.ts';
import { levelIndex } from '../vtd/translator.ts';
import type { TableEntry, TableLevel, TablePath } from './snapshot.ts';

const ENTRIES = 512;

/** @param address the input address, `0x…` */
export function tablePath(machine: Machine, device: Device, address: string): TablePath {
  const { hi, lo } = parseHalves(address) ?? { hi: 0, lo: 0 };
  const { unit } = machine;
  const met = unit.explain(device.model.sourceId, hi, lo, WRITE, true);
  const levels = tableLevels(machine, device, hi, lo);
  const blocked = outcomeNames[met.outcome] === 'blocked';
  return {
    device: device.model.name,
    address: hexOf(hi, lo),
    levels,
    outcome: outcomeNames[met.outcome],
    output: blocked || outcomeNames[met.outcome] === 'interrupt' ? null : hexOf(met.hi, met.lo),
    fault: met.fault,
    ends: whyItEnds(machine, device, levels, met.fault),
  };
}

function tableLevels(machine: Machine, device: Device, hi: number, lo: number): TableLevel[] {
  const { unit, memory } = machine;
  const [rootLo, rootHi] = unit.read64(Offset.RTADDR);
  const register: TableLevel = {
    kind: 'RTADDR',
    level: 0,
    base: null,
    index: 0,
    entryAddress: null,
    words: [rootLo, rootHi],
    size: 1,
    entries: [{ index: 0, words: [rootLo, rootHi], usedBy: 'the unit', inIotlb: null }],
  };
  const rootTable = join(rootHi, rootLo & ~0xfff);
  if (rootTable === 0) return [register];
  const levels = [register];
  const { sourceId } = device.model;

  const root = tableOf(
    machine,
    'root table',
    0,
    rootTable,
    sourceId >>> 8,
    4,
    256,
    (index) => `bus ${hex(index, 2).slice(2)}`,
  );
  levels.push(root);
  const rootFields = rootEntry.decode(root.words);
  if (rootFields.P === 0n || !memory.has(Number(rootFields.CTP))) return levels;

  const bus = sourceId & 0xff00;
  const context = tableOf(
    machine,
    'context table',
    0,
    Number(rootFields.CTP),
    sourceId & 0xff,
    4,
    256,
    (index) => functionName(machine, bus | index),
  );
  levels.push(context);
  const fields = contextEntry.decode(context.words);
  if (fields.P === 0n || Number(fields.TT) === TranslationType.PASS_THROUGH) return levels;

  const did = Number(fields.DID);
  const cached = new Set(
    unit.translator.iotlb
      .entries()
      .filter((entry) => entry.did === did)
      .map(({ iova }) => iova),
  );
  let table = Number(fields.SSPTPTR);
  for (let level = Number(fields.AW) + 2; level >= 1 && memory.has(table); level--) {
    const found = pageTable(machine, device, table, level, hi, lo, cached);
    levels.push(found);
    const [entryLo, entryHi] = found.words;
    if ((entryLo & (READ | WRITE)) === 0 || (entryLo & PAGE_SIZE) !== 0) break;
    table = join(entryHi & 0xf_ffff, entryLo & ~0xfff);
  }
  return levels;
}

function pageTable(
  machine: Machine,
  device: Device,
  table: number,
  level: number,
  hi: number,
  lo: number,
  cached: ReadonlySet<number>,
): TableLevel {
  const reach = leafBytes(level);
  const covered = reach * ENTRIES;
  const base = Math.floor(join(hi, lo) / covered) * covered;
  const found = tableOf(machine, 'page table', level, table, levelIndex(level, hi, lo), 2, ENTRIES, () => '');
  const entries: TableEntry[] = found.entries.map(({ index, words }) => ({
    index,
    words,
    usedBy: usedBy(machine, device, words, level, base + index * reach),
    inIotlb: isLeaf(words, level) ? cached.has(base + index * reach) : null,
  }));
  if (level === 1) {
    // Pages gone from the table but still in the IOTLB: the stale window of lazy invalidation.
    for (const iova of cached) {
      const index = (iova - base) / reach;
      if (index < 0 || index >= ENTRIES || entries.some((entry) => entry.index === index)) continue;
      entries.push({ index, words: [0, 0], usedBy: 'not mapped', inIotlb: true });
    }
    entries.sort((a, b) => a.index - b.index);
  }
  return { ...found, entries };
}

function tableOf(
  { memory }: Machine,
  kind: TableLevel['kind'],
  level: number,
  base: number,
  index: number,
  wordsPerEntry: number,
  size: number,
  describe: (index: number) => string,
): TableLevel {
  const bytes = 4 * wordsPerEntry;
  const entries: TableEntry[] = [];
  for (let i = 0; i < size; i++) {
    const words = Array.from(memory.readWords(base + i * bytes, wordsPerEntry));
    if (words.some((word) => word !== 0))
      entries.push({ index: i, words, usedBy: describe(i), inIotlb: null });
  }
  return {
    kind,
    level,
    base: hex(base),
    index,
    entryAddress: hex(base + index * bytes),
    words: Array.from(memory.readWords(base + index * bytes, wordsPerEntry)),
    size,
    entries,
  };
}

const isLeaf = ([lo]: readonly number[], level: number): boolean =>
  (lo & (READ | WRITE)) !== 0 && (level === 1 || (lo & PAGE_SIZE) !== 0);

/** What an entry leads to, in words. */
function usedBy(
  machine: Machine,
  device: Device,
  words: readonly number[],
  level: number,
  iova: number,
): string {
  const [lo, hi] = words;
  if ((lo & (READ | WRITE)) === 0) return 'not mapped';
  if (!isLeaf(words, level)) return `from iova ${hex(iova, 8)}`;
  if (device.guest !== null) return `guest ${device.guest.name} page ${hex(iova / 4096)}`;
  return machine.map.nameAt(join(hi & 0xf_ffff, lo & ~(leafBytes(level) - 1) & ~0xfff));
}

function functionName(machine: Machine, sourceId: number): string {
  const device = machine.devices.find(({ model }) => model.sourceId === sourceId);
  return device === undefined ? bdf(sourceId) : `${bdf(sourceId)} ${device.model.name}`;
}

function whyItEnds(
  machine: Machine,
  device: Device,
  levels: readonly TableLevel[],
  fault: number,
): string | null {
  const last = levels[levels.length - 1];
  if (!machine.kernel.policy.translation) return 'the IOMMU is off: there are no tables';
  if (last.kind === 'context table') {
    return contextEntry.decode(last.words).P === 0n
      ? `${device.model.name} has no domain: its context entry is not present`
      : 'pass-through: the context entry is the last thing the unit looks at';
  }
  if (last.kind !== 'page table') return `the ${last.kind} leads no further`;
  return fault === 0 || isLeaf(last.words, last.level) ? null : faultReason(fault).meaning;
}
