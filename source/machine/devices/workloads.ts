/**
 * What devices do: each workload is a sequence of DMA with waits between, written from the device's point
 * of view. What it asks for takes its time; it yields how long it waits until it goes on, and gives its buffers back
 * when it is stopped, since its device is then reset. The same workload runs on a host driver's buffers and on a guest's.
 */
import type { Values } from '../../parameters/registry.ts';
import { READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import { USB_REGION } from '../memory-map.ts';
import type { Random } from '../random.ts';
import type { WorkloadName } from '../topology.ts';
import type { Buffer, Buffers } from './buffers.ts';

export type WorkloadContext = {
  readonly buffers: Buffers;
  readonly random: Random;
  readonly values: Values;
  /** Ask for DMA of any length; returns the number of the last request of it. */
  dma(address: number, bytes: number, access: number): number;
  /** Whether the request of a number, and all before it, are over. */
  isOver(number: number): boolean;
  /** Requests asked for that are not over. */
  unfinished(): number;
  /** Send the interrupt that the driver set up, behind what was written; none if nobody did. */
  interrupt(): void;
  /** CPU time that IOMMU code took for this driver since last asked, in nanoseconds. */
  cpuSpent(): number;
  /** How much slower everything goes: 1, or more behind an emulated device. */
  readonly slowness: number;
};

/** Nanoseconds, or until the request of a number, and all before it, are over. */
export type Wait = number | { readonly until: number };

export type Workload = Generator<Wait, void>;

/** The workload of a name, ready to run. */
export function startWorkload(name: WorkloadName, context: WorkloadContext): Workload {
  switch (name) {
    case 'network ring':
      return networkRing(context);
    case 'block I/O':
      return blockIo(context);
    case 'USB':
      return usb(context);
    case 'stream':
      return stream(context);
    case 'stranger':
      return stranger(context);
    case 'sound':
      return sound(context);
  }
}

const RING_ENTRIES = 256;
const DESCRIPTOR_BYTES = 16;
const PACKET_BUFFER_BYTES = 2048;
/** Packets that the card holds until they are in memory; then the wire waits. Our choice: about 100 kB. */
const CARD_PACKETS = 64;

/**
 * A receive ring: descriptors are fetched and written back four at a time, each packet goes to a buffer that
 * is mapped for it and, once the packet is in memory, unmapped again. The CPU and the wire work side by side; the slower
 * one sets the pace. An interrupt follows a write-back, unless the last one was too short a time ago.
 */
function* networkRing(context: WorkloadContext): Workload {
  const { buffers, random, values, slowness } = context;
  const ring = buffers.acquire(RING_ENTRIES * DESCRIPTOR_BYTES, 'both');
  const posted: Buffer[] = [];
  /** The last request of the packet in each buffer. */
  const last = new Float64Array(RING_ENTRIES);
  try {
    for (let i = 0; i < RING_ENTRIES; i++) posted.push(buffers.acquire(PACKET_BUFFER_BYTES, 'fromDevice'));
    context.cpuSpent();
    let quiet = 0;
    /** The oldest packet that the driver has not taken yet. */
    let taken = 0;
    for (let packet = 0; ; packet++) {
      if (packet - taken >= CARD_PACKETS) yield { until: last[taken % RING_ENTRIES] };
      for (; taken < packet && context.isOver(last[taken % RING_ENTRIES]); taken++) {
        const slot = taken % RING_ENTRIES;
        buffers.release(posted[slot]);
        posted[slot] = buffers.acquire(PACKET_BUFFER_BYTES, 'fromDevice');
      }
      const slot = packet % RING_ENTRIES;
      const line = ring.address + (slot & ~3) * DESCRIPTOR_BYTES;
      if (slot % 4 === 0) context.dma(line, 64, READ);
      last[slot] = context.dma(posted[slot].address, 1514, WRITE);
      if (slot % 4 === 3) {
        last[slot] = context.dma(line, 64, WRITE);
        if (quiet >= values['nic.interruptNs']) {
          context.interrupt();
          quiet = 0;
        }
      }
      const cpu = values['cpu.packetCycles'] / values['cpu.ghz'] + context.cpuSpent();
      const wire = values['nic.packetNs'] * (0.9 + 0.2 * random.next());
      const wait = slowness * Math.max(wire, cpu);
      quiet += wait;
      yield wait;
    }
  } finally {
    for (const buffer of posted) buffers.release(buffer);
    buffers.release(ring);
  }
}

const QUEUE_DEPTH = 32;
/** Disks move a page in pieces, as their requests on the bus are smaller. */
const PIECE_BYTES = 512;

/** A disk: fetch a command, move a page, write a completion and interrupt; 32 commands in flight. */
function* blockIo(context: WorkloadContext): Workload {
  const { buffers, random, slowness } = context;
  const submission = buffers.acquire(4096, 'both');
  const completion = buffers.acquire(4096, 'both');
  const flying: { readonly buffer: Buffer; readonly last: number }[] = [];
  try {
    for (let command = 0; ; command++) {
      const isRead = random.next() < 0.7;
      const buffer = buffers.acquire(4096, isRead ? 'fromDevice' : 'toDevice');
      context.dma(submission.address + (command % 64) * 64, 64, READ);
      for (let at = 0; at < buffer.bytes; at += PIECE_BYTES) {
        context.dma(buffer.address + at, PIECE_BYTES, isRead ? WRITE : READ);
      }
      const last = context.dma(completion.address + (command % 256) * 16, 16, WRITE);
      context.interrupt();
      flying.push({ buffer, last });
      if (flying.length > QUEUE_DEPTH) {
        const [oldest] = flying;
        if (!context.isOver(oldest.last)) yield { until: oldest.last };
        flying.shift();
        buffers.release(oldest.buffer);
      }
      yield slowness * Math.max(random.exponential(25_000), context.cpuSpent());
    }
  } finally {
    for (const { buffer } of flying) buffers.release(buffer);
    buffers.release(completion);
    buffers.release(submission);
  }
}

/** A USB controller: polls its rings, and now and then the region that firmware set up for it. */
function* usb(context: WorkloadContext): Workload {
  const { buffers, random, slowness } = context;
  const transfers = buffers.acquire(4096, 'both');
  const events = buffers.acquire(4096, 'both');
  const region = USB_REGION.start;
  try {
    for (let turn = 0; ; turn++) {
      context.dma(transfers.address + (turn % 256) * 16, 16, READ);
      context.dma(events.address + (turn % 256) * 16, 16, WRITE);
      context.interrupt();
      if (turn % 16 === 0) context.dma(region + (turn % 64) * 8, 8, WRITE);
      yield slowness * (900_000 + random.below(100_000));
    }
  } finally {
    buffers.release(events);
    buffers.release(transfers);
  }
}

/** 48,000 samples of four bytes a second, fetched in bursts; the driver maps what is played in each period. */
const PERIOD_BYTES = 512;
const SOUND_BURST = 64;
const SOUND_BURST_NS = 333_333;

/** A sound card on a PCI bus: it fetches what it plays. Its interrupt is a pin, and no message. */
function* sound(context: WorkloadContext): Workload {
  const { buffers, slowness } = context;
  for (;;) {
    const period = buffers.acquire(PERIOD_BYTES, 'toDevice');
    try {
      for (let at = 0; at < PERIOD_BYTES; at += SOUND_BURST) {
        context.dma(period.address + at, SOUND_BURST, READ);
        yield slowness * SOUND_BURST_NS;
      }
    } finally {
      buffers.release(period);
    }
  }
}

const STREAM_BYTES = 2 ** 21;
const STREAM_BUFFERS = 64;
const BURST = 8;
/** Requests that a graphics card asks for before it waits for some of them; our choice. */
const STREAM_REQUESTS = 128;

/** A graphics card: reads large buffers from end to end, each with an interrupt after it, and writes its picture. */
function* stream(context: WorkloadContext): Workload {
  const { buffers, random, slowness } = context;
  const sources: Buffer[] = [];
  const picture = buffers.acquire(STREAM_BYTES, 'fromDevice');
  try {
    for (let i = 0; i < STREAM_BUFFERS; i++) sources.push(buffers.acquire(STREAM_BYTES, 'toDevice'));
    for (let burst = 0; ; ) {
      const source = sources[random.below(STREAM_BUFFERS)];
      for (let at = 0; at < STREAM_BYTES; at += BURST * 256, burst++) {
        for (let i = 1; i < BURST; i++) context.dma(source.address + at + i * 256, 256, READ);
        const last = context.dma(picture.address + ((burst * 256) % STREAM_BYTES), 256, WRITE);
        context.cpuSpent();
        yield slowness * (3_600 + random.below(400));
        if (context.unfinished() > STREAM_REQUESTS) yield { until: last - STREAM_REQUESTS };
      }
      context.interrupt();
    }
  } finally {
    for (const source of sources) buffers.release(source);
    buffers.release(picture);
  }
}

/** Bytes that each goes through again and again; the stranger is nowhere twice. */
export const workingSets: Readonly<Record<WorkloadName, number>> = {
  'network ring': RING_ENTRIES * (PACKET_BUFFER_BYTES + DESCRIPTOR_BYTES),
  'block I/O': (QUEUE_DEPTH + 3) * 4096,
  USB: 2 * 4096,
  stream: (STREAM_BUFFERS + 1) * STREAM_BYTES,
  stranger: Number.POSITIVE_INFINITY,
  sound: PERIOD_BYTES,
};

/** What the stranger is after, again and again: kernel text, data, the memory of both guests, a free page. */
const TARGETS = [
  0x0120_0000, 0x0260_0000, 0x2000_0000, 0x4800_0000, 0x8b00_0000, 0x9400_0000, 0xa800_0000, 0xb600_0000,
  0x7f3a_2000,
];

/** A stranger's device that nobody gave a buffer: it writes and reads where it has no business. */
function* stranger(context: WorkloadContext): Workload {
  const { random } = context;
  for (;;) {
    yield random.exponential(185_000);
    const address = TARGETS[random.below(TARGETS.length)];
    context.dma(address, 64, random.next() < 0.75 ? WRITE : READ);
  }
}
