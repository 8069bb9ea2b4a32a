/**
 * `/sys/kernel/debug/iommu/intel`: `drivers/iommu/intel/debugfs.c`, with its tabs and blanks, as each version since 5.4
 * prints them.
 */
import { join } from '../../vtd/bits.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import { bdf } from '../../vtd/source-id.ts';
import type { Iommu } from '../../vtd/unit/iommu.ts';
import { Global, Offset } from '../../vtd/unit/registers.ts';
import { type DeviceRecord, type DeviceTable, pciAddress } from '../domains/device-table.ts';
import { KernelRefusal } from '../refusal.ts';
import type { LatencyStatistics } from '../unit/latency-statistics.ts';
import { isSince, type KernelVersion } from '../version.ts';
import type { FileTree } from './file-tree.ts';

const DEBUG = '/sys/kernel/debug/iommu/intel';
/** The unit's name. */
const NAME = 'dmar0';
const SLOTS = 256;

export type DebugParts = {
  readonly unit: Iommu;
  readonly memory: PhysicalMemory;
  readonly unitBase: number;
  readonly devices: DeviceTable;
  readonly version: KernelVersion;
  /** The unit translates. */
  readonly isUsed: boolean;
  /** Physical address and bytes of the interrupt-remapping table; null without one. */
  readonly interruptTable: { readonly address: number; readonly bytes: number } | null;
  readonly latencies: LatencyStatistics;
};

export function addDebug(tree: FileTree, parts: DebugParts): void {
  const { devices, version, isUsed } = parts;
  tree.add(`${DEBUG}/iommu_regset`, () => registerSet(parts));
  tree.add(`${DEBUG}/dmar_translation_struct`, () => translationStructures(parts));
  if (isSince(version, '5.8')) tree.add(`${DEBUG}/invalidation_queue`, () => invalidationQueue(parts));
  tree.add(`${DEBUG}/ir_translation_struct`, () => interruptStructures(parts));
  if (isSince(version, '5.14')) {
    tree.add(
      `${DEBUG}/dmar_perf_latency`,
      () => latencies(parts),
      (text) => setLatencies(parts, text),
    );
  }
  // Since 5.6 one file, since 6.7 one for each device.
  if (!isSince(version, '6.7')) {
    if (isSince(version, '5.6')) tree.add(`${DEBUG}/domain_translation_struct`, () => domainsOf(parts));
  } else if (isUsed) {
    for (const record of devices.all()) {
      const path = `${DEBUG}/${pciAddress(record.fn.sourceId)}/domain_translation_struct`;
      tree.add(path, () => domainOf(parts, record));
    }
  }
}

const MTRR = ['FIX64K_00000', 'FIX16K_80000', 'FIX16K_A0000', 'FIX4K_C0000', 'FIX4K_C8000', 'FIX4K_D0000'];
const MORE_MTRR = ['FIX4K_D8000', 'FIX4K_E0000', 'FIX4K_E8000', 'FIX4K_F0000', 'FIX4K_F8000'];

type NamedRegister = readonly [name: string, offset: number];

/** Names and offsets in the order of the kernel: registers of 32 bits, then those of 64. */
const registers32: readonly NamedRegister[] = [
  ['VER', Offset.VER],
  ['GCMD', Offset.GCMD],
  ['GSTS', Offset.GSTS],
  ['FSTS', Offset.FSTS],
  ['FECTL', Offset.FECTL],
  ['FEDATA', Offset.FEDATA],
  ['FEADDR', Offset.FEADDR],
  ['FEUADDR', Offset.FEUADDR],
  ['PMEN', Offset.PMEN],
  ['PLMBASE', Offset.PLMBASE],
  ['PLMLIMIT', Offset.PLMLIMIT],
  ['ICS', Offset.ICS],
  ['PRS', Offset.PRS],
  ['PECTL', Offset.PECTL],
  ['PEDATA', Offset.PEDATA],
  ['PEADDR', Offset.PEADDR],
  ['PEUADDR', Offset.PEUADDR],
];

