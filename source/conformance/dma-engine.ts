/**
 * The devices of a case: they write a pattern, read, or invert what they find, through the unit and into memory.
 *
 * Every page that a transfer touches is a request of its own, and one that is refused does not keep the others
 * back: a device finds out about a refused write as little as about a successful one. What it reads where
 * it may not, or where there is no memory, is zero.
 */

import { READ, WRITE } from '../vtd/formats/paging-entry.ts';
import type { PhysicalMemory } from '../vtd/memory.ts';
import type { Step as WalkStep } from '../vtd/translation/step.ts';
import { Outcome } from '../vtd/translation/translator.ts';
import type { Iommu } from '../vtd/unit/iommu.ts';
import type { Transfer } from './case-file.ts';

const PAGE = 4096n;
const TOP = 1n << 64n;
const INTERRUPTS = { first: 0xfee0_0000n, last: 0xfeef_ffffn } as const;

/** One request: what it asked for, and the steps of its translation. */
export type ObservedRequest = {
  readonly address: bigint;
  readonly access: number;
  readonly blocked: boolean;
  readonly steps: readonly WalkStep[];
};

export class DmaEngine {
  /** Told of every request; while null, no steps are noted. */
  observer: ((request: ObservedRequest) => void) | null = null;
  /** Pages that were written, by number. */
  readonly written = new Set<number>();
  private readonly memory: PhysicalMemory;
  private readonly unit: Iommu;

  constructor(memory: PhysicalMemory, unit: Iommu) {
    this.memory = memory;
    this.unit = unit;
  }

  transfer(device: number, transfer: Transfer, address: bigint, length: number): void {
    const data = transfer === 'invert' ? new Uint8Array(length) : null;
    if (transfer === 'read' || transfer === 'invert') {
      for (const piece of pieces(address, length)) {
        const at = this.translate(device, piece.address, READ);
        if (at !== null) this.load(at, data, piece.from, piece.bytes);
      }
    }
    if (transfer === 'read') return;
    if (data !== null) for (let i = 0; i < length; i++) data[i] ^= 0xff;
    for (const piece of pieces(address, length)) {
      const at = this.translate(device, piece.address, WRITE);
      if (at === null) continue;
      if (data !== null) this.store(at, data, piece.from, piece.bytes);
      else this.fill(at, piece.bytes, transfer === 'fill' ? 0x9696_9696 : 0);
    }
  }

  /** Where a request leads in memory, or null if it is refused or is none to memory. */
  private translate(device: number, address: bigint, access: number): number | null {
    // The root complex takes what lies in the interrupt range for itself; a read there never reaches the unit.
    if (access === READ && address >= INTERRUPTS.first && address <= INTERRUPTS.last) return null;
    const { translator } = this.unit;
    const steps: WalkStep[] = [];
    if (this.observer !== null) translator.steps = steps;
    const hi = Number(address >> 32n) | 0;
    const lo = Number(address & 0xffff_ffffn) | 0;
    const outcome = translator.translate(device, hi, lo, access);
    translator.steps = null;
    this.observer?.({ address, access, blocked: outcome === Outcome.BLOCKED, steps });
    if (outcome === Outcome.BLOCKED || outcome === Outcome.INTERRUPT) return null;
    const output = (BigInt(translator.outHi >>> 0) << 32n) | BigInt(translator.outLo >>> 0);
    return output < BigInt(this.memory.size) ? Number(output) : null;
  }

  private fill(at: number, bytes: number, pattern: number): void {
    this.written.add(Math.floor(at / Number(PAGE)));
    this.memory.fill(at, bytes, pattern | 0);
  }

  private store(at: number, data: Uint8Array, from: number, bytes: number): void {
    this.written.add(Math.floor(at / Number(PAGE)));
    for (let i = 0; i < bytes; i++) this.memory.fill(at + i, 1, data[from + i] * 0x0101_0101);
  }

  private load(at: number, data: Uint8Array | null, from: number, bytes: number): void {
    if (data === null) return;
    for (let i = 0; i < bytes; i++) {
      const byte = at + i;
      data[from + i] = this.memory.read32(byte - (byte % 4)) >>> (8 * (byte % 4));
    }
  }
}

/** A transfer cut at the borders of pages; what would lie above 64 bits is left out. */
function* pieces(address: bigint, length: number) {
  const end = address + BigInt(length) > TOP ? TOP : address + BigInt(length);
  for (let at = address; at < end; ) {
    const next = (at / PAGE + 1n) * PAGE;
    const bytes = Number((next < end ? next : end) - at);
    yield { address: at, from: Number(at - address), bytes };
    at += BigInt(bytes);
  }
}
