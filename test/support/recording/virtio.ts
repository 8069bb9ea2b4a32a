/**
 * A split virtqueue behind an IOMMU: `drivers/virtio/virtio_ring.c`. Descriptors, available and used ring are one coherent
 * area. Each piece of a buffer is mapped on its own, in order, and a table of indirect descriptors after the pieces; they
 * are unmapped in the same order, but the table first (detach_buf_split).
 */
import type { Mapping } from '../../../source/linux/dma-api/dma-api.ts';
import type { Area } from './recorded-driver.ts';

export const DESCRIPTOR_BYTES = 16;
export const USED_BYTES = 8;
/** An entry of the available ring. */
export const AVAILABLE_BYTES = 2;
/** SMP_CACHE_BYTES, to which vring_size aligns the used ring. */
const CACHE_LINE = 64;

/** A buffer in a ring, in the order in which it is unmapped. */
export type Buffer = readonly Mapping[];

/** Bytes of a queue, used ring included (vring_size). */
export const ringBytes = (size: number): number => usedAt(size) + 2 * 3 + USED_BYTES * size;

/** Where the used ring begins. */
function usedAt(size: number): number {
  const available = DESCRIPTOR_BYTES * size + AVAILABLE_BYTES * (3 + size);
  return Math.ceil(available / CACHE_LINE) * CACHE_LINE;
}

export class VirtQueue {
  readonly area: Area;
  /** Buffers by the descriptor that they begin with. */
  readonly buffers = new Map<number, Buffer>();
  private readonly size: number;
  /** Free descriptors, the one to be used next at the end. */
  private readonly free: number[];

  constructor(area: Area, size: number) {
    this.area = area;
    this.size = size;
    this.free = Array.from({ length: size }, (_, i) => size - 1 - i);
  }

  /** Free descriptors (num_free). */
  get room(): number {
    return this.free.length;
  }

  /** Put a buffer into the ring. Returns its descriptor. */
  add(buffer: Buffer): number {
    const head = this.free.pop();
    if (head === undefined) throw new Error('the ring is full');
    this.buffers.set(head, buffer);
    return head;
  }

  /** Take a buffer out of the ring: its descriptor is the next to be used. */
  take(head: number): void {
    this.buffers.delete(head);
    this.free.push(head);
  }

  /** The descriptor that a request reads, or null if it is for another part of the ring. */
  descriptorAt(address: number): number | null {
    const offset = address - this.area.address;
    return offset >= 0 && offset < DESCRIPTOR_BYTES * this.size
      ? Math.floor(offset / DESCRIPTOR_BYTES)
      : null;
  }

  /** The address in the rings that the next buffer has instead of one: entries of both rings go on. */
  next(address: number): number {
    const { area, size } = this;
    const available = area.address + DESCRIPTOR_BYTES * size + 2 * 2;
    const used = area.address + usedAt(size) + 2 * 2;
    const advanced = (start: number, bytes: number) => start + ((address - start + bytes) % (bytes * size));
    if (this.isUsedElement(address)) return advanced(used, USED_BYTES);
    const isEntry = address >= available && address < available + AVAILABLE_BYTES * size;
    return isEntry ? advanced(available, AVAILABLE_BYTES) : address;
  }

  /** Whether a request writes that the device is done with a buffer. */
  isUsedElement(address: number): boolean {
    const offset = address - this.area.address - usedAt(this.size) - 2 * 2;
    return offset >= 0 && offset < USED_BYTES * this.size;
  }
}
