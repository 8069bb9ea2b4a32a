/**
 * A driver and its device of a recorded run on the simulated kernel. The recording says what the device asks for and
 * when the driver was done with it; which addresses the driver gets, what misses and what is invalidated is simulated.
 */
import type { Direction, Mapping, Segment } from '../../../source/linux/dma-api/dma-api.ts';
import { Counter } from '../../../source/vtd/performance/counters.ts';
import { bdf } from '../../../source/vtd/source-id.ts';
import { DATA, type Host, MiB } from '../host.ts';
import type { RecordedClock } from './recorded-clock.ts';
import { type Happening, happeningsOf, linesFor, linesOf, type RecordedRun } from './recorded-run.ts';

export const PAGE = 4096;

export type Lookup = Extract<Happening, { kind: 'lookup' }>;

/** What happened in a phase: as far as it was recorded, and in the rest of it, which was cut. */
export type PhaseOutcome = {
  readonly recorded: readonly Happening[];
  readonly simulated: Happening[];
  readonly rest: Happening[];
  /** Of each flush that a timer made in the recorded part: so many nanoseconds after that timer was due. */
  readonly late: number[];
  /** Which addresses were free when it began follows from what was recorded before. */
  readonly isTracked: boolean;
};

/** What dd asks for in each of its phases. */
export const DD_REQUESTS = 64;

export abstract class RecordedDriver {
  readonly host: Host;
  readonly sourceId: number;
  readonly outcomes = new Map<string, PhaseOutcome>();
  readonly run: RecordedRun;
  private readonly clock: RecordedClock;
  protected phase = '';
  /** What the recording shows of the phase, and how far it was followed. */
  protected items: readonly Happening[] = [];
  protected at = 0;
  private log: Happening[] = [];
  /** Invalidations that were simulated and are still to come in the recording. */
  private ahead = 0;
  private memory = DATA;
  private isTracked = true;

  constructor(host: Host, clock: RecordedClock, sourceId: number, run: RecordedRun) {
    this.host = host;
    this.clock = clock;
    this.sourceId = sourceId;
    this.run = run;
  }

  /** Follow the recording from the first phase to the last. */
  play(): this {
    for (const phase of this.run.phases) {
      const recorded = happeningsOf(phase, this.sourceId, this.did);
      const outcome: PhaseOutcome = {
        recorded,
        simulated: [],
        rest: [],
        late: [],
        isTracked: this.isTracked,
      };
      this.outcomes.set(phase.name, outcome);
      this.phase = phase.name;
      this.items = recorded;
      this.log = outcome.simulated;
      this.ahead = 0;
      this.entered();
      for (this.at = 0; this.at < recorded.length; this.at++) this.follow(recorded[this.at]);
      if (phase.isCut) {
        // What follows from the last recorded lines is past the cut.
        this.log = outcome.rest;
        this.log.push(...outcome.simulated.splice(recorded.length));
        this.cut(phase.lines);
        if (recorded.length > 0) this.isTracked &&= this.knowsRest;
      } else this.left();
    }
    return this;
  }

  outcome(phase: string): PhaseOutcome {
    const found = this.outcomes.get(phase);
    if (found === undefined) throw new Error(`no phase ${phase}`);
    return found;
  }

  /** Whether an address is of memory that driver and device share, such as a ring. */
  abstract isShared(address: number): boolean;

  /** Whether all that the driver does in the part of a phase that was cut is known. */
  protected abstract readonly knowsRest: boolean;

  /** The device asks for an address: the request at `this.at`. */
  protected abstract asks(lookup: Lookup): void;

  /** The driver takes a mapping back that the device is done with; `address` is where it was recorded. */
  protected abstract finish(address: number): void;

  /** The driver takes back all that the device is done with. */
  protected abstract finishAll(): void;

  /** The same before a flush, of what it has taken back by then. */
  protected finishBeforeFlush(): void {
    this.finishAll();
  }

