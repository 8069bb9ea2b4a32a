/**
 * Lazy invalidation: freed ranges wait until one flush of the whole domain covers them all.
 * `drivers/iommu/dma-iommu.c`, `struct iova_fq`: a ring of 256 slots for each CPU, of which 255 are usable, and one
 * timer of 10 ms for all of them. Linux counts the time in ticks, rounds it up, and waits one tick more, so that no timer
 * comes early (`kernel/time/timer.c`, calc_index): with 250 ticks a second between 12 and 16 ms.
 */
import type { Clock } from '../clock.ts';

const SLOTS = 256;
/** IOVA_DEFAULT_FQ_TIMEOUT. */
const TIMEOUT_NS = 10e6;

/** Ranges that wait on one CPU; `head` is the oldest, `tail` the next free slot. */
class Ring {
  head = 0;
  tail = 0;
  readonly iova = new Float64Array(SLOTS);
  readonly pages = new Float64Array(SLOTS);
  /** Flushes that had begun when the range was queued: any later one covers it. */
  readonly started = new Float64Array(SLOTS);
  /** Page tables that go with a range. */
  readonly tables: (readonly number[])[] = new Array(SLOTS);
}

export type FlushQueueActions = {
  /** Invalidate all of the domain in the unit, and wait; the CPU that does. */
  flushDomain(cpu: number): void;
  /** Give a range and its page tables back. Only ever called after a flush. */
  release(iova: number, pages: number, tables: readonly number[], cpu: number): void;
};

export class FlushQueue {
  private readonly rings: Ring[];
  private started = 0;
  private finished = 0;
  private cancelTimer: (() => void) | null = null;
  private readonly clock: Clock;
  private readonly actions: FlushQueueActions;
  private readonly tickNs: number;

  /** @param tickNs time between two ticks of the kernel's timers; 0: they come to the nanosecond */
  constructor(clock: Clock, cpus: number, actions: FlushQueueActions, tickNs = 0) {
    this.clock = clock;
    this.actions = actions;
    this.tickNs = tickNs;
    this.rings = Array.from({ length: cpus }, () => new Ring());
  }

  /** Ranges that wait, on all CPUs. */
  get length(): number {
    return this.rings.reduce((sum, { head, tail }) => sum + ((tail - head + SLOTS) % SLOTS), 0);
  }

  /**
   * Queue a range that was unmapped from the tables but may still be in the IOTLB (queue_iova).
   *
   * @param tables page tables that the unmap freed; the unit may use them until the flush
   */
  add(iova: number, pages: number, tables: readonly number[], cpu: number): void {
    const ring = this.rings[cpu];
    this.releaseFlushed(ring, cpu);
    if ((ring.tail + 1) % SLOTS === ring.head) {
      this.flushDomain(cpu);
      this.releaseFlushed(ring, cpu);
    }
    const slot = ring.tail;
    ring.iova[slot] = iova;
    ring.pages[slot] = pages;
    ring.tables[slot] = tables;
    ring.started[slot] = this.started;
    ring.tail = (slot + 1) % SLOTS;
    // A flush of a full ring leaves the timer running: it flushes what came after.
    this.cancelTimer ??= this.clock.after(this.timeout(), () => {
      this.cancelTimer = null;
      this.flush(cpu);
    });
  }

  /**
   * Invalidate now, and free everything that waited (fq_flush_timeout).
   *
   * @param cpu that does it, as the one that set the timer: all ranges go to its magazines
   */
  private flush(cpu: number): void {
    this.flushDomain(cpu);
    this.releaseAllFlushed(cpu);
  }

  /** The domain goes: free everything that waited. Its owner has invalidated it (iommu_dma_free_fq). */
  drain(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
    this.finished = this.started + 1;
    this.releaseAllFlushed(0);
  }

  /** Nanoseconds from now on. */
  private timeout(): number {
    const { tickNs } = this;
    if (tickNs === 0) return TIMEOUT_NS;
    const now = this.clock.now();
    return (Math.floor(now / tickNs) + Math.ceil(TIMEOUT_NS / tickNs) + 1) * tickNs - now;
  }

  private flushDomain(cpu: number): void {
    this.started++;
    this.actions.flushDomain(cpu);
    this.finished++;
  }

  private releaseAllFlushed(cpu: number): void {
    for (const ring of this.rings) this.releaseFlushed(ring, cpu);
  }

  private releaseFlushed(ring: Ring, cpu: number): void {
    while (ring.head !== ring.tail && ring.started[ring.head] < this.finished) {
      const slot = ring.head;
      ring.head = (slot + 1) % SLOTS;
      this.actions.release(ring.iova[slot], ring.pages[slot], ring.tables[slot], cpu);
    }
  }
}