const registers64: readonly NamedRegister[] = [
  ['CAP', Offset.CAP],
  ['ECAP', Offset.ECAP],
  ['RTADDR', Offset.RTADDR],
  ['CCMD', Offset.CCMD],
  ['AFLOG', 0x58],
  ['PHMBASE', Offset.PHMBASE],
  ['PHMLIMIT', Offset.PHMLIMIT],
  ['IQH', Offset.IQH],
  ['IQT', Offset.IQT],
  ['IQA', Offset.IQA],
  ['IRTA', Offset.IRTA],
  ['PQH', Offset.PQH],
  ['PQT', Offset.PQT],
  ['PQA', Offset.PQA],
  ['MTRRCAP', 0x100],
  ['MTRRDEF', 0x108],
  ...[...MTRR, ...MORE_MTRR].map((name, i) => [`MTRR_${name}`, 0x120 + 8 * i] as const),
  ...Array.from({ length: 20 }, (_, i) => {
    const name = i % 2 === 0 ? 'PHYSBASE' : 'PHYSMASK';
    return [`MTRR_${name}${i >> 1}`, 0x180 + 8 * i] as const;
  }),
];

/** The virtual command interface, which Linux gave up with 6.8; until 5.15 it looked for it in the wrong place. */
const virtualCommands = (version: KernelVersion): readonly NamedRegister[] => {
  if (isSince(version, '6.8')) return [];
  const offsets = isSince(version, '5.15') ? [0xe30, 0xe00, 0xe10] : [0xe00, 0xe10, 0xe20];
  return ['VCCAP', 'VCMD', 'VCRSP'].map((name, i) => [name, offsets[i]] as const);
};

/** Up to 5.5 the registers were one list in another order, all read as if they had 64 bits. */
const OLD_ORDER =
  'VER CAP ECAP GCMD GSTS RTADDR CCMD FSTS FECTL FEDATA FEADDR FEUADDR AFLOG PMEN PLMBASE PLMLIMIT PHMBASE PHMLIMIT IQH IQT IQA ICS IRTA PQH PQT PQA PRS PECTL PEDATA PEADDR PEUADDR'.split(
    ' ',
  );

/** What a version lists: first what it reads as 32 bits, then what it reads as 64. */
function listedRegisters(version: KernelVersion): readonly (readonly NamedRegister[])[] {
  const more = virtualCommands(version);
  if (isSince(version, '6.18')) {
    return [registers32, registers64.filter(([name]) => name !== 'CCMD' && name !== 'AFLOG')];
  }
  if (isSince(version, '5.6')) return [registers32, [...registers64, ...more]];
  const all = [...registers32, ...registers64];
  const old = OLD_ORDER.map((name) => all.find((register) => register[0] === name) as NamedRegister);
  return [[], [...old, ...registers64.filter(([name]) => name.startsWith('MTRR')), ...more]];
}

function registerSet({ unit, unitBase, version }: DebugParts): string {
  const line = (name: string, offset: number, value: string) =>
    `${name.padEnd(16)}\t0x${offset.toString(16).padStart(2, '0')}\t\t0x${value.padStart(16, '0')}\n`;
  const [narrow, wide] = listedRegisters(version);
  return [
    `IOMMU: ${NAME} Register Base Address: ${unitBase.toString(16)}\n`,
    'Name\t\t\tOffset\t\tContents\n',
    ...narrow.map(([name, offset]) => line(name, offset, hex8(unit.read32(offset)))),
    ...wide.map(([name, offset]) => line(name, offset, quad([unit.read32(offset), unit.read32(offset + 4)]))),
    '\n',
  ].join('');
}

