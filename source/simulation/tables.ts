/** The tables in memory on the way of one address, as a debugger would read them: nothing is changed or counted. */
import type { Device } from '../machine/devices/device.ts';
import { outcomeNames } from '../machine/devices/dma.ts';
import type { Machine } from '../machine/machine.ts';
import { hex, hexOf, join, parseHalves } from '../vtd/bits.ts';
import { faultReason } from '../vtd/faults/fault-reason.ts';
import { contextEntry, TranslationType } from '../vtd/formats/context-entry.ts';
import { codeText } from '../vtd/formats/layout.ts';
import { WRITE } from '../vtd/formats/paging-entry.ts';
import { pasidDirectoryEntry } from '../vtd/formats/pasid-directory-entry.ts';
import { PageTableType, pasidTableEntry } from '../vtd/formats/pasid-table-entry.ts';
import { rootEntry } from '../vtd/formats/root-entry.ts';
import { scalableContextEntry } from '../vtd/formats/scalable-context-entry.ts';
import { scalableRootEntry } from '../vtd/formats/scalable-root-entry.ts';
import { bdf } from '../vtd/source-id.ts';
import { Outcome, TableMode } from '../vtd/translation/walker.ts';
import { Offset, rootTableAddress } from '../vtd/unit/registers.ts';
import { type Cached, isLeaf, pageTables, type Tables, translated } from './page-tables.ts';
import type { SecondStagePath, TableLevel, TablePath } from './snapshot.ts';
import { readTable } from './table-level.ts';

/** Entries of a PASID table, as a power of two. */
const TABLE_BITS = 6;
const NOTHING_CACHED: Cached = new Set();

/** What a device's last structure before the page tables says: which tables translate its requests. */
type Way = {
  readonly levels: TableLevel[];
  readonly first: Tables | null;
  readonly second: Tables | null;
  readonly did: number;
  readonly pasid: number | null;
};

/**
 * @param address the input address, `0x…`
 * @param below a guest-physical address to follow through the second stage of a nested path, `0x…`, or null
 */
export function tablePath(
  machine: Machine,
  device: Device,
  address: string,
  below: string | null = null,
): TablePath {
  const { hi, lo } = parseHalves(address) ?? { hi: 0, lo: 0 };
  const { unit } = machine;
  const met = unit.explain(device.requesterId, hi, lo, WRITE, true);
  const cached = met.outcome === Outcome.BLOCKED ? unit.explain(device.requesterId, hi, lo, WRITE) : met;
  const way = wayOf(machine, device.requesterId);
  const { first, second } = way;
  const isNested = first !== null && second !== null;
  const top = first ?? second;
  const levels = [...way.levels];
  if (top !== null)
    levels.push(
      ...pageTables(machine, device, top, isNested ? second : null, hi, lo, cachedOf(machine, way)),
    );
  const isPeer = machine.dma.isPeerToPeer(device, hi, lo);
  const outcome = isPeer ? 'peer-to-peer' : outcomeNames[met.outcome];
  const isOut = outcome === 'blocked' || outcome === 'interrupt';
  return {
    device: device.model.name,
    address: hexOf(hi, lo),
    levels,
    outcome,
    output: isOut ? null : isPeer ? hexOf(hi, lo) : hexOf(met.hi, met.lo),
    fault: isPeer ? 0 : met.fault,
    stale: cached === met || cached.outcome !== Outcome.HIT ? null : hexOf(cached.hi, cached.lo),
    ends: whyItEnds(machine, device, levels, met.fault),
    isNested,
    below: isNested && below !== null ? secondStagePath(machine, device, second, below) : null,
  };
}

/** How the last structure before the page tables treats a device: `TT = 00b`, `PGTT = 011b`; null if none is present. */
export function translationTypeOf(machine: Machine, sourceId: number): string | null {
  const last = wayOf(machine, sourceId).levels.at(-1);
  if (last?.kind === 'context table') {
    const { P, TT } = contextEntry.decode(last.words);
    return P === 0n ? null : `TT = ${codeText(contextEntry.fields.TT, TT)}`;
  }
  if (last?.kind !== 'PASID table') return null;
  const { P, PGTT } = pasidTableEntry.decode(last.words);
  return P === 0n ? null : `PGTT = ${codeText(pasidTableEntry.fields.PGTT, PGTT)}`;
}

