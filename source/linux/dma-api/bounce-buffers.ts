/**
 * Bounce buffers (`kernel/dma/swiotlb.c`): an untrusted device gets copies of data that does not fill whole pages, so
 * that it sees nothing of what else lies in them; a device that nothing translates for gets copies of what lies above
 * its DMA mask.
 */
import type { PhysicalMemory } from '../../vtd/memory.ts';
import { PAGE, type PageFrames } from '../page-frames.ts';
import { KernelRefusal } from '../refusal.ts';
import type { Direction, Segment } from './dma-api.ts';

/** IO_TLB_SEGSIZE slots of IO_TLB_SIZE bytes: the largest piece that can be had at once. */
export const LARGEST_BOUNCE = 128 * 2048;

/** A buffer and the pages that stand in for it. */
export type Bounced = {
  readonly original: Segment;
  readonly direction: Direction;
  /** In order; what was at an offset in the first page of the original is at the same offset here. */
  readonly pages: readonly number[];
  /** The pages lie in a row, as a device needs them whose addresses nothing translates. */
  readonly isRun: boolean;
};

export class BounceBuffers {
  private readonly memory: PhysicalMemory;
  private readonly frames: PageFrames;
  /** Runs of pages that were given back, by length. */
  private readonly runs = new Map<number, number[]>();

  constructor(memory: PhysicalMemory, frames: PageFrames) {
    this.memory = memory;
    this.frames = frames;
  }

  /** Copy a buffer into zeroed pages, whichever way the data goes: what the device leaves alone must not change. */
  take(original: Segment, direction: Direction): Bounced {
    const { physical, bytes } = original;
    const count = Math.ceil(((physical % PAGE) + bytes) / PAGE);
    const pages = Array.from({ length: count }, () => this.frames.allocateCleared(this.memory));
    const bounced = { original, direction, pages, isRun: false };
    this.copy(bounced, true);
    return bounced;
  }

  /** The same into pages in a row. @throws KernelRefusal if that is more than can be had */
  takeRun(original: Segment, direction: Direction): Bounced {
    const { physical, bytes } = original;
    const count = Math.ceil(((physical % PAGE) + bytes) / PAGE);
    if (bytes > LARGEST_BOUNCE)
      throw new KernelRefusal('ENOMEM', `${bytes} bytes are more than SWIOTLB has in a row`);
    const first = this.runs.get(count)?.pop() ?? this.newRun(count);
    const pages = Array.from({ length: count }, (_, i) => first + i * PAGE);
    const bounced = { original, direction, pages, isRun: true };
    this.copy(bounced, true);
    return bounced;
  }

  private newRun(count: number): number {
    if (!this.frames.hasRun(count)) throw new KernelRefusal('ENOMEM', 'the SWIOTLB buffer is full');
    const first = this.frames.allocateRun(count);
    for (let i = 0; i < count; i++) this.memory.clearPage(first + i * PAGE);
    return first;
  }

  /** Copy back what the device wrote, and free the pages. */
  giveBack(bounced: Bounced): void {
    if (bounced.direction !== 'toDevice') this.copy(bounced, false);
    const { pages, isRun } = bounced;
    for (const page of pages) {
      this.memory.clearPage(page);
      if (!isRun) this.frames.release(page);
    }
    if (!isRun) return;
    const free = this.runs.get(pages.length);
    if (free === undefined) this.runs.set(pages.length, [pages[0]]);
    else free.push(pages[0]);
  }

  private copy({ original: { physical, bytes }, pages }: Bounced, isIn: boolean): void {
    let at = physical;
    for (const page of pages) {
      const offset = at % PAGE;
      const length = Math.min(PAGE - offset, physical + bytes - at);
      const [from, to] = isIn ? [at, page + offset] : [page + offset, at];
      this.memory.copy(from, to, length);
      at += length;
    }
  }
}
