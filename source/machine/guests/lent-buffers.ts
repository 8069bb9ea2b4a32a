/** Buffers that a driver maps for its device because somebody says so, besides those of its workload. */
import type { Direction } from '../../linux/dma-api/dma-api.ts';
import type { Buffer, Buffers } from '../devices/buffers.ts';

export class LentBuffers {
  /** Oldest first. */
  readonly mapped: Buffer[] = [];
  /** The one that was mapped or unmapped last. A device may go on using it after its unmap. */
  last: Buffer | null = null;
  private readonly buffers: Buffers;

  constructor(buffers: Buffers) {
    this.buffers = buffers;
  }

  /** Map one. See Buffers.acquire. */
  map(bytes: number, direction: Direction): Buffer {
    const buffer = this.buffers.acquire(bytes, direction);
    this.mapped.push(buffer);
    this.last = buffer;
    return buffer;
  }

  /** Unmap the oldest or the newest. Returns it, or null if none is mapped. */
  unmap(which: 'oldest' | 'newest'): Buffer | null {
    const buffer = which === 'oldest' ? this.mapped.shift() : this.mapped.pop();
    if (buffer === undefined) return null;
    this.buffers.release(buffer);
    this.last = buffer;
    return buffer;
  }

  unmapAll(): void {
    while (this.unmap('oldest') !== null);
  }

  /** CPU cycles that mapping and unmapping took since last asked. */
  takeCycles(): number {
    return this.buffers.takeCycles();
  }
}
