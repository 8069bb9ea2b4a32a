import type { Clock } from '../clock.ts';
import { QueueContention, type QueueTimes } from '../unit/queue-contention.ts';

/**
 * What the kernel's IOMMU code costs, in CPU cycles. Defaults: Malka et al., "rIOMMU", ASPLOS 2015, table 1,
 * columns with the constant-time IOVA allocator, which is closest to today's Linux. The table was recalled,
 * not checked against the paper: model defaults, not citations.
 */
export type CpuCost = {
  /** Map a buffer: IOVA allocation, page table, the rest. */
  readonly map: number;
  /** Unmap a buffer, without any invalidation. */
  readonly unmap: number;
  /** Extra work of an unmap that is queued for later. */
  readonly defer: number;
  /** Submit an invalidation and wait for it: the CPU spins. */
  readonly invalidate: number;
  /** Copy a byte into a bounce buffer, or out of one. */
  readonly copyByte: number;
};

export const defaultCpuCost: CpuCost = { map: 727, unmap: 932, defer: 308, invalidate: 2135, copyByte: 0.25 };

/** What one CPU spent in IOMMU code since boot. */
export type CpuUse = {
  readonly cycles: number;
  /** Of these, waiting for other CPUs at the invalidation queue, in nanoseconds. */
  readonly queueWaitNs: number;
};

export type MeterOptions = {
  readonly cpus: number;
  readonly nsPerCycle: number;
  readonly clock: Clock;
  readonly queue: QueueTimes;
};

/** A CPU in time. */
type Cpu = {
  cycles: number;
  queueWaitNs: number;
  /** When it is through with all that it was charged for. */
  busyUntil: number;
  /** What it did in that stretch of work before its first invalidation; or -1 before that one. */
  before: number;
};

/** Adds up the cycles spent, by CPU; where several invalidate they wait for each other. */
export class CpuMeter {
  /** Of all CPUs since boot. */
  cycles = 0;
  private readonly cost: CpuCost;
  private readonly options: MeterOptions | null;
  private readonly queue: QueueContention | null;
  private readonly all: Cpu[];

  /** @param options left out where there is one CPU, which nobody makes wait */
  constructor(cost: CpuCost, options: MeterOptions | null = null) {
    const cpus = options?.cpus ?? 1;
    this.cost = cost;
    this.options = options;
    this.queue = options === null || cpus === 1 ? null : new QueueContention(options.queue);
    this.all = Array.from({ length: cpus }, () => ({ cycles: 0, queueWaitNs: 0, busyUntil: 0, before: -1 }));
  }

  /** What each CPU spent. */
  get cpus(): readonly CpuUse[] {
    return this.all;
  }

  charge(operation: Exclude<keyof CpuCost, 'copyByte'>, cpu = 0): void {
    const waited = operation === 'invalidate' ? this.waitAtQueue(cpu) : 0;
    this.spend(this.cost[operation] + waited, cpu);
  }

  chargeCopy(bytes: number, cpu = 0): void {
    this.spend(Math.ceil(bytes * this.cost.copyByte), cpu);
  }

  /** Take a turn at the queue; returns the cycles that the CPU spins until others have had theirs. */
  private waitAtQueue(number: number): number {
    const { options, queue } = this;
    if (options === null || queue === null) return 0;
    const { clock, nsPerCycle } = options;
    const now = clock.now();
    const cpu = this.all[number];
    if (cpu.busyUntil < now) startAt(cpu, now);
    // The simulation carries out in one moment what takes a while, so that one CPU's work may be before another's that
    // came first: the first invalidation of a stretch of work counts as there at its beginning, for every CPU alike.
    if (cpu.before < 0) cpu.before = cpu.busyUntil - now;
    const at = cpu.busyUntil - cpu.before;
    const { start, end } = queue.enter(number, at, now);
    // The time of its own turn is in the cost already, but for what waiters add to it.
    const waitNs = start - at + (end - start - options.queue.heldNs);
    cpu.queueWaitNs += waitNs;
    return waitNs / nsPerCycle;
  }

  private spend(cycles: number, number: number): void {
    this.cycles += cycles;
    const cpu = this.all[number];
    cpu.cycles += cycles;
    if (this.options === null) return;
    const { clock, nsPerCycle } = this.options;
    const now = clock.now();
    if (cpu.busyUntil < now) startAt(cpu, now);
    cpu.busyUntil += cycles * nsPerCycle;
  }
}

/** A CPU begins a stretch of work. */
function startAt(cpu: Cpu, now: number): void {
  cpu.busyUntil = now;
  cpu.before = -1;
}
