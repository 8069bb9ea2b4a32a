/**
 * A network card that receives: packets go into buffers that its driver maps and unmaps, from rings of descriptors, one
 * ring for each core; what the driver has to say goes out as acknowledgements. The driver is the multi-page
 * receive ring of mlx5: 64 pages a descriptor, mapped one by one and unmapped when all of them were used.
 *
 * The unmaps of one poll are carried out at one moment; what they cost is charged to the core.
 */
import type { Mapping } from '../linux/dma-api/dma-api.ts';
import { Random } from '../machine/random.ts';
import type { Values } from '../parameters/registry.ts';
import type { Port } from '../timing/ports.ts';
import { portOf } from '../timing/times.ts';
import { Counter } from '../vtd/performance/counters.ts';
import { Host } from './host.ts';

const PAGE = 4096;
export const PAGES_PER_DESCRIPTOR = 64;
const WRITE_BYTES = 256;

export type ReceiveRun = {
  readonly values: Values;
  readonly boot: string;
  /** CPUs that have a ring, and how many of them receive. */
  readonly cpus: number;
  readonly cores: number;
  readonly flows: number;
  /** Packets that a ring is made for; the driver posts room for twice as many. */
  readonly ring: number;
  /** One range of addresses for a descriptor, not one for each page. */
  readonly contiguous: boolean;
  /** Acknowledgements sent for each page received. */
  readonly acksPerPage: number;
  /** From a packet to the interrupt for it. */
  readonly moderationNs: number;
  /** What the wire carries of payload. */
  readonly wireGbps: number;
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
};

type Descriptor = { mappings: readonly Mapping[]; pages: readonly number[]; used: number };

export function runReceive(options: ReceiveRun): ReceiveResult {
  const { values, boot, cpus, cores, pages, wireGbps } = options;
  const host = new Host({ boot, values, cpus });
  const port = portOf(host.timed, values, host.clock);
  const warmUp = Math.min(pages, 4 * cores * options.ring);
  const all = Array.from({ length: cpus }, (_, cpu) => new Ring(host, port, cpu, options));
  if (!options.contiguous) age(all, host);
  const rings = Array.from({ length: cores }, (_, i) => all[i]);
  const random = new Random(1, 'flows');
  let received = 0;
  let before: ReturnType<typeof totals> | null = null;

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

  const packetNs = (8 * PAGE) / wireGbps;
  let nextAt = 0;
  /** The next packet comes when the wire has it and the one before is out of the card. */
  const receive = (): void => {
    const flow = random.below(options.flows);
    const wait = Math.max(0, nextAt - host.clock.now());
    nextAt = host.clock.now() + wait + packetNs;
    const ring = rings[flow % cores];
    host.clock.after(wait, () =>
      ring.packet(receive, () => {
        received++;
        if (received === warmUp) before = totals();
      }),
    );
  };
  receive();
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
  };
}

/** Addresses that each CPU holds to begin with: a full magazine of 127, and half of the other. */
const SPARE = 191;

/**
 * On a host that has run for long, addresses have changed places: between descriptors through the magazines of a CPU,
 * and between CPUs through the depot. Where a descriptor has one range, it stays one.
 */
function age(rings: readonly Ring[], { kernel, device }: Host): void {
  const random = new Random(1, 'age');
  const map = (cpu: number) => {
    const page = kernel.dataFrames.allocate();
    return { mapping: kernel.map(device, page, PAGE, 'fromDevice', cpu), page };
  };
  const spare = rings.flatMap((_, cpu) => Array.from({ length: SPARE }, () => map(cpu)));
  const descriptors = rings.flatMap(({ posted }) => posted);
  const all = descriptors.flatMap(({ mappings, pages }) =>
    mappings.map((mapping, i) => ({ mapping, page: pages[i] })),
  );
  all.push(...spare);
  for (let i = all.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [all[i], all[j]] = [all[j], all[i]];
  }
  for (const descriptor of descriptors) {
    const mine = all.splice(-PAGES_PER_DESCRIPTOR);
    descriptor.mappings = mine.map(({ mapping }) => mapping);
    descriptor.pages = mine.map(({ page }) => page);
  }
  all.forEach(({ mapping, page }, i) => {
    kernel.unmap(device, mapping, i % rings.length);
    kernel.dataFrames.release(page);
  });
}

/** The ring of one core, and its driver. */
class Ring {
  /** Time that the core spent. */
  busyNs = 0;
  private readonly host: Host;
  private readonly port: Port;
  private readonly cpu: number;
  private readonly options: ReceiveRun;
  readonly posted: Descriptor[] = [];
  private readonly used: Descriptor[] = [];
  /** Mapped once, for as long as the driver runs: what it tells the card, and what the card tells it. */
  private readonly descriptors: Queue;
  private readonly completions: Queue;
  private readonly sends: Queue;
  private readonly sent: Queue;
  private readonly ackPages: number[] = [];
  private readonly acked: { mapping: Mapping; page: number }[] = [];
  private completed = 0;
  private ackDebt = 0;
  private isPolling = false;

