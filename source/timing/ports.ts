/**
 * What a device's read or write meets on its way: the device's own limits, the link, the unit, memory, and for a read
 * the way back.
 *
 * The round trip of a read that waits nowhere is a measured figure and holds all of its parts; only waiting, and what
 * a miss takes, come on top.
 */
import { READ, WRITE } from '../vtd/formats/paging-entry.ts';
import type { Act, Timeline } from './event-queue.ts';
import type { Link } from './link.ts';
import { Places } from './places.ts';
import { type Done, type Gate, nothing, Request } from './request.ts';
import type { TimedUnit } from './timed-unit.ts';

export type PortTimes = {
  /** Round trip of a 64-byte read that hits in the IOTLB and in the last-level cache. */
  readonly warmNs: number;
  /** Likewise, with its line in memory alone. */
  readonly coldNs: number;
  /** Each byte of a read above 64. */
  readonly byteNs: number;
  /** Reads that the device keeps under way; more wait in it. */
  readonly outstanding: number;
  /** From the translation of a posted write until its line of the root complex is free again. */
  readonly writeNs: number;
  /** Cache lines of posted writes that the root complex buffers. */
  readonly bufferLines: number;
  readonly hitNs: number;
  /** Fastest that the device asks for data, and that it writes, in bits a nanosecond; 0 is no limit of its own. */
  readonly readGbps: number;
  readonly writeGbps: number;
};

const LINE = 64;
/** Requests whose end is kept, at first; a power of two. */
const KEPT = 256;

export class Port {
  /** Requests asked for so far. */
  asked = 0;
  readonly gate: Gate;
  private readonly link: Link;
  private readonly unit: TimedUnit;
  private readonly times: PortTimes;
  private readonly timeline: Timeline;
  /** Reads that wait for one under way to come back, and writes that wait for buffer, in order. */
  private readonly reads: Request[] = [];
  private readonly writes: Request[] = [];
  private readonly tags: Places;
  private readonly lines: Places;
  /** When the device is ready to ask, and to write, again. */
  private nextRead = 0;
  private nextWrite = 0;
  /** When waiting reads, and writes, are looked at again. */
  private readsAt = Number.POSITIVE_INFINITY;
  private writesAt = Number.POSITIVE_INFINITY;
  private readonly spare: Request[] = [];
  /** All requests up to this one are over, as far as was looked. */
  private over = 0;
  /** When each later request is over, by its number; Infinity while that is not known. */
  private ends = new Float64Array(KEPT);
  /** Requests up to this one are forgotten: the device was reset. */
  private forgotten = 0;
  /** Somebody waits until this request, and all before it, are over; 0 if nobody does. */
  private awaited = 0;
  private awaits: () => void = nothing;

  constructor(
    link: Link,
    unit: TimedUnit,
    times: PortTimes,
    timeline: Timeline,
    gate: Gate = unit.plainGate,
  ) {
    this.link = link;
    this.unit = unit;
    this.times = times;
    this.timeline = timeline;
    this.gate = gate;
    this.tags = new Places(times.outstanding);
    this.lines = new Places(times.bufferLines);
  }

  /**
   * Read memory.
   *
   * @param isWarm whether the data lie in the last-level cache
   */
  read(sourceId: number, hi: number, lo: number, bytes: number, isWarm: boolean, done: Done = nothing): void {
    const request = this.newRequest(sourceId, hi, lo, bytes, READ);
    request.isWarm = isWarm;
    request.done = done;
    if (this.reads.length > 0 || !this.sendRead(request)) this.reads.push(request);
  }

  /**
   * Write memory; posted. Writes leave the device in order, and wait there while the root complex has no buffer.
   *
   * @param sent the write has left the device
   * @param data what is written, where that matters: an interrupt
   */
  write(
    sourceId: number,
    hi: number,
    lo: number,
    bytes: number,
    sent: () => void = nothing,
    done: Done = nothing,
    data = 0,
  ): void {
    const request = this.newRequest(sourceId, hi, lo, bytes, WRITE);
    request.began = this.timeline.now();
    request.sent = sent;
    request.data = data;
    request.done = done;
    if (this.writes.length > 0 || !this.sendWrite(request)) this.writes.push(request);
  }

