/** A Linux host on a bench: its clock in hand, and what it writes to the unit written down. */

import type { KernelBuild } from '../../source/linux/boot/policy.ts';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import type { Reserved } from '../../source/linux/dma-api/iova.ts';
import { Kernel } from '../../source/linux/kernel.ts';
import { FULL_ACS, type PciFunction } from '../../source/linux/pci.ts';
import { KernelRefusal } from '../../source/linux/refusal.ts';
import { wordsToBig } from '../../source/vtd/bits.ts';
import { READ, WRITE } from '../../source/vtd/formats/paging-entry.ts';
import { PhysicalMemory } from '../../source/vtd/memory.ts';
import { parseBdf } from '../../source/vtd/source-id.ts';
import { presets, type UnitDescription } from '../../source/vtd/unit/capabilities.ts';
import { Iommu } from '../../source/vtd/unit/iommu.ts';
import { Offset } from '../../source/vtd/unit/registers.ts';

export const MiB = 2 ** 20;
/** Where data pages begin. */
export const DATA = 16 * MiB;
export const REGION = { start: 0x0e00_0000, end: 0x0e00_1fff, relaxable: true } as const;
export const FAULT_DELAY_NS = 2000;

export const id = (bdf: string): number => {
  const sourceId = parseBdf(bdf);
  if (sourceId === null) throw new Error(`${bdf} is no address of a function`);
  return sourceId;
};

/** What Linux would return, or `ok`. */
export function errno(action: () => void): string {
  try {
    action();
    return 'ok';
  } catch (error) {
    if (!(error instanceof KernelRefusal)) throw error;
    return error.errno;
  }
}

export const pciFunction = (bdf: string, options: Partial<PciFunction> = {}): PciFunction => ({
  sourceId: id(bdf),
  bridge: null,
  multifunction: false,
  kind: 'function',
  acs: FULL_ACS,
  untrusted: false,
  ats: false,
  dmaMask: 2 ** 48 - 1,
  reserved: [],
  driver: null,
  ...options,
});

/** A USB controller and its sibling, a network card, a disk, a controller that firmware holds on to, a stranger. */
export const hostFunctions: readonly PciFunction[] = [
  pciFunction('00:14.0', { multifunction: true, acs: 0, reserved: [REGION], driver: 'xhci_hcd' }),
  pciFunction('00:14.2', { multifunction: true, acs: 0 }),
  pciFunction('03:00.0', { driver: 'ixgbe' }),
  pciFunction('04:00.0', { driver: 'nvme' }),
  pciFunction('05:00.0', { reserved: [{ start: 0x0f00_0000, end: 0x0f00_0fff, relaxable: false }] }),
  pciFunction('07:00.0', { untrusted: true }),
];