function secondStagePath(machine: Machine, device: Device, second: Tables, address: string): SecondStagePath {
  const { hi, lo } = parseHalves(address) ?? { hi: 0, lo: 0 };
  const output = translated(machine, second, join(hi, lo));
  return {
    address: hexOf(hi, lo),
    levels: pageTables(machine, device, second, null, hi, lo, NOTHING_CACHED),
    output: output === null ? null : hex(output),
  };
}

function wayOf(machine: Machine, sourceId: number): Way {
  const { unit, memory } = machine;
  const [rootLo, rootHi] = unit.read64(Offset.RTADDR);
  const words = [rootLo, rootHi];
  const register: TableLevel = {
    kind: 'RTADDR',
    level: 0,
    base: null,
    guest: null,
    index: 0,
    entryAddress: null,
    words,
    size: 1,
    entries: [{ index: 0, words, usedBy: 'the unit', inIotlb: null }],
  };
  const { RTA, TTM } = rootTableAddress.decode(words);
  const nowhere: Way = { levels: [register], first: null, second: null, did: 0, pasid: null };
  if (RTA === 0n || !memory.has(Number(RTA))) return nowhere;
  return Number(TTM) === TableMode.SCALABLE
    ? scalableWay(machine, sourceId, nowhere, Number(RTA))
    : legacyWay(machine, sourceId, nowhere, Number(RTA));
}

const busName = (index: number): string => `bus ${hex(index, 2).slice(2)}`;

function legacyWay(machine: Machine, sourceId: number, so: Way, rootTable: number): Way {
  const root = readTable(
    machine,
    { kind: 'root table', base: rootTable, index: sourceId >>> 8, wordsPerEntry: 4, size: 256 },
    busName,
  );
  const levels = [...so.levels, root];
  const { P, CTP } = rootEntry.decode(root.words);
  if (P === 0n || !machine.memory.has(Number(CTP))) return { ...so, levels };

  const bus = sourceId & 0xff00;
  const context = readTable(
    machine,
    { kind: 'context table', base: Number(CTP), index: sourceId & 0xff, wordsPerEntry: 4, size: 256 },
    (index) => functionName(machine, bus | index),
  );
  levels.push(context);
  const fields = contextEntry.decode(context.words);
  if (fields.P === 0n || Number(fields.TT) === TranslationType.PASS_THROUGH) return { ...so, levels };
  const second: Tables = {
    stage: 'second',
    root: Number(fields.SSPTPTR),
    levels: Number(fields.AW) + 2,
    input: 'iova',
  };
  return { ...so, levels, second, did: Number(fields.DID) };
}

