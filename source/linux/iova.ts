/**
 * The I/O virtual address allocator, `drivers/iommu/iova.c`: from the top down, below 4 GiB first, sizes
 * rounded to powers of two and aligned to themselves, and freed ranges handed out again last in first out.
 */
const PAGE = 4096;

/** Ranges of up to this many pages go through the magazines (IOVA_RANGE_CACHE_MAX_SIZE is 6). */
const LARGEST_CACHED = 32;

/** Pages that are never handed out: the interrupt window, a device's direct-mapped regions. */
export type Reserved = { readonly start: number; readonly end: number };

type Range = { readonly low: number; readonly high: number };

export class IovaAllocator {
  /** Ranges in use, in descending order, in pages. */
  private readonly ranges: Range[] = [];
  /** Freed ranges by size class: 1, 2, 4 … 32 pages. */
  private readonly magazines: number[][] = [[], [], [], [], [], []];
  private readonly limit: number;
  private readonly forceDac: boolean;

  /**
   * @param reserved byte ranges, end exclusive
   * @param limit the device's DMA mask, as the highest address it can send
   * @param forceDac do not try below 4 GiB first
   */
  constructor(reserved: readonly Reserved[], limit: number, forceDac: boolean) {
    this.limit = Math.floor(limit / PAGE);
    this.forceDac = forceDac;
    for (const { start, end } of reserved) this.reserve(Math.floor(start / PAGE), Math.ceil(end / PAGE) - 1);
  }

  /** A free range of so many pages, as its first address; null if the address space is full. */
  allocate(pages: number): number | null {
    const align = powerOfTwo(pages);
    const size = align <= LARGEST_CACHED ? align : pages;
    if (size <= LARGEST_CACHED) {
      const cached = this.magazines[Math.log2(size)].pop();
      if (cached !== undefined) return cached;
    }
    const below4GiB = Math.floor(0xffff_ffff / PAGE);
    const first = this.forceDac ? null : this.search(size, align, Math.min(this.limit, below4GiB));
    const low = first ?? this.search(size, align, this.limit);
    return low === null ? null : low * PAGE;
  }

  /** Give back a range of so many pages. Only after its translations are invalidated. */
  free(iova: number, pages: number): void {
    const size = powerOfTwo(pages);
    if (size <= LARGEST_CACHED) {
      this.magazines[Math.log2(size)].push(iova);
      return;
    }
    const low = iova / PAGE;
    const at = this.position(low);
    if (this.ranges[at]?.low === low) this.ranges.splice(at, 1);
  }

  /** The highest aligned gap at or below a page number. */
  private search(size: number, align: number, limit: number): number | null {
    let top = limit;
    for (const range of this.ranges) {
      if (range.low > top) continue;
      const low = alignDown(top - size + 1, align);
      if (low > range.high) return this.take(low, size);
      top = Math.min(top, range.low - 1);
    }
    const low = alignDown(top - size + 1, align);
    // Page 0 is never handed out, so that 0 can mean failure.
    return low >= 1 ? this.take(low, size) : null;
  }

  /** Take pages out for good. Regions may overlap, as firmware describes them; the search needs them apart. */
  private reserve(low: number, high: number): void {
    let range = { low, high };
    for (const other of this.ranges.filter((known) => known.low <= high && low <= known.high)) {
      this.ranges.splice(this.ranges.indexOf(other), 1);
      range = { low: Math.min(range.low, other.low), high: Math.max(range.high, other.high) };
    }
    this.insert(range);
  }

  private take(low: number, size: number): number {
    this.insert({ low, high: low + size - 1 });
    return low;
  }

  private insert(range: Range): void {
    this.ranges.splice(this.position(range.low), 0, range);
  }

  /** Where a range that starts at `low` stands, or would. */
  private position(low: number): number {
    let from = 0;
    let to = this.ranges.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.ranges[middle].low > low) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

const powerOfTwo = (pages: number): number => 2 ** Math.ceil(Math.log2(pages));

const alignDown = (value: number, size: number): number => Math.floor(value / size) * size;
