/** A benchmark on a device of the live machine, which may stop it at any moment. */
import type { Direction, Mapping, Segment } from '../../linux/dma-api/dma-api.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { PAGE } from '../../linux/page-frames.ts';
import type { Values } from '../../parameters/registry.ts';
import type { Timeline } from '../../timing/event-queue.ts';
import type { Port } from '../../timing/ports.ts';
import { WRITE } from '../../vtd/formats/paging-entry.ts';
import type { ContiguousZone } from '../devices/buffers.ts';
import type { Device } from '../devices/device.ts';
import type { DmaPath } from '../devices/dma.ts';
import { FREE, type MemoryMap } from '../memory-map.ts';
import { type Bench, split } from './bench.ts';

export type LiveParts = {
  readonly kernel: Kernel;
  readonly map: MemoryMap;
  readonly zone: ContiguousZone;
  readonly path: DmaPath;
  readonly clock: Timeline;
  readonly values: Values;
  readonly seed: number;
};

/** What is taken from the zone of large buffers at a time. */
const CHUNK = 2 ** 21;

export class LiveBench implements Bench {
  readonly values: Values;
  readonly seed: number;
  readonly device: number;
  readonly port: Port;
  readonly clock: Timeline;
  private readonly parts: LiveParts;
  private readonly target: Device;
  private readonly mapped = new Set<Mapping>();
  private readonly pages = new Set<number>();
  private readonly chunks: { readonly start: number; readonly bytes: number }[] = [];
  /** What is left of the last chunk. */
  private left = { next: 0, end: 0 };
  private isStopped = false;

  constructor(target: Device, parts: LiveParts) {
    this.target = target;
    this.parts = parts;
    this.values = parts.values;
    this.seed = parts.seed;
    this.device = target.model.sourceId;
    this.port = target.port.port;
    const { clock } = parts;
    // What is due after the stop does not happen any more.
    this.clock = {
      now: () => clock.now(),
      after: (delay, run) =>
        clock.after(delay, () => {
          if (!this.isStopped) run();
        }),
      at: (delay, act, subject) => this.clock.after(delay, () => act(subject)),
    };
  }

  /** Give all memory back. Whoever calls it has reset the device. */
  stop(): void {
    this.isStopped = true;
    const { zone, map } = this.parts;
    for (const mapping of [...this.mapped]) this.unmap(mapping);
    for (const page of [...this.pages]) this.freePage(page);
    for (const { start, bytes } of this.chunks) {
      map.give(start, bytes, FREE);
      zone.release(start, bytes);
    }
  }

  newPage(): number {
    const { kernel, map } = this.parts;
    const page = kernel.dataFrames.allocate();
    map.give(page, PAGE, this.target.buffers);
    this.pages.add(page);
    return page;
  }

  freePage(page: number): void {
    const { kernel, map } = this.parts;
    map.give(page, PAGE, FREE);
    this.pages.delete(page);
    kernel.dataFrames.release(page);
  }

  contiguous(bytes: number, alignment = 1): number {
    if (bytes > CHUNK || alignment > 1) return this.newChunk(Math.ceil(bytes / CHUNK) * CHUNK);
    if (this.left.next + bytes > this.left.end) {
      const next = this.newChunk(CHUNK);
      this.left = { next, end: next + CHUNK };
    }
    this.left.next += bytes;
    return this.left.next - bytes;
  }

  private newChunk(bytes: number): number {
    const { zone, map } = this.parts;
    const start = zone.allocate(bytes);
    map.give(start, bytes, this.target.buffers);
    this.chunks.push({ start, bytes });
    return start;
  }

  map(physical: number, bytes: number, direction: Direction, cpu = 0): Mapping {
    const mapping = this.parts.kernel.map(this.device, physical, bytes, direction, cpu);
    this.mapped.add(mapping);
    return mapping;
  }

  mapList(segments: readonly Segment[], direction: Direction, cpu: number): readonly Mapping[] {
    const mappings = this.parts.kernel.mapList(this.device, segments, direction, cpu);
    for (const mapping of mappings) this.mapped.add(mapping);
    return mappings;
  }

  unmap(mapping: Mapping, cpu = 0): void {
    this.parts.kernel.unmap(this.device, mapping, cpu);
    this.mapped.delete(mapping);
  }

  cycles(): number {
    return this.parts.kernel.cycles;
  }

  touch(address: number, bytes: number): number {
    this.parts.path.transfer(this.target, ...split(address), bytes, WRITE);
    return this.parts.path.outcome;
  }
}
