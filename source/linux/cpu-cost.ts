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
};

export const defaultCpuCost: CpuCost = { map: 727, unmap: 932, defer: 308, invalidate: 2135 };

/** Adds up the cycles spent. */
export class CpuMeter {
  /** Since boot. */
  cycles = 0;
  private readonly cost: CpuCost;

  constructor(cost: CpuCost) {
    this.cost = cost;
  }

  charge(operation: keyof CpuCost): void {
    this.cycles += this.cost[operation];
  }
}
