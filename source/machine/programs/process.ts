/** A process of the host with drivers of its own, such as DPDK's testpmd: it polls its devices, and owns huge pages. */
import { PAGE } from '../../linux/page-frames.ts';
import { KernelRefusal } from '../../linux/refusal.ts';
import type { Buffer, Buffers } from '../devices/buffers.ts';
import type { OwnerId } from '../memory-map.ts';

const MiB = 2 ** 20;

/** Its huge pages: 80 of 2 MiB, in one piece. */
export const HUGE_PAGES_BYTES = 160 * MiB;
/** Where it sees them. With an IOMMU it gives its devices the same addresses (`--iova-mode=va`). */
export const HUGE_PAGES_VIRTUAL = 0x1_0020_0000;
/** Buffers of at most a page come from the front of them, larger ones from here on. */
const LARGE_BUFFERS = 16 * MiB;
const SMALL_PAGES = LARGE_BUFFERS / PAGE;

export type ProcessMemory = {
  /** What its devices call its first byte: virtual, or physical without an IOMMU (`--iova-mode=pa`). */
  readonly iova: number;
  /** Whose its pages are in the memory map. */
  readonly owner: OwnerId;
};

/** Buffers of such a driver: all its memory is mapped, or nothing has to be. */
export class ProcessBuffers implements Buffers {
  private readonly memory: ProcessMemory;
  private nextSmall = 0;
  private nextLarge = LARGE_BUFFERS;

  constructor(memory: ProcessMemory) {
    this.memory = memory;
  }

  /** @throws KernelRefusal ENOMEM where its huge pages are used up */
  acquire(bytes: number): Buffer {
    if (bytes <= PAGE) {
      const page = (this.nextSmall++ * 7919) % SMALL_PAGES;
      return { address: this.memory.iova + page * PAGE, bytes };
    }
    if (this.nextLarge + bytes > HUGE_PAGES_BYTES)
      throw new KernelRefusal('ENOMEM', `no ${bytes} bytes of its huge pages are left`);
    const address = this.memory.iova + this.nextLarge;
    this.nextLarge += bytes;
    return { address, bytes };
  }

  release(): void {}

  takeCycles(): number {
    return 0;
  }
}