  /** A phase begins. */
  protected entered(): void {}

  /** A phase ends. */
  protected left(): void {}

  /** The recording of a phase ends before the phase does. */
  protected cut(_lines: number): void {}

  /** Nothing that the device is done with waits for a flush any more, and one comes: what else was unmapped. */
  protected unmapMore(): void {}

  /** The time of the recording. */
  protected get now(): number {
    return this.items[Math.min(this.at, this.items.length - 1)]?.timeNs ?? 0;
  }

  /** Requests to come, in order, up to one that is not wanted or the end of the recording. */
  protected upcoming(isWanted: (lookup: Lookup) => boolean): { found: Lookup[]; isWhole: boolean } {
    const found: Lookup[] = [];
    for (let at = this.at; at < this.items.length; at++) {
      const item = this.items[at];
      if (item.kind !== 'lookup') continue;
      if (!isWanted(item)) return { found, isWhole: true };
      found.push(item);
    }
    return { found, isWhole: false };
  }

  /** Memory that driver and device share as long as the driver is there: dma_alloc_coherent. */
  protected coherent(bytes: number): Area {
    return new Area(this.map([{ physical: this.fresh(bytes), bytes }], 'both'));
  }

  /** Map pieces of memory as one range. */
  protected map(pieces: readonly Segment[], direction: Direction): Mapping {
    const { kernel } = this.host;
    const [mapping] =
      pieces.length === 1
        ? [kernel.map(this.sourceId, pieces[0].physical, pieces[0].bytes, direction)]
        : kernel.mapList(this.sourceId, pieces, direction);
    this.note();
    return mapping;
  }

  /** Map so many bytes that begin at an offset in a page. */
  protected mapBuffer(offset: number, bytes: number, direction: Direction): Mapping {
    return this.map([{ physical: this.fresh(offset + bytes) + offset, bytes }], direction);
  }

  /** Pages that lie anywhere, as those of a process. */
  protected scattered(pages: number): Segment[] {
    const start = this.fresh(2 * pages * PAGE);
    return Array.from({ length: pages }, (_, i) => ({
      physical: start + (pages - 1 - i) * 2 * PAGE,
      bytes: PAGE,
    }));
  }

  /** @param timeNs when the device was done with it */
  protected unmap(mapping: Mapping, timeNs: number): void {
    this.clock.set(timeNs);
    this.host.kernel.unmap(this.sourceId, mapping);
    this.note();
  }

  /** A request of the device. */
  protected request(type: 'read' | 'write', address: number): void {
    const counts = this.host.unit.translator.countRequester(this.sourceId);
    const hits = counts[Counter.iotlb_hit];
    const outcome = this.host.dma(bdf(this.sourceId), type, address);
    if (outcome.startsWith('fault')) {
      throw new Error(`${bdf(this.sourceId)}: ${type} at ${hex(address)} in ${this.phase}: ${outcome}`);
    }
    const { attached } = this.host.kernel.device(this.sourceId);
    const table = attached !== null && 'table' in attached ? attached.table : null;
    const timeNs = this.now;
    const permissions = table?.lookUp(address)?.permissions ?? 0;
    this.log.push({ timeNs, kind: 'lookup', isHit: counts[Counter.iotlb_hit] > hits, address, permissions });
  }

  /** The timer of the flush queue goes off. Returns how late, or null if none was set. */
  protected flush(): number | null {
    this.clock.set(this.now);
    const due = this.clock.flush();
    this.note();
    return due === null ? null : this.now - due;
  }

  /** Ranges that wait for a flush. */
  protected get waiting(): number {
    const { attached } = this.host.kernel.device(this.sourceId);
    return attached !== null && 'flushQueue' in attached ? (attached.flushQueue?.length ?? 0) : 0;
  }

  /** Unmaps wait for a flush, and the recording does not show when they were made. */
  protected get isLazy(): boolean {
    return this.host.kernel.device(this.sourceId).defaultType === 'DMA-FQ';
  }

