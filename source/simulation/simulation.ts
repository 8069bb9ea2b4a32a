/**
 * A machine in time: an event loop in simulated nanoseconds. What it does follows from its options and the
 * commands given to it, and from nothing else.
 */
import { Machine, type MachineOptions } from '../machine/machine.ts';
import { EventQueue } from '../timing/event-queue.ts';
import { NoMemory } from '../vtd/memory.ts';
import { Counter } from '../vtd/performance/counters.ts';
import { Journal } from './journal.ts';
import type { DeviceCounts } from './snapshot.ts';
import { Statistics } from './statistics.ts';

/** Simulated time of a chart column at one simulated millisecond a second: half a second on the wall. */
export const COLUMN_NS = 0.5e6;

export class Simulation {
  readonly machine: Machine;
  readonly journal: Journal;
  readonly statistics: Statistics;
  /** Why the machine stopped for good, or null. */
  halted: string | null = null;
  /** Actions carried out so far: with the time, an exact place in the run. */
  executed = 0;
  private time = 0;
  private readonly queue = new EventQueue();

  constructor(options: MachineOptions) {
    this.machine = new Machine(options, {
      now: () => this.time,
      after: (delay, run) => this.queue.schedule(this.time + delay, run),
      at: (delay, act, subject) => this.queue.at(this.time + delay, act, subject),
    });
    this.journal = new Journal(this.machine, () => this.time);
    this.statistics = new Statistics(() => this.totals(), COLUMN_NS);
  }

  /** Nanoseconds since boot finished. */
  get now(): number {
    return this.time;
  }

  /** Run until a time, and until `stop` says so. */
  advance(until: number, stop: () => boolean = () => false): void {
    if (this.halted === null) this.guard(() => this.runUntil(until, stop));
    if (this.halted !== null) this.time = Math.max(this.time, until);
  }

  private runUntil(until: number, stop: () => boolean): void {
    const { queue, statistics } = this;
    while (!stop()) {
      const next = queue.nextTime();
      const sample = statistics.nextSample();
      if (Math.min(next, sample) > until) {
        this.time = Math.max(this.time, until);
        return;
      }
      if (sample <= next) {
        this.time = Math.max(this.time, sample);
        statistics.sample();
        continue;
      }
      this.time = next;
      this.executed++;
      queue.runNext();
    }
  }

  /** Run until so many more DMA requests were made, but no longer than a second of simulated time. */
  step(count: number): void {
    const requests = () => this.machine.devices.reduce((sum, device) => sum + device.requests, 0);
    const target = requests() + count;
    this.advance(this.time + 1e9, () => requests() >= target);
  }

  /** Run to the place that `executed` and `now` named in an earlier run of the same machine. */
  advanceTo(executed: number, timeNs: number): void {
    this.advance(timeNs, () => this.executed >= executed);
    this.time = Math.max(this.time, timeNs);
  }

  /**
   * Do something to the machine. A stray DMA may have written over the kernel's own tables; then this is
   * where the kernel finds out, and the machine stops as a real one does.
   */
  guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof NoMemory)) throw error;
      this.halted = error.message;
      this.machine.kernel.say(`BUG: unable to handle page fault: ${error.message}`);
      this.machine.kernel.say('Kernel panic - not syncing: Fatal exception');
    }
  }

  /** Counts of one device since boot. */
  countsOf(index: number): DeviceCounts {
    const { requests, bytes, counts } = this.machine.devices[index];
    return {
      requests,
      bytes,
      iotlb_lookup: counts[Counter.iotlb_lookup],
      iotlb_hit: counts[Counter.iotlb_hit],
      page_walks: counts[Counter.page_walks],
      faults: counts[Counter.faults],
      interrupts: counts[Counter.interrupt_requests],
      interrupts_blocked: counts[Counter.interrupts_blocked],
    };
  }

  private totals() {
    return { timeNs: this.time, devices: this.machine.devices.map((_, index) => this.countsOf(index)) };
  }
}
