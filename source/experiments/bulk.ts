/**
 * A fast network card with many queues whose driver keeps its buffers mapped and uses them again: what each queue holds
 * is far more than the IOTLB, so that each page is a miss, and each change from one queue to the next a few more.
 */
import { Random } from '../machine/random.ts';
import type { Values } from '../parameters/registry.ts';
import { portOf } from '../timing/times.ts';
import { Counter } from '../vtd/performance/counters.ts';
import { Host } from './host.ts';

const PAGE = 4096;
const LARGE_PAGE = 2 ** 21;
const MIB = 2 ** 20;
/** What a sender's stack hands to its card at a time: packets of one flow back to back. */
const SEGMENT_BYTES = 65_536;

export type BulkResult = {
  readonly gbps: number;
  /** IOTLB misses for each MiB of payload. */
  readonly missesPerMiB: number;
  /** Packets dropped, of those offered. */
  readonly dropped: number;
};

/** One queue of descriptors in memory that driver and card share. */
const sharedQueue = (host: Host, entries: number, entryBytes: number): (() => number) => {
  const bytes = Math.max(PAGE, entries * entryBytes);
  const { address } = host.kernel.map(host.device, host.contiguous.allocate(bytes), bytes, 'both');
  let at = -1;
  return () => {
    at = (at + 1) % entries;
    return address + at * entryBytes;
  };
};

const split = (address: number): [hi: number, lo: number] => [Math.floor(address / 2 ** 32), address | 0];

export type ReceiveOptions = {
  readonly values: Values;
  /** Payload that the other side offers. */
  readonly offeredGbps: number;
  readonly mtu: number;
  readonly pages: '4 KiB' | '2 MiB';
  readonly queues: number;
  readonly ring: number;
  /** What the card holds while it waits for the host. */
  readonly cardBytes: number;
  readonly packets: number;
};

/** Receive for a while at an offered rate. */
export function receiveBulk(options: ReceiveOptions): BulkResult {
  const { values, offeredGbps, mtu, pages, queues, ring, cardBytes, packets } = options;
  const host = new Host({ boot: pages === '2 MiB' ? 'intel_iommu=on' : 'intel_iommu=on,sp_off', values });
  const port = portOf(host.timed, values, host.clock);
  const random = new Random(1, 'bulk');
  // Whole pages, and for the rest a piece of a power of two: two small packets share a page.
  const rest = mtu % PAGE;
  const bufferBytes = mtu - rest + (rest === 0 ? 0 : Math.max(2048, 2 ** Math.ceil(Math.log2(rest))));
  const rings = Array.from({ length: queues }, () => newRing(host, ring, bufferBytes));
  const burst = Math.max(1, Math.floor(SEGMENT_BYTES / mtu));
  const packetNs = (8 * mtu) / offeredGbps;
  const { counts } = host.unit.translator;
  const warmUp = Math.floor(packets / 4);

  let offered = 0;
  let delivered = 0;
  let dropped = 0;
  let queue = 0;
  let left = 0;
  const waiting: number[] = [];
  let isBusy = false;
  let mark = { time: 0, misses: 0, delivered: 0, dropped: 0, offered: 0 };
  const misses = () => counts[Counter.iotlb_lookup] - counts[Counter.iotlb_hit];

  const arrive = (): void => {
    if (left === 0) {
      queue = random.below(queues);
      left = burst;
    }
    left--;
    offered++;
    if (waiting.length * mtu >= cardBytes) {
      dropped++;
      // What comes back out of order is posted out of order.
      rings[queue].shuffle(random);
    } else {
      waiting.push(queue);
      serve();
    }
    host.clock.after(packetNs, arrive);
  };
  const serve = (): void => {
    const next = waiting[0];
    if (isBusy || next === undefined) return;
    isBusy = true;
    waiting.shift();
    const mine = rings[next];
    const at = mine.buffer();
    if (mine.used % 4 === 1) port.read(host.device, ...split(mine.descriptor()), 64, true, () => {});
    for (let done = 0; done < mtu; done += 256) {
      const bytes = Math.min(256, mtu - done);
      const isLast = done + 256 >= mtu;
      const sent = isLast
        ? () => {
            isBusy = false;
            serve();
          }
        : () => {};
      port.write(host.device, ...split(at + done), bytes, sent, () => {});
    }
    port.write(
      host.device,
      ...split(mine.completion()),
      64,
      () => {},
      () => {
        delivered++;
        // One acknowledgement for every other segment: its descriptor, its page, its completion.
        if (mine.used % (2 * burst) === 0) acknowledge(mine);
        if (delivered === warmUp)
          mark = { time: host.clock.now(), misses: misses(), delivered, dropped, offered };
      },
    );
  };
  const acknowledge = (mine: ReturnType<typeof newRing>): void => {
    port.read(host.device, ...split(mine.send()), 64, true, () =>
      port.read(host.device, ...split(mine.acknowledgement()), 64, true, () =>
        port.write(
          host.device,
          ...split(mine.sent()),
          64,
          () => {},
          () => {},
        ),
      ),
    );
  };
  arrive();
  host.run(() => delivered >= packets);

  const bytes = (delivered - mark.delivered) * mtu;
  return {
    gbps: (8 * bytes) / (host.clock.now() - mark.time),
    missesPerMiB: (MIB * (misses() - mark.misses)) / bytes,
    dropped: (dropped - mark.dropped) / Math.max(1, offered - mark.offered),
  };
}