function translationStructures(parts: DebugParts): string {
  const { unit, memory } = parts;
  // Up to 5.5 Linux did not ask; the files were then only made where it translates.
  if (!translates(unit)) return `DMA Remapping is not enabled on ${NAME}\n`;
  const { address, isScalable } = rootTable(unit);
  let text = `IOMMU ${NAME}: Root Table Address: 0x${address.toString(16)}\n`;
  text += 'B.D.F\tRoot_entry\t\t\t\tContext_entry\t\t\t\tPASID\tPASID_table_entry\n';
  for (let bus = 0; bus < 256; bus++) {
    for (let devfn = 0; devfn < 256; devfn++) {
      const context = contextEntry(memory, address, isScalable, (bus << 8) | devfn);
      if (context === null || (context[0] & 1) === 0) continue;
      const [low, high] = halves(memory, address + 16 * bus);
      const [contextLow, contextHigh] = halves(memory, context.at);
      const start = `${bdf((bus << 8) | devfn)}\t${pair(high, low)}\t${pair(contextHigh, contextLow)}\t`;
      if (!isScalable) text += `${start}${pasidPart(-1, ['0', '0', '0'])}`;
      else for (const entry of pasidEntries(memory, context)) text += `${start}${entry}`;
    }
  }
  return `${text}\n`;
}

const pasidPart = (pasid: number, [low, middle, high]: readonly string[]): string =>
  `${`${pasid}`.padEnd(6)}\t0x${high.padStart(16, '0')}:0x${middle.padStart(16, '0')}:0x${low.padStart(16, '0')}\n`;

const pair = (high: string, low: string): string => `0x${high}:0x${low}`;

/** Present PASID table entries below a scalable context entry: directory entries of 8 bytes, tables of 64 entries. */
function pasidEntries(memory: PhysicalMemory, [lo, hi]: Context): string[] {
  const lines: string[] = [];
  const entries = 1 << (((lo >>> 9) & 7) + 7);
  const directory = join(hi, lo & ~0xfff);
  for (let index = 0; index < entries; index++) {
    const [low, high] = memory.read64(directory + 8 * index);
    if ((low & 1) === 0) continue;
    const table = join(high, low & ~0xfff);
    for (let slot = 0; slot < 64; slot++) {
      const at = table + 64 * slot;
      if ((memory.read32(at) & 1) === 0) continue;
      lines.push(
        pasidPart(
          index * 64 + slot,
          [0, 8, 16].map((offset) => quad(memory.read64(at + offset))),
        ),
      );
    }
  }
  return lines;
}

type Context = readonly [lo: number, hi: number] & { readonly at: number };

/** The context entry of a device and where it lies, or null where the root entry is not present. */
function contextEntry(
  memory: PhysicalMemory,
  root: number,
  isScalable: boolean,
  source: number,
): Context | null {
  const devfn = source & 0xff;
  const isUpper = isScalable && devfn >= 128;
  const [lo, hi] = memory.read64(root + 16 * (source >>> 8) + (isUpper ? 8 : 0));
  if ((lo & 1) === 0) return null;
  const at = join(hi, lo & ~0xfff) + (isScalable ? 32 * (devfn & 127) : 16 * devfn);
  return Object.assign(memory.read64(at), { at });
}

const halves = (memory: PhysicalMemory, at: number): readonly [low: string, high: string] => [
  quad(memory.read64(at)),
  quad(memory.read64(at + 8)),
];

const translates = (unit: Iommu): boolean => (unit.read32(Offset.GSTS) & Global.TE) !== 0;

function rootTable(unit: Iommu): { address: number; isScalable: boolean } {
  const [lo, hi] = unit.read64(Offset.RTADDR);
  return { address: join(hi, lo & ~0xfff), isScalable: ((lo >>> 10) & 3) === 1 };
}

/** The tables of all devices in one file; since 6.0 of the first device of its group, once for each member. */
function domainsOf(parts: DebugParts): string {
  const { unit, devices, version } = parts;
  if (!translates(unit)) return '';
  const shown = devices
    .all()
    .map((record) => (isSince(version, '6.0') ? devices.groupOf(record)[0] : record));
  return shown
    .map((record) => domainOf(parts, record))
    .map((text) => (text === '' ? '' : `${text}\n`))
    .join('');
}

