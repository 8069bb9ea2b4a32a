/**
 * The Intel network card of the recorded runs: `drivers/net/ethernet/intel/e1000e/netdev.c`. Both rings have 256
 * descriptors, of which one stays empty; the receive ring is allocated for the larger descriptors of packet split.
 */
import type { Mapping } from '../../../source/linux/dma-api/dma-api.ts';
import { type Host, id } from '../host.ts';
import type { RecordedClock } from './recorded-clock.ts';
import { type Area, hex, type Lookup, PAGE, pageOf, RecordedDriver } from './recorded-driver.ts';
import type { RecordedRun } from './recorded-run.ts';

const DESCRIPTORS = 256;
const DESCRIPTOR_BYTES = 16;
const SPLIT_DESCRIPTOR_BYTES = 32;
/** NET_SKB_PAD: where the data of a receive buffer begins, and its size. */
const HEADROOM = 64;
const BUFFER_BYTES = 1522;
const SMALLEST = 16;

type Packet = {
  readonly mapping: Mapping;
  readonly recorded: number;
  readonly isReceived: boolean;
  /** When the card said that it is done with it. */
  doneNs: number | null;
};

type Rings = { readonly transmit: Area; readonly receive: Area; readonly buffers: (Mapping | null)[] };

export class IntelNetwork extends RecordedDriver {
  /** The recording ends while the interface is taken down. */
  protected readonly knowsRest = true;
  private rings: Rings | null = null;
  private next = 0;
  /** Packets that the card has begun with and the driver has not taken back, in order. */
  private packets: Packet[] = [];
  /** The one of the descriptor that was read last. */
  private current: Packet | null = null;

  constructor(host: Host, clock: RecordedClock, run: RecordedRun) {
    super(host, clock, id('00:05.0'), run);
  }

  isShared(address: number): boolean {
    return this.rings !== null && (this.rings.transmit.holds(address) || this.rings.receive.holds(address));
  }

  /** The interface is brought up: e1000e_open. */
  protected override entered(): void {
    if (this.phase !== 'ping-e1000e') return;
    const transmit = this.coherent(DESCRIPTORS * DESCRIPTOR_BYTES);
    const receive = this.coherent(DESCRIPTORS * SPLIT_DESCRIPTOR_BYTES);
    this.rings = { transmit, receive, buffers: new Array(DESCRIPTORS).fill(null) };
    this.next = 0;
    for (let i = 1; i < DESCRIPTORS; i++) this.refill();
  }

  /** And taken down. */
  protected override left(): void {
    if (this.phase === 'ping-e1000e') this.close();
  }

  protected override cut(): void {
    this.left();
  }

  protected asks({ address }: Lookup): void {
    const { rings, current } = this;
    if (rings === null) throw new Error('the card asks for memory while it is down');
    const ring = [rings.transmit, rings.receive].find((area) => area.holds(address));
    if (ring === undefined) {
      if (current === null) throw new Error(`the card asks for ${hex(address)}, which was not mapped for it`);
      const type = current.isReceived ? 'write' : 'read';
      return this.request(type, pageOf(current.mapping.address) * PAGE + (address % PAGE));
    }
    const [after] = this.followers(rings);
    if (after !== undefined) this.begin(rings, ring, address, after);
    this.request('read', address);
    // Behind the descriptor's first half lies its status.
    if (after === undefined && address % DESCRIPTOR_BYTES !== 0) this.isDoneWith(ring === rings.receive);
  }

  protected finish(address: number): void {
    const done = this.packets.filter(({ doneNs }) => doneNs !== null);
    const found = done.find(({ recorded }) => recorded === pageOf(address));
    if (found !== undefined) this.takeBack(found);
    else this.close();
  }

  /** A poll first frees what was sent (e1000_clean_tx_irq), then takes what was received. */
  protected finishAll(): void {
    const done = this.packets.filter(({ doneNs }) => doneNs !== null);
    for (const each of done) if (!each.isReceived) this.takeBack(each);
    for (const each of done) if (each.isReceived) this.takeBack(each);
  }

  protected override unmapMore(): void {
    this.close();
  }

  /** The request after this one, if it is for none of the rings. */
  private followers({ transmit, receive }: Rings): Lookup[] {
    this.at++;
    const { found } = this.upcoming(({ address }) => !transmit.holds(address) && !receive.holds(address));
    this.at--;
    return found;
  }

  private begin(rings: Rings, ring: Area, address: number, { address: data }: Lookup): void {
    const isReceived = ring === rings.receive;
    let mapping: Mapping | null;
    if (isReceived) mapping = rings.buffers[Math.floor((address - ring.address) / DESCRIPTOR_BYTES)];
    else {
      if (this.isLazy) this.finishAll();
      mapping = this.mapBuffer(data % PAGE, SMALLEST, 'toDevice');
    }
    if (mapping === null) throw new Error('nothing to receive into');
    this.current = { mapping, recorded: pageOf(data), isReceived, doneNs: null };
    this.packets.push(this.current);
  }

  private isDoneWith(isReceived: boolean): void {
    const done = this.packets.find((packet) => packet.isReceived === isReceived && packet.doneNs === null);
    if (done !== undefined) done.doneNs = this.now;
  }

  private takeBack(packet: Packet): void {
    this.packets.splice(this.packets.indexOf(packet), 1);
    this.unmap(packet.mapping, packet.doneNs ?? this.now);
    const { rings } = this;
    if (!packet.isReceived || rings === null) return;
    rings.buffers[rings.buffers.indexOf(packet.mapping)] = null;
    this.refill();
  }

  /** e1000_alloc_rx_buffers, one. */
  private refill(): void {
    if (this.rings === null) return;
    this.rings.buffers[this.next] = this.mapBuffer(HEADROOM, BUFFER_BYTES, 'fromDevice');
    this.next = (this.next + 1) % DESCRIPTORS;
  }

  /** e1000e_close: what is in the rings, in their order, and then the rings. */
  private close(): void {
    const { rings } = this;
    if (rings === null) return;
    this.finishAll();
    this.rings = null;
    for (const mapping of rings.buffers) if (mapping !== null) this.unmap(mapping, this.now);
    this.unmap(rings.transmit.mapping, this.now);
    this.unmap(rings.receive.mapping, this.now);
  }
}