function scalableWay(machine: Machine, sourceId: number, so: Way, rootTable: number): Way {
  const { memory, unit } = machine;
  const root = readTable(
    machine,
    { kind: 'scalable root table', base: rootTable, index: sourceId >>> 8, wordsPerEntry: 4, size: 256 },
    busName,
  );
  const levels = [...so.levels, root];
  const halves = scalableRootEntry.decode(root.words);
  const isUpper = (sourceId & 0x80) !== 0;
  const table = Number(isUpper ? halves.UCTP : halves.LCTP);
  if ((isUpper ? halves.UP : halves.LP) === 0n || !memory.has(table)) return { ...so, levels };

  const half = sourceId & 0xff80;
  const context = readTable(
    machine,
    { kind: 'scalable context table', base: table, index: sourceId & 0x7f, wordsPerEntry: 8, size: 128 },
    (index) => functionName(machine, half | index),
  );
  levels.push(context);
  const { P, PDTS, PASIDDIRPTR, RID_PASID } = scalableContextEntry.decode(context.words);
  if (P === 0n || !memory.has(Number(PASIDDIRPTR))) return { ...so, levels };

  const pasid = unit.capabilities.ridPasid ? Number(RID_PASID) : 0;
  const directory = readTable(
    machine,
    {
      kind: 'PASID directory',
      base: Number(PASIDDIRPTR),
      index: pasid >>> TABLE_BITS,
      wordsPerEntry: 2,
      size: 2 ** (Number(PDTS) + 7),
    },
    (index) => `PASID ${hex(index << TABLE_BITS)} to ${hex(((index + 1) << TABLE_BITS) - 1)}`,
  );
  levels.push(directory);
  const { P: hasTable, SMPTBLPTR } = pasidDirectoryEntry.decode(directory.words);
  if (hasTable === 0n || !memory.has(Number(SMPTBLPTR))) return { ...so, levels };

  const pasids = readTable(
    machine,
    {
      kind: 'PASID table',
      base: Number(SMPTBLPTR),
      index: pasid & (2 ** TABLE_BITS - 1),
      wordsPerEntry: 16,
      size: 2 ** TABLE_BITS,
    },
    (_, words) => {
      const { DID } = pasidTableEntry.decode(words);
      return `domain ${DID}`;
    },
  );
  levels.push(pasids);
  const fields = pasidTableEntry.decode(pasids.words);
  if (fields.P === 0n) return { ...so, levels };
  const type = Number(fields.PGTT);
  const hasFirst = type === PageTableType.FIRST_STAGE || type === PageTableType.NESTED;
  const hasSecond = type === PageTableType.SECOND_STAGE || type === PageTableType.NESTED;
  return {
    levels,
    first: hasFirst
      ? { stage: 'first', root: Number(fields.FSPTPTR), levels: 4 + Number(fields.FSPM), input: 'iova' }
      : null,
    second: hasSecond
      ? {
          stage: 'second',
          root: Number(fields.SSPTPTR),
          levels: Number(fields.AW) + 2,
          input: hasFirst ? 'guest' : 'iova',
        }
      : null,
    did: Number(fields.DID),
    pasid: hasFirst ? pasid : null,
  };
}

function cachedOf({ unit }: Machine, { did, pasid }: Way): Cached {
  const entries = unit.translator.iotlb.entries();
  return new Set(
    entries.filter((entry) => entry.did === did && entry.pasid === pasid).map(({ iova }) => iova),
  );
}

function functionName(machine: Machine, sourceId: number): string {
  const device = machine.devices.find(({ requesterId }) => requesterId === sourceId);
  return device === undefined ? bdf(sourceId) : `${bdf(sourceId)} ${device.model.name}`;
}

function whyItEnds(
  machine: Machine,
  device: Device,
  levels: readonly TableLevel[],
  fault: number,
): string | null {
  const last = levels[levels.length - 1];
  const { name } = device.model;
  if (!machine.kernel.policy.translation) return 'the IOMMU is off: there are no tables';
  switch (last.kind) {
    case 'context table':
      return contextEntry.decode(last.words).P === 0n
        ? `${name} has no domain: its context entry is not present`
        : fault === 0
          ? 'the context entry says pass-through, and nothing is read after it'
          : faultReason(fault).meaning;
    case 'PASID directory':
      return `${name} never had a domain: its PASID directory is empty`;
    case 'PASID table': {
      const { P, PGTT } = pasidTableEntry.decode(last.words);
      if (P === 0n) return `${name} has no domain: its PASID table entry is not present`;
      if (Number(PGTT) === PageTableType.PASS_THROUGH)
        return fault === 0
          ? 'the PASID table entry says pass-through, and nothing is read after it'
          : faultReason(fault).meaning;
      return `the ${last.kind} leads no further`;
    }
    case 'first-stage table':
    case 'page table': {
      const stage = last.kind === 'page table' ? 'second' : 'first';
      return fault === 0 || isLeaf(stage, last.words, last.level) ? null : faultReason(fault).meaning;
    }
    default:
      return `the ${last.kind} leads no further`;
  }
}