  constructor(host: Host, port: Port, cpu: number, options: ReceiveRun) {
    this.host = host;
    this.port = port;
    this.cpu = cpu;
    this.options = options;
    const count = (2 * options.ring) / PAGES_PER_DESCRIPTOR;
    this.descriptors = new Queue(host, cpu, count, 1024);
    this.completions = new Queue(host, cpu, QUEUE_ENTRIES, 64);
    this.sends = new Queue(host, cpu, QUEUE_ENTRIES, 64);
    this.sent = new Queue(host, cpu, QUEUE_ENTRIES, 64);
    for (let i = 0; i < count; i++) this.posted.push(this.fill(this.newPages()));
  }

  private newPages(): number[] {
    return Array.from({ length: PAGES_PER_DESCRIPTOR }, () => this.host.kernel.dataFrames.allocate());
  }

  private fill(pages: readonly number[]): Descriptor {
    const { kernel, device } = this.host;
    const mappings = this.options.contiguous
      ? kernel.mapList(
          device,
          pages.map((physical) => ({ physical, bytes: PAGE })),
          'fromDevice',
          this.cpu,
        )
      : pages.map((page) => kernel.map(device, page, PAGE, 'fromDevice', this.cpu));
    return { mappings, pages, used: 0 };
  }

  /**
   * A packet of one page comes in.
   *
   * @param accepted the card is ready for the next one
   */
  packet(accepted: () => void, done: () => void): void {
    const descriptor = this.posted[0];
    if (descriptor === undefined) {
      // No buffer: the packet is dropped.
      this.host.clock.after(100, accepted);
      return;
    }
    const at = addressOf(descriptor, descriptor.used);
    descriptor.used++;
    if (descriptor.used === 1) this.read(this.descriptors.next(), () => {});
    if (descriptor.used === PAGES_PER_DESCRIPTOR) this.posted.shift();
    const isLast = descriptor.used === PAGES_PER_DESCRIPTOR;
    const writes = PAGE / WRITE_BYTES;
    for (let i = 0; i < writes; i++) {
      this.write(at + i * WRITE_BYTES, WRITE_BYTES, i === writes - 1 ? accepted : () => {}, () => {});
    }
    this.write(
      this.completions.next(),
      64,
      () => {},
      () => {
        this.completed++;
        if (isLast) this.used.push(descriptor);
        done();
        this.interrupt();
      },
    );
  }

  /** Poll a little later, unless that is to happen anyway. */
  private interrupt(): void {
    if (this.isPolling) return;
    this.isPolling = true;
    const { clock } = this.host;
    clock.after(this.options.moderationNs, () => this.poll());
  }

  private poll(): void {
    const { kernel, device, values } = this.host;
    this.isPolling = false;
    const before = kernel.cycles;
    for (const { mapping, page } of this.acked.splice(0)) {
      kernel.unmap(device, mapping, this.cpu);
      this.ackPages.push(page);
    }
    for (const descriptor of this.used.splice(0)) {
      for (const mapping of descriptor.mappings) kernel.unmap(device, mapping, this.cpu);
      this.posted.push(this.fill(descriptor.pages));
    }
    const packets = this.completed;
    this.completed = 0;
    this.ackDebt += packets * this.options.acksPerPage;
    for (; this.ackDebt >= 1; this.ackDebt--) this.acknowledge();
    const spent = (kernel.cycles - before + packets * values['cpu.packetCycles']) / values['cpu.ghz'];
    this.busyNs += spent;
  }

  /** Send an acknowledgement: the card fetches its descriptor and its page, and says when it is out. */
  private acknowledge(): void {
    const { kernel, device } = this.host;
    const page = this.ackPages.pop() ?? kernel.dataFrames.allocate();
    const mapping = kernel.map(device, page, 128, 'toDevice', this.cpu);
    this.read(this.sends.next(), () =>
      this.read(mapping.address, () =>
        this.write(
          this.sent.next(),
          64,
          () => {},
          () => {
            this.acked.push({ mapping, page });
            this.interrupt();
          },
        ),
      ),
    );
  }

  private read(address: number, done: () => void): void {
    this.port.read(this.host.device, Math.floor(address / 2 ** 32), address | 0, 64, true, done);
  }

  private write(address: number, bytes: number, sent: () => void, done: () => void): void {
    this.port.write(this.host.device, Math.floor(address / 2 ** 32), address | 0, bytes, sent, done);
  }
}

/** Entries of the queues that are not the receive ring, mlx5's default. */
const QUEUE_ENTRIES = 1024;

/** A queue in memory that driver and card share (dma_alloc_coherent): one range of addresses. */
class Queue {
  private readonly address: number;
  private readonly entries: number;
  private readonly entryBytes: number;
  private at = 0;

  constructor({ kernel, device, contiguous }: Host, cpu: number, entries: number, entryBytes: number) {
    const bytes = Math.max(PAGE, entries * entryBytes);
    this.address = kernel.map(device, contiguous.allocate(bytes), bytes, 'both', cpu).address;
    this.entries = entries;
    this.entryBytes = entryBytes;
  }

  /** The address of the entry that is used next. */
  next(): number {
    const entry = this.at;
    this.at = (entry + 1) % this.entries;
    return this.address + entry * this.entryBytes;
  }
}

/** The address of a page of a descriptor: one of many mappings, or a part of the only one. */
const addressOf = ({ mappings }: Descriptor, page: number): number =>
  mappings.length === 1 ? mappings[0].address + page * PAGE : mappings[page].address;