/** A receive ring with its buffers and queues. */
function newRing(host: Host, ring: number, bufferBytes: number) {
  const { kernel, device } = host;
  const bytes = Math.ceil((ring * bufferBytes) / LARGE_PAGE) * LARGE_PAGE;
  const { address } = kernel.map(
    device,
    host.contiguous.allocateAligned(bytes, LARGE_PAGE),
    bytes,
    'fromDevice',
  );
  const buffers = Array.from({ length: ring }, (_, i) => address + i * bufferBytes);
  const acknowledgements = sharedQueue(host, 256, PAGE);
  return {
    used: 0,
    buffer(): number {
      const at = buffers[this.used % ring];
      this.used++;
      return at;
    },
    /** The next buffer changes places with any other. */
    shuffle(random: Random): void {
      const next = this.used % ring;
      const other = random.below(ring);
      [buffers[next], buffers[other]] = [buffers[other], buffers[next]];
    },
    descriptor: sharedQueue(host, ring, 16),
    completion: sharedQueue(host, ring, 64),
    send: sharedQueue(host, ring, 64),
    sent: sharedQueue(host, ring, 64),
    acknowledgement: acknowledgements,
  };
}

export type TransmitOptions = {
  readonly values: Values;
  readonly mtu: number;
  /** Whether the card cuts segments of 64 KiB into packets, or the host does. */
  readonly segmentation: boolean;
  readonly queues: number;
  readonly bytes: number;
};

export type TransmitResult = {
  readonly missesPerMiB: number;
  /** Of these, for the pages of data alone. */
  readonly dataMissesPerMiB: number;
};

/** Send pages one after the other, on one queue after the other. */
export function transmit({ values, mtu, segmentation, queues, bytes }: TransmitOptions): TransmitResult {
  const host = new Host({ boot: 'intel_iommu=on', values });
  const { kernel, device, unit } = host;
  const { translator } = unit;
  const rings = Array.from({ length: queues }, () => ({
    send: sharedQueue(host, 1024, 64),
    sent: sharedQueue(host, 1024, 64),
  }));
  let misses = 0;
  let dataMisses = 0;
  /** A request of the card. Returns whether it missed. */
  const request = (address: number, access: number): boolean => {
    translator.translate(device, ...split(address), access);
    const missed = translator.reads > 0;
    if (missed) misses++;
    return missed;
  };
  const read = 1;
  const write = 2;
  /** Map a page's part, let the card read it, and unmap it. */
  const fetch = (physical: number, length: number): number => {
    const mapping = kernel.map(device, physical, length, 'toDevice');
    let missed = 0;
    for (let at = 0; at < length; at += 512) if (request(mapping.address + at, read)) missed++;
    kernel.unmap(device, mapping);
    return missed;
  };
  const segment = segmentation ? SEGMENT_BYTES : mtu - 52;
  let queue = 0;
  for (let at = 0; at < bytes; at += segment) {
    const { send, sent } = rings[queue];
    queue = (queue + 1) % queues;
    // The card fetches the descriptor: 64 bytes, and 16 for each piece.
    for (let line = 0; line < (segmentation ? 5 : 1); line++) request(send(), read);
    // Headers lie in a buffer of their own; without segmentation the host copies the data behind them.
    const head = kernel.dataFrames.allocate();
    fetch(head, segmentation ? 128 : mtu);
    kernel.dataFrames.release(head);
    if (segmentation) {
      for (let offset = 0; offset < segment; offset += PAGE) {
        const page = kernel.dataFrames.allocate();
        dataMisses += fetch(page, PAGE);
        kernel.dataFrames.release(page);
      }
    }
    request(sent(), write);
  }
  const mebibytes = bytes / MIB;
  return { missesPerMiB: misses / mebibytes, dataMissesPerMiB: dataMisses / mebibytes };
}