  /**
   * How long a request would take that is made in the midst of something, with what it occupies of the link.
   *
   * @param translationNs how long its translation takes
   */
  takesAtOnce(bytes: number, access: number, isWarm: boolean, translationNs: number): number {
    const { link, times } = this;
    const now = this.timeline.now();
    if (access === WRITE) {
      const onLink = link.writeNs(bytes);
      return link.upstream.send(now, onLink) + onLink + translationNs + times.writeNs;
    }
    const waited = link.upstream.send(now, link.readRequestNs(bytes));
    const back = link.downstream.send(now + waited + translationNs, link.completionNs(bytes));
    return waited + translationNs + back + this.roundTrip(bytes, isWarm);
  }

  /** Whether a request, and all before it, are over. */
  isOver(number: number): boolean {
    this.look();
    return this.over >= number;
  }

  /** Requests that were asked for and are not over. */
  unfinished(): number {
    this.look();
    return this.asked - this.over;
  }

  /** Tell when a request, and all before it, are over. One may wait at a time. */
  whenOver(number: number, act: () => void): void {
    this.awaited = number;
    this.awaits = act;
    this.tellAwaited();
  }

  /** The device is reset: what it asked for and the unit has not seen is not done, and nobody learns of the rest. */
  forget(): void {
    for (const request of this.reads.splice(0)) this.recycle(request);
    for (const request of this.writes.splice(0)) this.recycle(request);
    this.forgotten = this.asked;
    this.over = this.asked;
    this.awaited = 0;
  }

  /** Whether the device was reset since it sent this request. */
  isForgotten(request: Request): boolean {
    return request.number <= this.forgotten;
  }

  /** The unit has the answer at a moment, now or a little later: data return to the device, or go on to memory. */
  answered(request: Request, at: number): void {
    const { link, timeline, times } = this;
    let end: number;
    if (request.access === WRITE) {
      end = at + times.writeNs;
      this.lines.freeFrom(end, this.linesOf(request.bytes));
      if (this.writes.length > 0) this.sendWritesAt(end);
    } else {
      const back = link.downstream.send(at, link.completionNs(request.bytes));
      end = at + back + this.roundTrip(request.bytes, request.isWarm) / 2;
      this.tags.freeFrom(end, 1);
      if (this.reads.length > 0) this.sendReadsAt(end);
    }
    if (this.isForgotten(request)) return this.recycle(request);
    this.gate.over(request, end - request.began);
    this.ends[request.number & (this.ends.length - 1)] = end;
    if (this.awaited > 0) this.tellAwaited();
    // Nothing need happen at the end of a request that nobody waits for.
    if (request.done === nothing) this.recycle(request);
    else timeline.at(end - timeline.now(), this.end, request);
  }

  private readonly arrive: Act<Request> = (request) => {
    const { sent } = request;
    const isForgotten = this.isForgotten(request);
    this.unit.request(request);
    if (!isForgotten) sent();
  };

  private readonly end: Act<Request> = (request) => {
    const { done, outcome, began } = request;
    const isForgotten = this.isForgotten(request);
    this.recycle(request);
    if (!isForgotten) done(outcome, this.timeline.now() - began);
  };

  private readonly sendReads = (): void => {
    const { reads } = this;
    if (this.readsAt <= this.timeline.now()) this.readsAt = Number.POSITIVE_INFINITY;
    while (reads.length > 0 && this.sendRead(reads[0])) reads.shift();
  };

  private readonly sendWrites = (): void => {
    const { writes } = this;
    if (this.writesAt <= this.timeline.now()) this.writesAt = Number.POSITIVE_INFINITY;
    while (writes.length > 0 && this.sendWrite(writes[0])) writes.shift();
  };

