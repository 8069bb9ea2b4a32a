/** The simulated unit with its memory and its devices, on which operations are carried out. */

import type { PhysicalMemory } from '../vtd/memory.ts';
import type { CacheShape, Uncertain } from '../vtd/translation/translator.ts';
import { Iommu } from '../vtd/unit/iommu.ts';
import type { UnitWords } from './case-file.ts';
import { DmaEngine } from './dma-engine.ts';
import type { Operation } from './operation.ts';
import { unitDescription } from './unit.ts';

/**
 * Caches like QEMU's: a large IOTLB and no paging-structure caches. What is still cached after a table was changed
 * and nothing invalidated is an implementation's own choice; with these, it is QEMU's where the specification
 * leaves it open.
 */
const caches: CacheShape = {
  iotlb: { sets: 1, ways: 1024 },
  pagingCache: { 5: 0, 4: 0, 3: 0, 2: 0 },
  contextCacheEntries: 16,
  pasidCache: { sets: 1, ways: 16 },
  interruptCacheEntries: 1,
};

const uncertain: Partial<Uncertain> = {
  // A unit with caching mode may keep what is not present; a case says what it must answer.
  cachesNotPresent: false,
  flagsNeedCoherence: false,
  scalableRegisterCommands: true,
};

const ONES_32 = 0xffff_ffffn;
const low = (value: bigint): number => Number(value & ONES_32) | 0;
const high = (value: bigint): number => Number((value >> 32n) & ONES_32) | 0;
const joined = (hi: number, lo: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);

export class Bench {
  readonly engine: DmaEngine;
  private readonly memory: PhysicalMemory;
  private readonly unit: Iommu;

  /** @param memory cleared here, as making one anew takes longer */
  constructor(words: UnitWords, memory: PhysicalMemory) {
    this.memory = memory;
    memory.clear();
    this.unit = new Iommu(this.memory, unitDescription(words), () => {}, {
      caches,
      uncertain,
    });
    this.engine = new DmaEngine(this.memory, this.unit);
  }

  /** Carry out one operation. Returns the value read, or null where none is. */
  perform(operation: Operation): bigint | null {
    switch (operation.kind) {
      case 'write register':
        if (operation.bytes === 4) this.unit.write32(operation.offset, low(operation.value));
        else this.unit.write64(operation.offset, high(operation.value), low(operation.value));
        return null;
      case 'read register': {
        if (operation.bytes === 4) return joined(0, this.unit.read32(operation.offset));
        const [lo, hi] = this.unit.read64(operation.offset);
        return joined(hi, lo);
      }
      case 'write memory':
        operation.qwords.forEach((qword, i) => {
          this.writeQword(operation.address + 8 * i, qword);
        });
        return null;
      case 'read memory':
        return this.readQword(operation.address);
      case 'dma':
        this.engine.transfer(operation.device, operation.transfer, operation.address, operation.length);
        return null;
    }
  }

  /** Cases may name addresses that are not aligned; memory knows aligned words only. */
  private readQword(address: number): bigint {
    const shift = address % 8;
    const at = address - shift;
    const aligned = (from: number) => {
      const [lo, hi] = this.memory.read64(from);
      return joined(hi, lo);
    };
    if (shift === 0) return aligned(at);
    const both = (aligned(at + 8) << 64n) | aligned(at);
    return (both >> BigInt(8 * shift)) & 0xffff_ffff_ffff_ffffn;
  }

  private writeQword(address: number, value: bigint): void {
    if (address % 8 === 0) return this.memory.write64(address, high(value), low(value));
    for (let i = 0; i < 8; i++) {
      const byte = Number((value >> BigInt(8 * i)) & 0xffn);
      this.memory.fill(address + i, 1, byte * 0x0101_0101);
    }
  }
}
