/**
 * A network card that receives: packets go into buffers that its driver maps and unmaps, from rings of descriptors, one
 * ring for each core; what the driver has to say goes out as acknowledgements. The driver is the multi-page
 * receive ring of mlx5: 64 pages a descriptor, mapped one by one and unmapped when all of them were used.
 *
 * The unmaps of one poll are carried out at one moment; what they cost is charged to the core.
 */
import type { Mapping } from '../../linux/dma-api/dma-api.ts';
import { Random } from '../random.ts';
import { type Bench, split } from './bench.ts';

const PAGE = 4096;
export const PAGES_PER_DESCRIPTOR = 64;
const WRITE_BYTES = 256;
/** Packets of one flow that the stack joins to one segment in a poll (GRO, up to 64 KiB); each is acknowledged once. */
const PACKETS_PER_SEGMENT = 16;

export type ReceiveLoad = {
  /** CPUs that have a ring, and how many of them receive. */
  readonly cpus: number;
  readonly cores: number;
  readonly flows: number;
  /** Packets that a ring is made for; the driver posts room for twice as many. */
  readonly ring: number;
  /** One range of addresses for a descriptor, not one for each page. */
  readonly contiguous: boolean;
  /** From a packet to the poll of its ring, which takes all packets that have come until then. */
  readonly moderationNs: number;
  /** What the wire carries of payload. */
  readonly wireGbps: number;
};

/**
 * Let packets of a page come, without end.
 *
 * @param received told of each
 * @returns the rings that receive
 */
export function startReceive(bench: Bench, load: ReceiveLoad, received: () => void): readonly Ring[] {
  const { cpus, cores, flows, wireGbps, contiguous } = load;
  const { clock } = bench;
  const all = Array.from({ length: cpus }, (_, cpu) => new Ring(bench, cpu, load));
  if (!contiguous) age(all, bench.seed);
  const rings = all.slice(0, cores);
  const random = new Random(bench.seed, 'flows');
  const packetNs = (8 * PAGE) / wireGbps;
  let nextAt = 0;
  /** The next packet comes when the wire has it and the one before is out of the card. */
  const receive = (): void => {
    const flow = random.below(flows);
    const wait = Math.max(0, nextAt - clock.now());
    nextAt = clock.now() + wait + packetNs;
    const ring = rings[flow % cores];
    clock.after(wait, () => ring.packet(flow, receive, received));
  };
  receive();
  return rings;
}

type Descriptor = { mappings: readonly Mapping[]; pages: readonly number[]; used: number };

/**
 * On a host that has run for long the addresses of receive buffers have changed places, between descriptors and between
 * the rings of all CPUs. Where a descriptor has one range, it stays one. Acknowledgements go on with the same few
 * addresses: what a CPU gives back last it takes first.
 */
function age(rings: readonly Ring[], seed: number): void {
  const random = new Random(seed, 'age');
  const descriptors = rings.flatMap(({ posted }) => posted);
  const all = descriptors.flatMap(({ mappings, pages }) =>
    mappings.map((mapping, i) => ({ mapping, page: pages[i] })),
  );
  for (let i = all.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [all[i], all[j]] = [all[j], all[i]];
  }
  for (const descriptor of descriptors) {
    const mine = all.splice(-PAGES_PER_DESCRIPTOR);
    descriptor.mappings = mine.map(({ mapping }) => mapping);
    descriptor.pages = mine.map(({ page }) => page);
  }
}

/** The ring of one core, and its driver. */
export class Ring {
  /** Told of each page that the card begins to use. */
  uses: (address: number) => void = () => {};
  /** Bytes of receive buffers that are mapped now. */
  mappedBytes = 0;
  /** Time that the core spent. */
  busyNs = 0;
  private readonly bench: Bench;
  private readonly cpu: number;
  private readonly load: ReceiveLoad;
  readonly posted: Descriptor[] = [];
  private readonly used: Descriptor[] = [];
  /** Mapped once, for as long as the driver runs: what it tells the card, and what the card tells it. */
  private readonly descriptors: Queue;
  private readonly completions: Queue;
  private readonly sends: Queue;
  private readonly sent: Queue;
  private readonly ackPages: number[] = [];
  private readonly acked: { mapping: Mapping; page: number }[] = [];
  /** Packets since the last poll, by flow. */
  private readonly completed = new Map<number, number>();
  private isPolling = false;

