/** Memory that a driver, of the host or of a guest, lends to its device. */
import type { Direction, Mapping } from '../../linux/dma-api/dma-api.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { PAGE } from '../../linux/page-frames.ts';
import { KernelRefusal } from '../../linux/refusal.ts';
import type { GuestModel } from '../guests/guest.ts';
import type { VirtualIommu } from '../guests/virtual-iommu.ts';
import { CONTIGUOUS_ZONE, FREE, type MemoryMap, type OwnerId } from '../memory-map.ts';

/** A buffer as the device is told of it. */
export type Buffer = { readonly address: number; readonly bytes: number };

export type Buffers = {
  /** A buffer of at most one page, or of a multiple of 2 MiB. */
  acquire(bytes: number, direction: Direction): Buffer;
  /** The device is done with it. */
  release(buffer: Buffer): void;
  /** CPU cycles that mapping and unmapping took since last asked. */
  takeCycles(): number;
};

type HostBuffer = Buffer & { readonly mapping: Mapping; readonly frame: number };

/** Large buffers are cut from one zone, front to back, and kept for the next user of the same size. */
export class ContiguousZone {
  private next: number = CONTIGUOUS_ZONE[0];
  private readonly free = new Map<number, number[]>();

  allocate(bytes: number): number {
    const freed = this.free.get(bytes)?.pop();
    if (freed !== undefined) return freed;
    const start = this.next;
    if (start + bytes > CONTIGUOUS_ZONE[1])
      throw new KernelRefusal('ENOMEM', `no ${bytes} contiguous bytes are left`);
    this.next = start + bytes;
    return start;
  }

  release(start: number, bytes: number): void {
    const list = this.free.get(bytes);
    if (list === undefined) this.free.set(bytes, [start]);
    else list.push(start);
  }
}

/** Buffers of a host driver: page frames mapped through the DMA API and unmapped after use. */
export class HostBuffers implements Buffers {
  private readonly kernel: Kernel;
  private readonly map: MemoryMap;
  private readonly zone: ContiguousZone;
  private readonly sourceId: number;
  private readonly owner: OwnerId;
  private readonly cpu: number;
  private cycles = 0;

  /** @param cpu the one that the driver runs on */
  constructor(
    kernel: Kernel,
    map: MemoryMap,
    zone: ContiguousZone,
    sourceId: number,
    owner: OwnerId,
    cpu: number,
  ) {
    this.kernel = kernel;
    this.map = map;
    this.zone = zone;
    this.sourceId = sourceId;
    this.owner = owner;
    this.cpu = cpu;
  }

  acquire(bytes: number, direction: Direction): Buffer {
    const frame = bytes > PAGE ? this.zone.allocate(bytes) : this.kernel.dataFrames.allocate();
    this.map.give(frame, bytes, this.owner);
    const before = this.kernel.cycles;
    let mapping: Mapping;
    try {
      mapping = this.kernel.map(this.sourceId, frame, bytes, direction, this.cpu);
    } catch (error) {
      this.giveBack(frame, bytes);
      throw error;
    } finally {
      this.cycles += this.kernel.cycles - before;
    }
    const buffer: HostBuffer = { address: mapping.address, bytes, mapping, frame };
    return buffer;
  }

  release(buffer: Buffer): void {
    const { mapping, frame, bytes } = buffer as HostBuffer;
    const before = this.kernel.cycles;
    this.kernel.unmap(this.sourceId, mapping, this.cpu);
    this.cycles += this.kernel.cycles - before;
    this.giveBack(frame, bytes);
  }

  private giveBack(frame: number, bytes: number): void {
    this.map.give(frame, bytes, FREE);
    if (bytes > PAGE) this.zone.release(frame, bytes);
    else this.kernel.dataFrames.release(frame);
  }

  takeCycles(): number {
    const { cycles } = this;
    this.cycles = 0;
    return cycles;
  }
}

type VirtualBuffer = Buffer & { readonly mapping: Mapping; readonly frame: number };

/** Where a guest's driver takes large buffers from, guest-physical. */
const LARGE_BUFFERS = 0x0800_0000;

/** Buffers of a driver inside a guest with an IOMMU of its own: pages of the guest's RAM, mapped and unmapped for use. */
export class VirtualBuffers implements Buffers {
  private readonly iommu: VirtualIommu;
  private readonly kernel: Kernel;
  private readonly exitCycles: number;
  private nextLarge = LARGE_BUFFERS;
  private cycles = 0;

  /** @param exitCycles what an invalidation carried out by the hypervisor costs the guest besides */
  constructor(iommu: VirtualIommu, kernel: Kernel, exitCycles: number) {
    this.iommu = iommu;
    this.kernel = kernel;
    this.exitCycles = exitCycles;
  }

  acquire(bytes: number, direction: Direction): Buffer {
    let frame = this.nextLarge;
    if (bytes > PAGE) this.nextLarge += bytes;
    else frame = this.iommu.dataFrames.allocate();
    const mapping = this.metered(() => this.iommu.map(frame, bytes, direction));
    const buffer: VirtualBuffer = { address: mapping.address, bytes, mapping, frame };
    return buffer;
  }

  release(buffer: Buffer): void {
    const { mapping, frame, bytes } = buffer as VirtualBuffer;
    this.metered(() => this.iommu.unmap(mapping));
    if (bytes <= PAGE) this.iommu.dataFrames.release(frame);
  }

  takeCycles(): number {
    const { cycles } = this;
    this.cycles = 0;
    return cycles;
  }

  /** The guest's CPU does its own work, and waits for what the host does for it. */
  private metered<T>(action: () => T): T {
    const { iommu, kernel, exitCycles } = this;
    const spent = () => iommu.cycles + kernel.cycles + iommu.exits * exitCycles;
    const before = spent();
    const result = action();
    this.cycles += spent() - before;
    return result;
  }
}

/**
 * Buffers of a driver inside a guest without an IOMMU of its own: pages of the guest's RAM by their
 * guest-physical addresses. All of its RAM stays mapped, so nothing is mapped or unmapped.
 */
export class GuestBuffers implements Buffers {
  private readonly pages: number;
  private nextSmall = 0;
  private nextLarge = 0x0800_0000;

  /** @param dmaMask what the device reaches; the guest's driver takes memory below it */
  constructor(guest: GuestModel, dmaMask: number) {
    this.pages = Math.min(guest.bytes, dmaMask + 1) / PAGE;
  }

  acquire(bytes: number): Buffer {
    if (bytes > PAGE) {
      const address = this.nextLarge;
      this.nextLarge += bytes;
      return { address, bytes };
    }
    // A guest's I/O wanders over 16 MiB of pages scattered through its memory, from 2 MiB up.
    const index = this.nextSmall++ % 4096;
    return { address: ((512 + index * 7919) % this.pages) * PAGE, bytes };
  }

  release(): void {}

  takeCycles(): number {
    return 0;
  }
}
