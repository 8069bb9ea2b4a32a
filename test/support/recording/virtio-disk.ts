/**
 * The virtio disk of the recorded runs: `drivers/block/virtio_blk.c`. A request is a header, its data page by page, and a
 * status byte, behind a table of indirect descriptors.
 */
import type { Direction, Mapping } from '../../../source/linux/dma-api/dma-api.ts';
import { type Host, id } from '../host.ts';
import type { RecordedClock } from './recorded-clock.ts';
import { DD_REQUESTS, type Lookup, PAGE, pageOf } from './recorded-driver.ts';
import type { RecordedRun } from './recorded-run.ts';
import { type Buffer, DESCRIPTOR_BYTES, type VirtQueue } from './virtio.ts';
import { type Piece, piecesBehindTable, VirtioDriver } from './virtio-driver.ts';

const QUEUE_SIZE = 256;
/** Index and entry of the available ring: the disk reads them before it reads a descriptor. */
const LOOKS_FOR_ANOTHER = 2;
/** struct virtio_blk_outhdr. */
const HEADER_BYTES = 16;

type Step = { readonly type: 'read' | 'write'; readonly address: number };

/** A request: the table and the pieces behind it, as recorded and as mapped, and the addresses that the disk asked for. */
type Request = {
  readonly table: Piece;
  readonly pieces: readonly Piece[];
  readonly buffer: Buffer;
  readonly steps: number[];
};

const NONE: Request = { table: { pages: [], offset: 0 }, pieces: [], buffer: [], steps: [] };

export class VirtioDisk extends VirtioDriver {
  private readonly queue: VirtQueue;
  /** Requests of the phase. */
  private requests = 0;
  private last = NONE;
  /** From its descriptor on, up to the next. */
  private present = NONE;

  constructor(host: Host, clock: RecordedClock, run: RecordedRun) {
    super(host, clock, id('00:04.0'), run);
    this.queue = this.newQueue(QUEUE_SIZE);
  }

  /** All but when a lazy domain was flushed, on which it depends which addresses are free. */
  protected get knowsRest(): boolean {
    return !this.isLazy;
  }

  protected override entered(): void {
    this.requests = 0;
  }

  protected override asks(lookup: Lookup): void {
    super.asks(lookup);
    this.present.steps.push(lookup.address);
  }

  protected reads(_queue: VirtQueue, _head: number, found: readonly Lookup[], isWhole: boolean): void {
    this.last = this.present;
    const { table, pieces } = piecesBehindTable(found);
    const known = pieces.filter(({ pages }) => pages.length > 0);
    // The recording ends within the request: it has as many pieces as the one before it.
    this.begin(table, isWhole ? known : [...known, ...this.last.pieces.slice(known.length)]);
  }

  /** The rest of a phase of dd: requests like those before. Headers lie in a row, one in each request of the block layer. */
  protected override cut(lines: number): void {
    if (this.requests === 0) return;
    const { last, present } = this;
    const between = present.pieces[0].offset - last.pieces[0].offset + PAGE;
    let ring = last.steps.slice(1).filter((address) => this.queue.area.holds(address));
    const goOn = () => {
      ring = ring.map((address) => this.queue.next(address));
    };
    goOn();
    for (const step of this.stepsOf(present, ring).slice(present.steps.length)) this.take(step);
    const left = DD_REQUESTS - this.requests;
    const made = { requests: last.steps.length, misses: 1 + last.pieces.length };
    const areas = new Set([last.steps[0], ...ring].map(pageOf)).size;
    this.repeat(left, made.misses, this.flushesToCome(lines, left, made, areas), (isLast) => {
      goOn();
      const { table, pieces } = this.present;
      this.begin(
        table,
        pieces.map((piece, i) => (i === 0 || i === pieces.length - 1 ? shifted(piece, between) : piece)),
      );
      // The last request is not followed by a look for another one.
      const looks = isLast ? ring.slice(0, -LOOKS_FOR_ANOTHER) : ring;
      for (const step of this.stepsOf(this.present, looks)) this.take(step);
    });
  }

  /** What the disk asks for in a request: its descriptor, each entry of the table with its piece, and then the rings. */
  private stepsOf({ buffer }: Request, ring: readonly number[]): Step[] {
    const [table, ...pieces] = buffer;
    return [
      { type: 'read', address: this.queue.area.address },
      ...pieces.flatMap((piece, i): Step[] => [
        { type: 'read', address: table.address + DESCRIPTOR_BYTES * i },
        ...pagesOf(piece).map((address): Step => ({ type: i === 0 ? 'read' : 'write', address })),
      ]),
      ...ring.map((address): Step => ({ type: 'read', address })),
    ];
  }

  private take({ type, address }: Step): void {
    if (this.queue.area.holds(address)) this.carryOut(address);
    else this.request(type, address);
  }

  private begin(table: Piece, pieces: readonly Piece[]): void {
    if (this.isLazy) this.finishAll();
    this.requests++;
    const directions = pieces.map((_, i) => directionOf(i));
    const buffer = this.submitIndirect(this.queue, table, pieces, directions);
    this.present = { table, pieces, buffer, steps: [] };
  }
}

/** A header or status that lies so many bytes further on, and in two pages if it crosses their border. */
function shifted({ offset }: Piece, bytes: number): Piece {
  const start = (offset + bytes) % PAGE;
  return { offset: start, pages: start + HEADER_BYTES > PAGE ? [-1, -1] : [-1] };
}

/** Where a device that goes through a mapping asks: at its beginning, and at each page that follows. */
const pagesOf = ({ address, bytes }: Mapping): number[] => {
  const addresses = [address];
  for (let at = pageOf(address) * PAGE + PAGE; at < address + bytes; at += PAGE) addresses.push(at);
  return addresses;
};

/** The disk reads the header and writes the rest. */
const directionOf = (piece: number): Direction => (piece === 0 ? 'toDevice' : 'fromDevice');
