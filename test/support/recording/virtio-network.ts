/**
 * The virtio network card of the recorded runs: `drivers/net/virtio_net.c`, with one pair of queues and a control queue.
 * Buffers to be received into are pieces of 1,536 bytes, cut from 32 KiB of memory each (add_recvbuf_mergeable).
 */
import type { Direction, Mapping } from '../../../source/linux/dma-api/dma-api.ts';
import { type Host, id } from '../host.ts';
import type { RecordedClock } from './recorded-clock.ts';
import { type Lookup, pageOf } from './recorded-driver.ts';
import type { RecordedRun } from './recorded-run.ts';
import type { VirtQueue } from './virtio.ts';
import { type InFlight, piecesBehindTable, VirtioDriver } from './virtio-driver.ts';

const QUEUE_SIZE = 256;
const CONTROL_SIZE = 64;
/** A packet of 1,514 bytes and its header, in whole cache lines (mergeable_min_buf_len). */
const BUFFER_BYTES = 1536;
/** SKB_FRAG_PAGE_ORDER. */
const FRAGMENT_BYTES = 32_768;
/** So long a packet can wait for a poll: softirqs of networking come after that of the flush queue's timer. */
const LONGEST_WAIT_NS = 3e6;
/** Free descriptors above which a poll of 64 packets fills the ring again. */
const REFILL_ABOVE = 32;

export class VirtioNetwork extends VirtioDriver {
  /** Which packets came is not. */
  protected readonly knowsRest = false;
  private readonly receive: VirtQueue;
  private readonly control: VirtQueue;
  /** Memory that buffers are cut from, and how far it is used. */
  private fragment = 0;
  private used = FRAGMENT_BYTES;

  constructor(host: Host, clock: RecordedClock, run: RecordedRun) {
    super(host, clock, id('00:06.0'), run);
    this.receive = this.newQueue(QUEUE_SIZE);
    this.newQueue(QUEUE_SIZE);
    this.control = this.newQueue(CONTROL_SIZE);
  }

  /** The interface is brought up. */
  protected override entered(): void {
    if (this.phase === 'net-virtio') this.fill();
  }

  protected reads(queue: VirtQueue, head: number, asked: readonly Lookup[]): void {
    const pages = [...new Set(asked.map(({ address }) => pageOf(address)))];
    if (queue === this.receive) {
      const [mapping] = queue.buffers.get(head) ?? [];
      if (mapping === undefined) throw new Error(`nothing to receive into at descriptor ${head}`);
      this.place(pages, mapping, 'fromDevice');
      this.inFlight.push({ queue, head, buffer: [mapping], doneNs: null });
      return;
    }
    if (this.isLazy) this.finishAll();
    if (queue === this.control) {
      const { table, pieces } = piecesBehindTable(asked);
      const directions = pieces.map((_, i): Direction => (i < pieces.length - 1 ? 'toDevice' : 'fromDevice'));
      this.submitIndirect(queue, table, pieces, directions);
      return;
    }
    // A packet to be sent lies in one piece behind its header.
    const buffer = [this.mapPiece({ pages, offset: asked[0].address % 4096 }, 'toDevice')];
    this.inFlight.push({ queue, head: queue.add(buffer), buffer, doneNs: null });
  }

  protected override finishAll(): void {
    this.poll(Infinity);
  }

  /** Whether the last packets were taken back before a flush is not recorded. The address that is used next tells it. */
  protected override finishBeforeFlush(): void {
    this.poll(this.now - LONGEST_WAIT_NS);
    const next = this.upcoming(() => true).found.find(({ address }) => this.queueAt(address) === undefined);
    const waiting = this.inFlight.filter(({ doneNs }) => doneNs !== null).flatMap(({ buffer }) => buffer);
    if (waiting.some(({ address }) => pageOf(address) === pageOf(next?.address ?? 0))) this.poll(Infinity);
  }

  /**
   * A poll first frees what was sent (virtnet_poll_cleantx), then takes what was received.
   *
   * @param until when the card must have been done with it
   */
  private poll(until: number): void {
    const done = this.inFlight.filter(({ doneNs }) => doneNs !== null && doneNs <= until);
    const received = done.filter(({ queue }) => queue === this.receive);
    for (const each of done) if (!received.includes(each)) this.takeBack(each);
    for (const each of received) this.takeBack(each);
  }

  protected override takeBack(done: InFlight): void {
    super.takeBack(done);
    if (done.queue === this.receive && this.receive.room > REFILL_ABOVE) this.fill();
  }

  /** try_fill_recv. */
  private fill(): void {
    while (this.receive.room > 0) this.receive.add([this.cutBuffer()]);
  }

  private cutBuffer(): Mapping {
    if (this.used + BUFFER_BYTES > FRAGMENT_BYTES) {
      this.fragment = this.fresh(FRAGMENT_BYTES);
      this.used = 0;
    }
    const left = FRAGMENT_BYTES - this.used - BUFFER_BYTES;
    // What is left and too small for another one goes to the last.
    const bytes = left < BUFFER_BYTES ? BUFFER_BYTES + left : BUFFER_BYTES;
    const physical = this.fragment + this.used;
    this.used += bytes;
    return this.map([{ physical, bytes }], 'fromDevice');
  }
}
