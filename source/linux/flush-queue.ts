/**
 * Lazy invalidation: freed ranges wait until one flush of the whole domain covers them all.
 * `drivers/iommu/dma-iommu.c`, fq_ring: 256 slots, of which 255 are usable, or 10 ms.
 */
import type { Clock } from './clock.ts';

const USABLE_SLOTS = 255;
const TIMEOUT_NS = 10e6;

type Freed = { readonly iova: number; readonly pages: number };

export class FlushQueue {
  private waiting: Freed[] = [];
  private cancelTimer: (() => void) | null = null;
  private readonly clock: Clock;
  private readonly flushDomain: () => void;
  private readonly release: (iova: number, pages: number) => void;

  /**
   * @param flushDomain invalidate all of the domain in the unit, and wait
   * @param release give a range back to the allocator; only ever called after a flush
   */
  constructor(clock: Clock, flushDomain: () => void, release: (iova: number, pages: number) => void) {
    this.clock = clock;
    this.flushDomain = flushDomain;
    this.release = release;
  }

  get length(): number {
    return this.waiting.length;
  }

  /** Queue a range that was unmapped from the tables but may still be in the IOTLB. */
  add(iova: number, pages: number): void {
    if (this.waiting.length === USABLE_SLOTS) this.flush();
    this.waiting.push({ iova, pages });
    this.cancelTimer ??= this.clock.after(TIMEOUT_NS, () => {
      this.cancelTimer = null;
      this.flush();
    });
  }

  /** Invalidate now, and free everything that waited. */
  flush(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
    if (this.waiting.length === 0) return;
    this.flushDomain();
    const freed = this.waiting;
    this.waiting = [];
    for (const { iova, pages } of freed) this.release(iova, pages);
  }
}