/** The page table that a device's entry leads to, leaf by leaf. */
function domainOf(parts: DebugParts, { fn }: DeviceRecord): string {
  const { unit, memory, version } = parts;
  const hasOwnFile = isSince(version, '6.7');
  if (!translates(unit)) return `DMA Remapping is not enabled on ${NAME}\n`;
  const { address, isScalable } = rootTable(unit);
  const context = contextEntry(memory, address, isScalable, fn.sourceId);
  if (context === null || (context[0] & 1) === 0) return '';
  const top = isScalable ? pasidTop(memory, context) : legacyTop(memory, context, version);
  if (top === null) return '';
  const pasid = !isSince(version, '5.18') || (hasOwnFile && isScalable) ? 'with pasid 0 ' : '';
  const header = hasOwnFile ? NEW_COLUMNS : 'IOVA_PFN\t\tPML5E\t\t\tPML4E\t\t\tPDPE\t\t\tPDE\t\t\tPTE';
  const lines: string[] = [];
  walk(memory, top.address, top.levels, 0, [], (iova, entries) =>
    lines.push(leafLine(iova, entries, hasOwnFile)),
  );
  return `Device ${pciAddress(fn.sourceId)} ${pasid}@0x${top.address.toString(16)}\n${header}\n${lines.join('')}`;
}

const NEW_COLUMNS = [
  'IOVA_PFN'.padEnd(17),
  ...['PML5E', 'PML4E', 'PDPE', 'PDE'].map((name) => name.padEnd(18)),
  'PTE',
].join('\t');

/**
 * One leaf. Columns go from the fifth level to the first; those that the table or the walk does not have are zero,
 * and since 6.7 those below a large page are left out (dump_page_info).
 */
function leafLine(pfn: number, path: readonly string[], leavesOut: boolean): string {
  const columns = Array.from({ length: 5 }, (_, i) => path[i] ?? ZERO);
  const used = leavesOut && columns[3] === ZERO ? 3 : leavesOut && columns[4] === ZERO ? 4 : 5;
  const cells = columns.slice(0, used).map((entry) => `0x${entry}`);
  return `0x${pfn.toString(16).padStart(13, '0')} |\t${cells.join('\t')}\n`;
}

const ZERO = '0'.repeat(16);

type Top = { readonly address: number; readonly levels: number };

/**
 * TT = 00 and 01 lead to a table, 10 to none. From 6.7 to 6.17 Linux does not look at TT, and walks physical page 0
 * where a device is passed through; before, it has no table for one.
 */
function legacyTop(memory: PhysicalMemory, context: Context, version: KernelVersion): Top | null {
  const [lo, hi] = context;
  const looksAtType = !isSince(version, '6.7') || isSince(version, '6.18');
  if (looksAtType && ((lo >>> 2) & 3) > 1) return null;
  return { address: join(hi, lo & ~0xfff), levels: (memory.read32(context.at + 8) & 7) + 2 };
}

/** The table of PASID 0: of the first stage, the second, or for a nested one the second. */
function pasidTop(memory: PhysicalMemory, [lo, hi]: Context): Top | null {
  const [low, high] = memory.read64(join(hi, lo & ~0xfff));
  if ((low & 1) === 0) return null;
  const at = join(high, low & ~0xfff);
  const entry = memory.read32(at);
  const type = (entry >>> 6) & 7;
  if ((entry & 1) === 0 || type === 0 || type > 3) return null;
  const [tableLow, tableHigh] = memory.read64(at + (type === 1 ? 16 : 0));
  return { address: join(tableHigh, tableLow & ~0xfff), levels: ((entry >>> 2) & 7) + 2 };
}

/**
 * Every leaf with the entries on the way to it, from the fifth level down: pgtable_walk_level.
 *
 * @param visit given the number of the first page and the entries
 */
function walk(
  memory: PhysicalMemory,
  table: number,
  level: number,
  start: number,
  path: readonly string[],
  visit: (pfn: number, path: readonly string[]) => void,
): void {
  if (!memory.has(table + 4095)) return;
  for (let index = 0; index < 512; index++) {
    const [lo, hi] = memory.read64(table + 8 * index);
    if ((lo & 3) === 0) continue;
    const pfn = start + index * 512 ** (level - 1);
    const entries = [...path];
    while (entries.length < 5 - level) entries.push(ZERO);
    entries.push(quad([lo, hi]));
    if (level > 1 && (lo & 0x80) === 0)
      walk(memory, join(hi & 0xf_ffff, lo & ~0xfff), level - 1, pfn, entries, visit);
    else visit(pfn, entries);
  }
}

