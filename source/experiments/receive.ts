/** Measures a network card that receives: its throughput, what misses, and what it costs the CPU. */
import { type ReceiveLoad, startReceive } from '../machine/benchmarks/receive.ts';
import type { Values } from '../parameters/registry.ts';
import { Counter } from '../vtd/performance/counters.ts';
import { Host } from './host.ts';

const PAGE = 4096;
const LARGE_PAGE = 2 ** 21;

export type ReceiveRun = ReceiveLoad & {
  readonly values: Values;
  readonly boot: string;
  /** Pages to measure, after some to begin with. */
  readonly pages: number;
};

export type ReceiveResult = {
  readonly gbps: number;
  /** For each page of 4 KiB received. */
  readonly iotlb: number;
  readonly l1: number;
  readonly l2: number;
  readonly l3: number;
  readonly reads: number;
  /** Of the time of the cores. */
  readonly cpuShare: number;
  readonly invalidationsPerPage: number;
  /** Entries of PTcache-L3, 2 MiB each, that were used between two uses of one: so many at most. */
  readonly l3Distance: number;
  /** Receive buffers of the cores that stay mapped, in bytes. */
  readonly mappedBytes: number;
};

/** How many other things of a kind were used between two uses of the same one. */
class Distances {
  /** The largest so far. */
  most = 0;
  /** The one used last first. */
  private readonly recent: number[] = [];

  use(thing: number): void {
    const at = this.recent.indexOf(thing);
    if (at >= 0) this.recent.splice(at, 1);
    this.most = Math.max(this.most, at);
    this.recent.unshift(thing);
  }
}

export function runReceive(options: ReceiveRun): ReceiveResult {
  const { values, boot, cpus, cores, pages, ring } = options;
  const host = new Host({ boot, values, cpus });
  const warmUp = Math.min(pages, 4 * cores * ring);
  let received = 0;
  let before: ReturnType<typeof totals> | null = null;
  const rings = startReceive(host, options, () => {
    received++;
    if (received === warmUp) before = totals();
  });
  const distances = new Distances();
  for (const ring of rings) ring.uses = (address) => distances.use(Math.floor(address / LARGE_PAGE));

  const totals = () => ({
    time: host.clock.now(),
    received,
    lookups: host.unit.translator.counts[Counter.iotlb_lookup],
    hits: host.unit.translator.counts[Counter.iotlb_hit],
    byReads: host.timed.walksByReads.slice(),
    reads: host.unit.translator.counts[Counter.iommu_mrds],
    busyNs: rings.reduce((sum, { busyNs }) => sum + busyNs, 0),
    invalidations: host.unit.invalidator.counts.iotlb_page,
  });
  host.run(() => received >= warmUp + pages);

  const from = before as unknown as ReturnType<typeof totals>;
  const to = totals();
  const count = to.received - from.received;
  const elapsed = to.time - from.time;
  /** Walks that read memory so often at least. */
  const atLeast = (reads: number) =>
    to.byReads.reduce((sum, walks, i) => (i >= reads ? sum + walks - from.byReads[i] : sum), 0) / count;
  return {
    gbps: (8 * PAGE * count) / elapsed,
    iotlb: (to.lookups - to.hits - (from.lookups - from.hits)) / count,
    l3: atLeast(2),
    l2: atLeast(3),
    l1: atLeast(4),
    reads: (to.reads - from.reads) / count,
    cpuShare: (to.busyNs - from.busyNs) / (elapsed * cores),
    invalidationsPerPage: (to.invalidations - from.invalidations) / count,
    l3Distance: distances.most,
    mappedBytes: rings.reduce((sum, ring) => sum + ring.mappedBytes, 0),
  };
}
