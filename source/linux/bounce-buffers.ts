/**
 * Bounce buffers (`kernel/dma/swiotlb.c`): an untrusted device gets copies of data that does not fill whole pages, so
 * that it sees nothing of what else lies in them.
 */
import type { PhysicalMemory } from '../vtd/memory.ts';
import type { Direction, Segment } from './dma-api.ts';
import { PAGE, type PageFrames } from './page-frames.ts';

/** A buffer and the pages that stand in for it. */
export type Bounced = {
  readonly original: Segment;
  readonly direction: Direction;
  /** In order; what was at an offset in the first page of the original is at the same offset here. */
  readonly pages: readonly number[];
};

export class BounceBuffers {
  private readonly memory: PhysicalMemory;
  private readonly frames: PageFrames;

  constructor(memory: PhysicalMemory, frames: PageFrames) {
    this.memory = memory;
    this.frames = frames;
  }

  /** Copy a buffer into zeroed pages, whichever way the data goes: what the device leaves alone must not change. */
  take(original: Segment, direction: Direction): Bounced {
    const { physical, bytes } = original;
    const count = Math.ceil(((physical % PAGE) + bytes) / PAGE);
    const pages = Array.from({ length: count }, () => this.frames.allocateCleared(this.memory));
    const bounced = { original, direction, pages };
    this.copy(bounced, true);
    return bounced;
  }

  /** Copy back what the device wrote, and free the pages. */
  giveBack(bounced: Bounced): void {
    if (bounced.direction !== 'toDevice') this.copy(bounced, false);
    for (const page of bounced.pages) {
      this.memory.clearPage(page);
      this.frames.release(page);
    }
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
