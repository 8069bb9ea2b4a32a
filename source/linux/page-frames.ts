/** Physical page frames of 4 KiB that the kernel gives out. */
import { KernelRefusal } from './refusal.ts';

export const PAGE = 4096;

export class PageFrames {
  private next: number;
  private readonly start: number;
  private readonly end: number;
  private readonly stride: number;
  private readonly free: number[] = [];

  /**
   * @param start first byte of the zone, page-aligned
   * @param end first byte after it
   * @param stride pages from one new frame to the next, odd and not a divisor of the zone's page count: above 1,
   *   neighbouring requests get frames far apart, as on a machine that has run for a while
   */
  constructor(start: number, end: number, stride = 1) {
    this.start = start;
    this.end = end;
    this.stride = stride;
    this.next = start;
  }

  /** A frame's physical address. Throws if memory is exhausted. */
  allocate(): number {
    const freed = this.free.pop();
    if (freed !== undefined) return freed;
    if (this.next === -1)
      throw new KernelRefusal(
        'ENOMEM',
        `out of memory between 0x${this.start.toString(16)} and 0x${this.end.toString(16)}`,
      );
    const frame = this.next;
    this.next = this.after(frame);
    return frame;
  }

  /** A frame of zeros. */
  allocateCleared(memory: { clearPage(address: number): void }): number {
    const frame = this.allocate();
    memory.clearPage(frame);
    return frame;
  }

  /** Frames in a row, from memory that was never given out; for a zone without a stride. */
  allocateRun(count: number): number {
    const first = this.next;
    if (!this.hasRun(count)) {
      throw new Error(
        `no ${count} frames in a row between 0x${this.start.toString(16)} and 0x${this.end.toString(16)}`,
      );
    }
    for (let i = 0; i < count; i++) this.next = this.after(this.next);
    return first;
  }

  /** Whether allocateRun has so many. */
  hasRun(count: number): boolean {
    return this.next !== -1 && this.next + count * PAGE <= this.end && this.stride === 1;
  }

  release(frame: number): void {
    this.free.push(frame);
  }

  /** The frame after the next in stride order, or -1 once all were given out. */
  private after(frame: number): number {
    const pages = (this.end - this.start) / PAGE;
    const index = ((frame - this.start) / PAGE + this.stride) % pages;
    return index === 0 ? -1 : this.start + index * PAGE;
  }
}
