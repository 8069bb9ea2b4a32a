/** A virtio driver and its device: which buffers are in which ring, and what the device does with them. */
import type { Direction, Mapping } from '../../../source/linux/dma-api/dma-api.ts';
import { hex, type Lookup, PAGE, pageOf, RecordedDriver } from './recorded-driver.ts';
import { type Buffer, DESCRIPTOR_BYTES, ringBytes, VirtQueue } from './virtio.ts';

/** A piece of a buffer as the recording shows it: the pages that the device asks for, and the offset in the first. */
export type Piece = { readonly pages: readonly number[]; readonly offset: number };

/** A buffer that the device is done with, or will be. */
export type InFlight = {
  readonly queue: VirtQueue;
  readonly head: number;
  readonly buffer: Buffer;
  /** When the device said that it is done with it. */
  doneNs: number | null;
};

export abstract class VirtioDriver extends RecordedDriver {
  /** In the order in which the device got them. */
  protected readonly inFlight: InFlight[] = [];
  protected readonly queues: VirtQueue[] = [];
  /** Where a recorded page of a buffer is in the simulation, and which way its data goes. */
  private readonly places = new Map<number, { readonly address: number; readonly type: 'read' | 'write' }>();

  /** The device has read a descriptor, and then asks for these addresses, none of which lies in a ring. */
  protected abstract reads(queue: VirtQueue, head: number, asked: readonly Lookup[], isWhole: boolean): void;

  isShared(address: number): boolean {
    return this.queueAt(address) !== undefined;
  }

  protected asks({ address }: Lookup): void {
    const queue = this.queueAt(address);
    const head = queue?.descriptorAt(address) ?? null;
    if (queue !== undefined && head !== null) {
      this.at++;
      const { found, isWhole } = this.upcoming((next) => this.queueAt(next.address) === undefined);
      this.at--;
      if (found.length > 0) this.reads(queue, head, found, isWhole);
    }
    this.carryOut(address);
  }

  /** A request at an address as it was recorded. */
  protected carryOut(address: number): void {
    const queue = this.queueAt(address);
    if (queue === undefined) {
      const place = this.places.get(pageOf(address));
      if (place === undefined)
        throw new Error(`the device asks for ${hex(address)}, which was not mapped for it`);
      return this.request(place.type, place.address + (address % PAGE));
    }
    this.request('read', address);
    if (!queue.isUsedElement(address)) return;
    const done = this.inFlight.find((each) => each.queue === queue && each.doneNs === null);
    if (done !== undefined) done.doneNs = this.now;
  }

  /** Buffers that the device is done with come back, the one that was recorded first. */
  protected finish(address: number): void {
    const done = this.inFlight.filter(({ doneNs }) => doneNs !== null);
    const recorded = done.find(({ buffer }) => pageOf(buffer[0].address) === pageOf(address));
    const found = recorded ?? done[0];
    if (found !== undefined) this.takeBack(found);
  }

  protected finishAll(): void {
    for (const each of this.inFlight.filter(({ doneNs }) => doneNs !== null)) this.takeBack(each);
  }

  protected override left(): void {
    if (this.isLazy) this.finishAll();
  }

  protected override cut(_lines: number): void {
    this.finishAll();
    if (this.waiting > 0) this.flush();
  }

  protected takeBack(done: InFlight): void {
    this.inFlight.splice(this.inFlight.indexOf(done), 1);
    done.queue.take(done.head);
    for (const mapping of done.buffer) this.unmap(mapping, done.doneNs ?? this.now);
  }

  protected newQueue(size: number): VirtQueue {
    const queue = new VirtQueue(this.coherent(ringBytes(size)), size);
    this.queues.push(queue);
    return queue;
  }

  /** Map a piece; as many bytes as there are whole pages in it, or a part of one page. */
  protected mapPiece({ pages, offset }: Piece, direction: Direction): Mapping {
    // A piece that does not begin with a page is small, unless it is seen to cross its border.
    const bytes = offset === 0 ? pages.length * PAGE : (pages.length - 1) * PAGE + SMALLEST;
    const mapping = this.mapBuffer(
      offset,
      pages.length > 1 ? pages.length * PAGE - offset : bytes,
      direction,
    );
    this.place(pages, mapping, direction);
    return mapping;
  }

  /** Note where the recorded pages of a mapping are. */
  protected place(pages: readonly number[], mapping: Mapping, direction: Direction): void {
    const start = pageOf(mapping.address) * PAGE;
    const type = direction === 'toDevice' ? 'read' : 'write';
    for (const [i, page] of pages.entries()) this.places.set(page, { address: start + i * PAGE, type });
  }

  /**
   * A buffer behind a table of indirect descriptors (virtqueue_add_split): the pieces that the device reads come first.
   *
   * @param directions of each piece
   * @returns the table and the pieces, mapped
   */
  protected submitIndirect(
    queue: VirtQueue,
    table: Piece,
    pieces: readonly Piece[],
    directions: readonly Direction[],
  ): Buffer {
    const mapped = pieces.map((piece, i) => this.mapPiece(piece, directions[i]));
    const bytes = DESCRIPTOR_BYTES * pieces.length;
    const mapping = this.mapBuffer(table.offset, bytes, 'toDevice');
    this.place(table.pages, mapping, 'toDevice');
    const buffer = [mapping, ...mapped];
    this.inFlight.push({ queue, head: queue.add(buffer), buffer, doneNs: null });
    return buffer;
  }

  protected queueAt(address: number): VirtQueue | undefined {
    return this.queues.find(({ area }) => area.holds(address));
  }
}

/** Bytes of a piece of which nothing but the beginning is known. */
const SMALLEST = 16;

/** A table of indirect descriptors and the pieces that it leads to: the device reads a descriptor, then the piece. */
export function piecesBehindTable(asked: readonly Lookup[]): { table: Piece; pieces: readonly Piece[] } {
  const [first] = asked;
  const table = pageOf(first.address);
  const pieces: { pages: number[]; offset: number }[] = [];
  for (const { address } of asked) {
    if (pageOf(address) === table) pieces.push({ pages: [], offset: 0 });
    else {
      const piece = pieces[pieces.length - 1];
      if (piece.pages.length === 0) piece.offset = address % PAGE;
      if (!piece.pages.includes(pageOf(address))) piece.pages.push(pageOf(address));
    }
  }
  return { table: { pages: [table], offset: first.address % PAGE }, pieces };
}