  constructor(bench: Bench, cpu: number, load: ReceiveLoad) {
    this.bench = bench;
    this.cpu = cpu;
    this.load = load;
    const count = (2 * load.ring) / PAGES_PER_DESCRIPTOR;
    this.descriptors = new Queue(bench, cpu, count, 1024);
    this.completions = new Queue(bench, cpu, QUEUE_ENTRIES, 64);
    this.sends = new Queue(bench, cpu, QUEUE_ENTRIES, 64);
    this.sent = new Queue(bench, cpu, QUEUE_ENTRIES, 64);
    for (let i = 0; i < count; i++) this.posted.push(this.fill(this.newPages()));
  }

  private newPages(): number[] {
    return Array.from({ length: PAGES_PER_DESCRIPTOR }, () => this.bench.newPage());
  }

  private fill(pages: readonly number[]): Descriptor {
    const { bench } = this;
    const mappings = this.load.contiguous
      ? bench.mapList(
          pages.map((physical) => ({ physical, bytes: PAGE })),
          'fromDevice',
          this.cpu,
        )
      : pages.map((page) => bench.map(page, PAGE, 'fromDevice', this.cpu));
    for (const { bytes } of mappings) this.mappedBytes += bytes;
    return { mappings, pages, used: 0 };
  }

  /**
   * A packet of one page comes in.
   *
   * @param accepted the card is ready for the next one
   */
  packet(flow: number, accepted: () => void, done: () => void): void {
    const descriptor = this.posted[0];
    if (descriptor === undefined) {
      // No buffer: the packet is dropped.
      this.bench.clock.after(100, accepted);
      return;
    }
    const at = addressOf(descriptor, descriptor.used);
    descriptor.used++;
    this.uses(at);
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
        this.completed.set(flow, (this.completed.get(flow) ?? 0) + 1);
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
    const { clock } = this.bench;
    clock.after(this.load.moderationNs, () => this.poll());
  }

  private poll(): void {
    const { bench } = this;
    const { values } = bench;
    this.isPolling = false;
    const before = bench.cycles();
    for (const { mapping, page } of this.acked.splice(0)) {
      bench.unmap(mapping, this.cpu);
      this.ackPages.push(page);
    }
    for (const descriptor of this.used.splice(0)) {
      for (const mapping of descriptor.mappings) {
        bench.unmap(mapping, this.cpu);
        this.mappedBytes -= mapping.bytes;
      }
      this.posted.push(this.fill(descriptor.pages));
    }
    let packets = 0;
    for (const count of this.completed.values()) {
      packets += count;
      for (let left = count; left > 0; left -= PACKETS_PER_SEGMENT) this.acknowledge();
    }
    this.completed.clear();
    const spent = (bench.cycles() - before + packets * values['cpu.packetCycles']) / values['cpu.ghz'];
    this.busyNs += spent;
  }

  /** Send an acknowledgement: the card fetches its descriptor and its page, and says when it is out. */
  private acknowledge(): void {
    const { bench } = this;
    const page = this.ackPages.pop() ?? bench.newPage();
    const mapping = bench.map(page, 128, 'toDevice', this.cpu);
    this.uses(mapping.address);
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
    this.bench.port.read(this.bench.device, ...split(address), 64, true, done);
  }

  private write(address: number, bytes: number, sent: () => void, done: () => void): void {
    this.bench.port.write(this.bench.device, ...split(address), bytes, sent, done);
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

  constructor(bench: Bench, cpu: number, entries: number, entryBytes: number) {
    const bytes = Math.max(PAGE, entries * entryBytes);
    this.address = bench.map(bench.contiguous(bytes), bytes, 'both', cpu).address;
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