  /**
   * How often the domain was flushed in the rest of a phase, before the flush that ends it: its length tells.
   *
   * @param lines of the whole phase
   * @param left requests of its workload to come, and what each of them makes
   * @param areas pages that are missed again after a flush
   */
  protected flushesToCome(
    lines: number,
    left: number,
    { requests, misses }: { requests: number; misses: number },
    areas: number,
  ): number {
    if (!this.isLazy) return 0;
    const { simulated, rest } = this.outcome(this.phase);
    const soFar = linesFor(this.run, [...simulated, ...rest]);
    const ending = linesOf(this.run, { requests: 0, misses: 0, waits: 1 });
    const toCome = left * linesOf(this.run, { requests, misses, waits: 0 }) + ending;
    const each = linesOf(this.run, { requests: 0, misses: areas, waits: 1 });
    return Math.max(0, Math.round((lines - soFar - toCome) / each));
  }

  /**
   * Go through the rest of a workload, with so many flushes between its requests, and one after it.
   *
   * @param unmaps of each request; flushes are put so that each covers as many of them as another
   */
  protected repeat(left: number, unmaps: number, flushes: number, request: (isLast: boolean) => void): void {
    this.finishAll();
    const share = (this.waiting + left * unmaps) / (flushes + 1);
    let toCome = flushes;
    for (let i = 0; i < left; i++) {
      this.finishAll();
      if (toCome > 0 && this.waiting + unmaps / 2 > share) {
        this.flush();
        toCome--;
      }
      request(i === left - 1);
    }
    this.finishAll();
    if (this.waiting > 0) this.flush();
  }

  private get did(): number {
    return this.host.kernel.device(this.sourceId).attached?.did ?? 0;
  }

  private follow(item: Happening): void {
    if (item.kind === 'lookup') return this.asks(item);
    if (this.ahead > 0) {
      this.ahead--;
      return;
    }
    const before = this.log.length;
    if (item.kind === 'pages') this.finish(item.address);
    else {
      this.finishBeforeFlush();
      if (this.log.length === before && this.waiting === 0) this.unmapMore();
      if (this.log.length === before) {
        const late = this.flush();
        if (late !== null) this.outcome(this.phase).late.push(late);
      }
    }
    this.ahead += Math.max(0, this.log.length - before - 1);
  }

  /** Note what was written to the invalidation queue. */
  private note(): void {
    const { written } = this.host;
    const timeNs = this.now;
    for (const line of written.splice(0)) {
      const [kind, low, high] = line.split(' ');
      if (kind !== 'iotlb' || Number((BigInt(low) >> 16n) & 0xffffn) !== this.did) continue;
      if ((Number(low) & 0x30) === 0x20) this.log.push({ timeNs, kind: 'domain' });
      else {
        const pages = 2 ** (Number(high) & 0x3f);
        this.log.push({ timeNs, kind: 'pages', address: Math.floor(Number(high) / PAGE) * PAGE, pages });
      }
    }
  }

  /** Memory that is not in use; it comes round again. */
  protected fresh(bytes: number): number {
    const size = Math.ceil(bytes / PAGE) * PAGE;
    if (this.memory + size > DATA + 64 * MiB) this.memory = DATA;
    const start = this.memory;
    this.memory += size;
    return start;
  }
}

/** A range of addresses that a device uses. */
export class Area {
  readonly mapping: Mapping;
  readonly address: number;

  constructor(mapping: Mapping) {
    this.mapping = mapping;
    this.address = mapping.address;
  }

  holds(address: number): boolean {
    const end = Math.ceil((this.address + this.mapping.bytes) / PAGE) * PAGE;
    return address >= Math.floor(this.address / PAGE) * PAGE && address < end;
  }
}

export const hex = (value: number): string => `0x${value.toString(16)}`;

/** The page of an address. */
export const pageOf = (address: number): number => Math.floor(address / PAGE);