function invalidationQueue({ unit, memory }: DebugParts): string {
  const [lo, hi] = unit.read64(Offset.IQA);
  const base = join(hi, lo & ~0xfff);
  if (base === 0) return '';
  const isWide = unit.capabilities.scalableMode;
  const bytes = isWide ? 32 : 16;
  const words = isWide ? [0, 8, 16, 24] : [0, 8];
  const at = (offset: number) => unit.read32(offset) / bytes;
  let text = `Invalidation queue on IOMMU: ${NAME}\n`;
  text += ` Base: 0x${base.toString(16)}\tHead: ${at(Offset.IQH)}\tTail: ${at(Offset.IQT)}\n`;
  text += `Index\t\t${words.map((_, i) => `qw${i}\t\t\t`).join('')}status\n`;
  for (let slot = 0; slot < SLOTS; slot++) {
    const entry = words.map((offset) => quad(memory.read64(base + bytes * slot + offset)));
    // Linux waits for what it submits and then frees the slots: QI_FREE is 0.
    text += `${`${slot}`.padStart(5)}\t${[...entry, '0'.repeat(16)].join('\t')}\n`;
  }
  return `${text}\n`;
}

function interruptStructures(parts: DebugParts): string {
  const { unit } = parts;
  const { interruptRemapping, postedInterrupts } = unit.capabilities;
  let text = '';
  if (interruptRemapping) {
    text += `Remapped Interrupt supported on IOMMU: ${NAME}\n`;
    const isOn = (unit.read32(Offset.GSTS) & Global.IRE) !== 0;
    text += isOn ? interruptTable(parts, false) : 'Interrupt Remapping is not enabled\n';
    text += '\n';
  }
  text += '****\n\n';
  if (postedInterrupts) {
    text += `Posted Interrupt supported on IOMMU: ${NAME}\n${interruptTable(parts, true)}\n`;
  }
  return text;
}

function interruptTable({ memory, interruptTable: table }: DebugParts, posted: boolean): string {
  if (table === null) return 'Interrupt Remapping is not enabled\n';
  let text = ` IR table address:${table.address.toString(16)}\n`;
  text += posted
    ? ' Entry SrcID   PDA_high PDA_low  Vct IRTE_high\t\tIRTE_low\n'
    : ' Entry SrcID   DstID    Vct IRTE_high\t\tIRTE_low\n';
  for (let index = 0; index < table.bytes / 16; index++) {
    const at = table.address + 16 * index;
    const [lo, destination] = memory.read64(at);
    if ((lo & 1) === 0 || ((lo >>> 15) & 1) !== (posted ? 1 : 0)) continue;
    const [source, descriptorHigh] = memory.read64(at + 8);
    const target = posted
      ? `${hex8(descriptorHigh)} ${hex8(((destination >>> 6) << 6) | 0)}`
      : hex8(destination);
    const vector = ((lo >>> 16) & 0xff).toString(16).padStart(2, '0');
    const raw = `${quad(memory.read64(at + 8))}\t${quad([lo, destination])}`;
    text += ` ${`${index}`.padEnd(5)} ${bdf(source & 0xffff)} ${target} ${vector}  ${raw}\n`;
  }
  return text;
}

function latencies({ unitBase, latencies: { text } }: DebugParts): string {
  return `IOMMU: ${NAME} Register Base Address: ${unitBase.toString(16)}\n${text}\n`;
}

/** dmar_perf_latency_write: 0 turns everything off, another number something on; 4, page requests, up to 6.9. */
function setLatencies({ latencies, version }: DebugParts, text: string): void {
  const most = isSince(version, '6.10') ? 3 : 4;
  // kstrtoint of base 0; leading zeros mean octal.
  const number = /^[+-]?(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(number >= 0 && number <= most))
    throw new KernelRefusal('EINVAL', `dmar_perf_latency takes a number from 0 to ${most}`);
  if (number === 0) latencies.disable();
  else latencies.enable(number);
}

const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');

const quad = ([lo, hi]: readonly [lo: number, hi: number]): string => `${hex8(hi)}${hex8(lo)}`;
