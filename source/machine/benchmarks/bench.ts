/**
 * What a benchmark needs of whoever runs it: a host of its own, as in an experiment, or the live machine. So both run the
 * same device and the same driver.
 */
import type { Direction, Mapping, Segment } from '../../linux/dma-api/dma-api.ts';
import type { Values } from '../../parameters/registry.ts';
import type { Timeline } from '../../timing/event-queue.ts';
import type { Port } from '../../timing/ports.ts';

export type Bench = {
  readonly values: Values;
  readonly seed: number;
  readonly clock: Timeline;
  /** The device: who it is, and its way to memory. */
  readonly device: number;
  readonly port: Port;
  /** A page of memory. */
  newPage(): number;
  freePage(page: number): void;
  /** Memory in one piece, which is kept. */
  contiguous(bytes: number, alignment?: number): number;
  map(physical: number, bytes: number, direction: Direction, cpu?: number): Mapping;
  mapList(segments: readonly Segment[], direction: Direction, cpu: number): readonly Mapping[];
  unmap(mapping: Mapping, cpu?: number): void;
  /** CPU cycles that the kernel's IOMMU code took so far. */
  cycles(): number;
  /** Let the device write somewhere at once. Returns one of Outcome. */
  touch(address: number, bytes: number): number;
};

/** Both halves of an address. */
export const split = (address: number): [hi: number, lo: number] => [
  Math.floor(address / 2 ** 32),
  address | 0,
];
