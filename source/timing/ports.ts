/**
 * What a device's read or write meets on its way: the link, the unit, memory, and for a read the way back.
 *
 * The round trip of a read that waits nowhere is a measured figure and holds all of its parts; only waiting, and what
 * a miss takes, come on top.
 */
import type { Clock } from '../linux/clock.ts';
import { READ, WRITE } from '../vtd/formats/paging-entry.ts';
import type { Link } from './link.ts';
import type { TimedUnit } from './timed-unit.ts';

export type PortTimes = {
  /** Round trip of a 64-byte read that hits in the IOTLB and in the last-level cache. */
  readonly warmNs: number;
  /** Likewise, with its line in memory alone. */
  readonly coldNs: number;
  /** Each byte of a read above 64. */
  readonly byteNs: number;
  /** From the translation of a posted write until its line of the root complex is free again. */
  readonly writeNs: number;
  /** Cache lines of posted writes that the root complex buffers. */
  readonly bufferLines: number;
  readonly hitNs: number;
};

/** A request is over, or its data are out of the device's hands: one of Outcome, and how long it took. */
export type Done = (outcome: number, ns: number) => void;

const LINE = 64;

export class Port {
  private readonly link: Link;
  private readonly unit: TimedUnit;
  private readonly times: PortTimes;
  private readonly clock: Clock;
  private linesFree: number;
  /** Writes that wait for buffer, in order. */
  private readonly held: { readonly lines: number; readonly go: () => void }[] = [];

  constructor(link: Link, unit: TimedUnit, times: PortTimes, clock: Clock) {
    this.link = link;
    this.unit = unit;
    this.times = times;
    this.clock = clock;
    this.linesFree = times.bufferLines;
  }

  /**
   * Read memory.
   *
   * @param isWarm whether the data lie in the last-level cache
   */
  read(sourceId: number, hi: number, lo: number, bytes: number, isWarm: boolean, done: Done): void {
    const { link, clock, times } = this;
    const began = clock.now();
    const roundTrip =
      (isWarm ? times.warmNs : times.coldNs) + times.byteNs * Math.max(0, bytes - LINE) - times.hitNs;
    const waited = link.upstream.send(began, link.readRequestNs(bytes));
    clock.after(waited + roundTrip / 2, () =>
      this.unit.request(sourceId, hi, lo, READ, (outcome) => {
        const back = link.downstream.send(clock.now(), link.completionNs(bytes));
        clock.after(back + roundTrip / 2, () => done(outcome, clock.now() - began));
      }),
    );
  }

  /**
   * Write memory; posted. Writes leave the device in order, and wait there while the root complex has no buffer.
   *
   * @param sent the write has left the device
   */
  write(sourceId: number, hi: number, lo: number, bytes: number, sent: () => void, done: Done): void {
    const lines = Math.ceil(bytes / LINE);
    const began = this.clock.now();
    const go = () => {
      this.linesFree -= lines;
      const { link, clock, times } = this;
      const waited = link.upstream.send(clock.now(), link.writeNs(bytes));
      const onLink = waited + link.writeNs(bytes);
      clock.after(onLink, () => {
        this.unit.request(sourceId, hi, lo, WRITE, (outcome) => {
          clock.after(times.writeNs, () => {
            this.linesFree += lines;
            done(outcome, clock.now() - began);
            this.release();
          });
        });
        sent();
      });
    };
    if (this.held.length === 0 && this.linesFree >= lines) go();
    else this.held.push({ lines, go });
  }

  private release(): void {
    while (this.held.length > 0 && this.linesFree >= this.held[0].lines) this.held.shift()?.go();
  }
}
