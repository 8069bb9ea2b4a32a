/**
 * A fast network card with many queues whose driver keeps its buffers mapped and uses them again: what each queue holds
 * is far more than the IOTLB, so that each page is a miss, and each change from one queue to the next a few more.
 */
import { Random } from '../random.ts';
import { type Bench, split } from './bench.ts';

const PAGE = 4096;
const LARGE_PAGE = 2 ** 21;
/** What a sender's stack hands to its card at a time: packets of one flow back to back. */
export const SEGMENT_BYTES = 65_536;

export type BulkLoad = {
  /** Payload that the other side offers. */
  readonly offeredGbps: number;
  readonly mtu: number;
  readonly pages: '4 KiB' | '2 MiB';
  readonly queues: number;
  readonly ring: number;
  /** What the card holds while it waits for the host. */
  readonly cardBytes: number;
};

/** The boot line of a host that maps its memory so. */
export const bulkBoot: Readonly<Record<BulkLoad['pages'], string>> = {
  '4 KiB': 'intel_iommu=on,sp_off',
  '2 MiB': 'intel_iommu=on',
};

/** Packets so far. */
export type BulkCounts = { offered: number; delivered: number; dropped: number };

/** One queue of descriptors in memory that driver and card share. Returns the address of its next entry. */
export const sharedQueue = (bench: Bench, entries: number, entryBytes: number): (() => number) => {
  const bytes = Math.max(PAGE, entries * entryBytes);
  const { address } = bench.map(bench.contiguous(bytes), bytes, 'both');
  let at = -1;
  return () => {
    at = (at + 1) % entries;
    return address + at * entryBytes;
  };
};

/**
 * Receive at an offered rate, without end.
 *
 * @param delivered told of each packet that is in memory
 * @returns counts that grow
 */
export function startBulk(bench: Bench, load: BulkLoad, delivered: () => void): Readonly<BulkCounts> {
  const { offeredGbps, mtu, queues, ring, cardBytes } = load;
  const { port, device, clock } = bench;
  const random = new Random(bench.seed, 'bulk');
  // Whole pages, and for the rest a piece of a power of two: two small packets share a page.
  const rest = mtu % PAGE;
  const bufferBytes = mtu - rest + (rest === 0 ? 0 : Math.max(2048, 2 ** Math.ceil(Math.log2(rest))));
  const rings = Array.from({ length: queues }, () => newRing(bench, ring, bufferBytes));
  const burst = Math.max(1, Math.floor(SEGMENT_BYTES / mtu));
  const packetNs = (8 * mtu) / offeredGbps;
  const counts = { offered: 0, delivered: 0, dropped: 0 };
  let queue = 0;
  let left = 0;
  const waiting: number[] = [];
  let isBusy = false;

  const arrive = (): void => {
    if (left === 0) {
      queue = random.below(queues);
      left = burst;
    }
    left--;
    counts.offered++;
    if (waiting.length * mtu >= cardBytes) {
      counts.dropped++;
      // What comes back out of order is posted out of order.
      rings[queue].shuffle(random);
    } else {
      waiting.push(queue);
      serve();
    }
    clock.after(packetNs, arrive);
  };
  const serve = (): void => {
    const next = waiting[0];
    if (isBusy || next === undefined) return;
    isBusy = true;
    waiting.shift();
    const mine = rings[next];
    const at = mine.buffer();
    if (mine.used % 4 === 1) port.read(device, ...split(mine.descriptor()), 64, true, () => {});
    for (let done = 0; done < mtu; done += 256) {
      const bytes = Math.min(256, mtu - done);
      const isLast = done + 256 >= mtu;
      const sent = isLast
        ? () => {
            isBusy = false;
            serve();
          }
        : () => {};
      port.write(device, ...split(at + done), bytes, sent, () => {});
    }
    port.write(
      device,
      ...split(mine.completion()),
      64,
      () => {},
      () => {
        counts.delivered++;
        // One acknowledgement for every other segment: its descriptor, its page, its completion.
        if (mine.used % (2 * burst) === 0) acknowledge(mine);
        delivered();
      },
    );
  };
  const acknowledge = (mine: ReturnType<typeof newRing>): void => {
    port.read(device, ...split(mine.send()), 64, true, () =>
      port.read(device, ...split(mine.acknowledgement()), 64, true, () =>
        port.write(
          device,
          ...split(mine.sent()),
          64,
          () => {},
          () => {},
        ),
      ),
    );
  };
  arrive();
  return counts;
}

/** A receive ring with its buffers and queues. */
function newRing(bench: Bench, ring: number, bufferBytes: number) {
  const bytes = Math.ceil((ring * bufferBytes) / LARGE_PAGE) * LARGE_PAGE;
  const { address } = bench.map(bench.contiguous(bytes, LARGE_PAGE), bytes, 'fromDevice');
  const buffers = Array.from({ length: ring }, (_, i) => address + i * bufferBytes);
  const acknowledgements = sharedQueue(bench, 256, PAGE);
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
    descriptor: sharedQueue(bench, ring, 16),
    completion: sharedQueue(bench, ring, 64),
    send: sharedQueue(bench, ring, 64),
    sent: sharedQueue(bench, ring, 64),
    acknowledgement: acknowledgements,
  };
}