  /** Send a read if the device can; else see to it that somebody tries again. Returns whether it is sent. */
  private sendRead(request: Request): boolean {
    const { link, timeline, times, tags } = this;
    const now = timeline.now();
    if (!tags.have(1, now)) return this.sendReadsAt(tags.nextFree());
    if (times.readGbps > 0) {
      if (this.nextRead > now) return this.sendReadsAt(this.nextRead);
      this.nextRead = now + (8 * request.bytes) / times.readGbps;
    }
    request.began = now;
    tags.take(1);
    const waited = link.upstream.send(now, link.readRequestNs(request.bytes));
    timeline.at(waited + this.roundTrip(request.bytes, request.isWarm) / 2, this.arrive, request);
    return true;
  }

  /** Likewise a write. */
  private sendWrite(request: Request): boolean {
    const { link, timeline, times, lines } = this;
    const now = timeline.now();
    const needed = this.linesOf(request.bytes);
    if (!lines.have(needed, now)) return this.sendWritesAt(lines.nextFree());
    if (times.writeGbps > 0) {
      if (this.nextWrite > now) return this.sendWritesAt(this.nextWrite);
      this.nextWrite = now + (8 * request.bytes) / times.writeGbps;
    }
    lines.take(needed);
    const onLink = link.writeNs(request.bytes);
    timeline.at(link.upstream.send(now, onLink) + onLink, this.arrive, request);
    return true;
  }

  private sendReadsAt(at: number): false {
    if (at < this.readsAt) {
      this.readsAt = at;
      this.timeline.at(at - this.timeline.now(), this.sendReads, undefined);
    }
    return false;
  }

  private sendWritesAt(at: number): false {
    if (at < this.writesAt) {
      this.writesAt = at;
      this.timeline.at(at - this.timeline.now(), this.sendWrites, undefined);
    }
    return false;
  }

  private roundTrip(bytes: number, isWarm: boolean): number {
    const { warmNs, coldNs, byteNs, hitNs } = this.times;
    return (isWarm ? warmNs : coldNs) + byteNs * Math.max(0, bytes - LINE) - hitNs;
  }

  /** A packet that is larger than all of the buffer takes all of it. */
  private linesOf(bytes: number): number {
    return Math.min(this.times.bufferLines, Math.ceil(bytes / LINE));
  }

  private newRequest(sourceId: number, hi: number, lo: number, bytes: number, access: number): Request {
    const request = this.spare.pop() ?? new Request(this);
    request.sourceId = sourceId;
    request.hi = hi;
    request.lo = lo;
    request.bytes = bytes;
    request.access = access;
    request.number = ++this.asked;
    if (this.asked - this.over >= this.ends.length) this.keepMore();
    this.ends[request.number & (this.ends.length - 1)] = Number.POSITIVE_INFINITY;
    return request;
  }

  private recycle(request: Request): void {
    request.sent = nothing;
    request.done = nothing;
    this.spare.push(request);
  }

  /** See which requests are over by now. */
  private look(): void {
    const { ends, asked } = this;
    const mask = ends.length - 1;
    const now = this.timeline.now();
    while (this.over < asked && ends[(this.over + 1) & mask] <= now) this.over++;
  }

  /** Whoever waits is told at the last end of the requests in question, once all of them are known. */
  private tellAwaited(): void {
    const { ends, over, awaited } = this;
    const mask = ends.length - 1;
    let last = this.timeline.now();
    for (let number = over + 1; number <= awaited; number++) last = Math.max(last, ends[number & mask]);
    if (last === Number.POSITIVE_INFINITY) return;
    this.awaited = 0;
    this.timeline.after(last - this.timeline.now(), this.awaits);
  }

  /** Room for the ends of more requests, after a look at which of them are over. */
  private keepMore(): void {
    this.look();
    const { ends, over, asked } = this;
    if (asked - over < ends.length / 2) return;
    const more = new Float64Array(2 * ends.length);
    for (let number = over + 1; number < asked; number++)
      more[number & (more.length - 1)] = ends[number & (ends.length - 1)];
    this.ends = more;
  }
}
