/** Measures a fast network card with many queues: received at an offered rate, and sent. */

import { split } from '../machine/benchmarks/bench.ts';
import {
  type BulkLoad,
  bulkBoot,
  SEGMENT_BYTES,
  sharedQueue,
  startBulk,
} from '../machine/benchmarks/bulk.ts';
import type { Values } from '../parameters/registry.ts';
import { Counter } from '../vtd/performance/counters.ts';
import { Host } from './host.ts';

const PAGE = 4096;
const MIB = 2 ** 20;

export type BulkResult = {
  readonly gbps: number;
  /** IOTLB misses for each MiB of payload. */
  readonly missesPerMiB: number;
  /** Packets dropped, of those offered. */
  readonly dropped: number;
};

export type ReceiveOptions = BulkLoad & { readonly values: Values; readonly packets: number };

/** Receive for a while at an offered rate. */
export function receiveBulk(options: ReceiveOptions): BulkResult {
  const { values, mtu, packets } = options;
  const host = new Host({ boot: bulkBoot[options.pages], values });
  const { counts } = host.unit.translator;
  const warmUp = Math.floor(packets / 4);
  const misses = () => counts[Counter.iotlb_lookup] - counts[Counter.iotlb_hit];
  let mark = { time: 0, misses: 0, delivered: 0, dropped: 0, offered: 0 };
  const so = startBulk(host, options, () => {
    if (so.delivered === warmUp) mark = { time: host.clock.now(), misses: misses(), ...so };
  });
  host.run(() => so.delivered >= packets);

  const bytes = (so.delivered - mark.delivered) * mtu;
  return {
    gbps: (8 * bytes) / (host.clock.now() - mark.time),
    missesPerMiB: (MIB * (misses() - mark.misses)) / bytes,
    dropped: (so.dropped - mark.dropped) / Math.max(1, so.offered - mark.offered),
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