/** Time that goes on only when told to. */
export class HandClock {
  protected time = 0;
  private timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(nanoseconds: number, run: () => void): () => void {
    const timer = { at: this.time + nanoseconds, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  advance(nanoseconds: number): void {
    const end = this.time + nanoseconds;
    for (;;) {
      const due = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((other) => other !== due);
      this.time = due.at;
      due.run();
    }
    this.time = end;
  }
}

/** Kind, low and high qword, in the words of the recorded descriptors: `iotlb 0x500e2 0x0`. */
export type Written = string;

const kinds: Readonly<Record<number, string>> = {
  1: 'context',
  2: 'iotlb',
  3: 'device-tlb',
  4: 'iec',
  5: 'wait',
  6: 'p-iotlb',
  7: 'pasid-cache',
};
const hex = (value: bigint) => `0x${value.toString(16)}`;

export type HostOptions = {
  readonly unit?: UnitDescription;
  readonly build?: KernelBuild;
  readonly functions?: readonly PciFunction[];
  readonly windows?: readonly Reserved[];
  readonly cpus?: number;
  /** invalidation.hint. */
  readonly givesHint?: boolean;
  /** CONFIG_HZ. */
  readonly timerHz?: number;
  readonly clock?: HandClock;
};

export class Host {
  readonly clock: HandClock;
  readonly memory = new PhysicalMemory(256 * MiB);
  readonly unit: Iommu;
  readonly kernel: Kernel;
  /** GCMD writes and descriptors since boot, in order. */
  readonly written: Written[];

  constructor(line: string, options: HostOptions = {}) {
    const { unit = presets.skylake, build = defaultBuild, functions, windows = [], cpus, timerHz } = options;
    this.clock = options.clock ?? new HandClock();
    this.unit = new Iommu(this.memory, unit, (_, vector) => {
      this.clock.after(FAULT_DELAY_NS, () => this.kernel.interrupt(vector));
    });
    this.written = listenTo(this.unit, this.memory);
    this.kernel = new Kernel(
      {
        memory: this.memory,
        unit: this.unit,
        functions: functions ?? hostFunctions,
        windows,
        unitBase: 0xfed9_1000,
        tableZone: [MiB, DATA],
        dataZone: [DATA, 0x0e00_0000],
        bounceZone: [0x8_0000, MiB],
      },
      line,
      this.clock,
      { build, cpus, timerHz, givesHint: options.givesHint },
    );
  }

  /** What an action writes to the unit, without waits. */
  during(action: () => void): Written[] {
    const before = this.written.length;
    action();
    return this.written.slice(before).filter((line) => !line.startsWith('wait'));
  }

  /** One DMA request: where it goes, or `fault 0x05`; `interrupt` for a write to 0xfeex_xxxx. */
  dma(bdf: string, type: 'read' | 'write', address: number): string {
    const { translator } = this.unit;
    const hi = Math.floor(address / 2 ** 32) | 0;
    const outcome = translator.translate(id(bdf), hi, address | 0, type === 'read' ? READ : WRITE);
    if (outcome === 5) return `fault 0x${translator.fault.toString(16).padStart(2, '0')}`;
    if (outcome === 4) return 'interrupt';
    return hex(wordsToBig([translator.outLo, translator.outHi]));
  }

  /** The context entry of a device as it lies in memory: low and high qword. */
  context(bdf: string): [string, string] {
    const root = Number(wordsToBig(this.unit.read64(Offset.RTADDR)));
    const source = id(bdf);
    const table = Number(wordsToBig(this.memory.read64(root + 16 * (source >>> 8))) & ~0xfffn);
    const at = table + 16 * (source & 0xff);
    return [hex(wordsToBig(this.memory.read64(at))), hex(wordsToBig(this.memory.read64(at + 8)))];
  }

  get gsts(): string {
    return hex(wordsToBig([this.unit.read32(Offset.GSTS)]));
  }

  /** What the kernel printed, without time stamps. */
  get log(): string[] {
    return this.kernel.log.lines.map((line) => line.replace(/^\[ *\d+\.\d{6}\] /, ''));
  }
}

/** Note each GCMD write, and what lies in the queue between the old and the new tail. */
export function listenTo(unit: Iommu, memory: PhysicalMemory): Written[] {
  const written: Written[] = [];
  const write32 = unit.write32.bind(unit);
  unit.write32 = (offset, value) => {
    if (offset === Offset.GCMD) written.push(`gcmd ${hex(wordsToBig([value]))}`);
    if (offset === Offset.IQT) {
      const address = unit.read64(Offset.IQA);
      const base = Number(wordsToBig(address) & ~0xfffn);
      const size = 4096 << (address[0] & 7);
      const step = (address[0] & 0x800) === 0 ? 16 : 32;
      for (let at = unit.read32(Offset.IQT); at !== value; at = (at + step) % size) {
        const words = memory.readWords(base + at, 4);
        const [low, high] = [words.subarray(0, 2), words.subarray(2)].map((half) => hex(wordsToBig(half)));
        written.push(`${kinds[words[0] & 15]} ${low} ${high}`);
      }
    }
    write32(offset, value);
  };
  return written;
}
