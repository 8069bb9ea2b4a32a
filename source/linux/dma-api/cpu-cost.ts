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

/** Adds up the cycles spent. */
export class CpuMeter {
  /** Since boot. */
  cycles = 0;
  private readonly cost: CpuCost;

  constructor(cost: CpuCost) {
    this.cost = cost;
  }

  charge(operation: Exclude<keyof CpuCost, 'copyByte'>): void {
    this.cycles += this.cost[operation];
  }

  chargeCopy(bytes: number): void {
    this.cycles += Math.ceil(bytes * this.cost.copyByte);
  }
}
