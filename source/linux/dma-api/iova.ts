/**
 * The I/O virtual address allocator, `drivers/iommu/iova.c`: from the top down, sizes rounded to powers of two
 * and aligned to themselves. Freed ranges of up to 32 pages stay allocated in magazines, one pair for each CPU,
 * and are handed out again last in first out; full magazines go to a depot that the CPUs share.
 */
import type { Clock } from '../clock.ts';
import { PAGE } from '../page-frames.ts';
import type { KernelVersion } from '../version.ts';
import { holds } from '../version-rules.ts';

/** Size classes with magazines: 1, 2, 4 … 32 pages (IOVA_RANGE_CACHE_MAX_SIZE). */
const CLASSES = 6;
const LARGEST_CACHED = 32;
/** The first page that does not fit 32 bits (dma_32bit_pfn). */
const PAGES_BELOW_4_GIB = 0x10_0000;
/** Page 0 is never handed out, so that 0 can mean failure. */
const FIRST_PAGE = 1;
/** While the depot holds more magazines than there are CPUs, one goes back into the tree each time (IOVA_DEPOT_DELAY). */
const DEPOT_DELAY_NS = 100e6;

/** Bytes that are never handed out: the interrupt window, windows of the host bridge, direct-mapped regions. */
export type Reserved = { readonly start: number /** Exclusive. */; readonly end: number };

export type IovaTuning = {
  /** Ranges in a magazine: 127, or 128 before Linux 6.0. */
  readonly magazine: number;
  /** Magazines in the depot of a class before more are emptied: 32, or no bound since Linux 6.7. */
  readonly depot: number;
  /** All sizes are rounded up to powers of two, not only those that fit magazines. */
  readonly rounds: boolean;
  /** A search that finds nothing begins again from the top. */
  readonly searchesTwice: boolean;
  readonly cpus: number;
  readonly clock: Clock;
};

/** How the allocator is tuned in a version of the kernel. */
export const iovaTuningOf = (version: KernelVersion): Omit<IovaTuning, 'cpus' | 'clock'> => ({
  magazine: holds('hasShortMagazines', version) ? 127 : 128,
  depot: holds('trimsDepots', version) ? Infinity : 32,
  rounds: holds('roundsAddresses', version),
  searchesTwice: holds('searchesTwice', version),
});

/** A range in use, in pages, linked in order of addresses as the kernel's tree is. */
type Range = { low: number; high: number; below: Range | null; above: Range | null };

/** What one CPU keeps of one class; the two magazines change places when one is full or empty. */
type Magazines = { loaded: number[]; previous: number[] };

export class IovaAllocator {
  /** The highest address that the domain translates. */
  readonly aperture: number;
  /** Above every address. */
  private readonly anchor: Range = { low: Infinity, high: Infinity, below: null, above: null };
  /** Where the next search starts: the range handed out last (cached_node, and cached32_node below 4 GiB). */
  private cached = this.anchor;
  private cached32 = this.anchor;
  /** A request this large failed below 4 GiB, and nothing was freed there since. */
  private tooLarge32 = PAGES_BELOW_4_GIB;
  private readonly byLow = new Map<number, Range>();
  /** By class and CPU. */
  private readonly magazines: Magazines[][] = [];
  private readonly depots: number[][][] = [];
  /** A depot is due to be looked at. */
  private readonly trimming: boolean[] = [];
  private readonly tuning: IovaTuning;

  /**
   * @param reserved byte ranges, end exclusive; they may overlap
   * @param aperture the highest address that the domain translates
   */
  constructor(reserved: readonly Reserved[], aperture: number, tuning: IovaTuning) {
    this.aperture = aperture;
    this.tuning = tuning;
    for (let size = 0; size < CLASSES; size++) {
      this.magazines.push(Array.from({ length: tuning.cpus }, () => ({ loaded: [], previous: [] })));
      this.depots.push([]);
      this.trimming.push(false);
    }
    for (const { start, end } of reserved) this.reserve(Math.floor(start / PAGE), Math.ceil(end / PAGE) - 1);
  }

  /**
   * A free range of so many pages (alloc_iova_fast).
   *
   * @param limit highest address that it may reach
   * @param emptyCaches where no address is left, take back what all magazines hold and search again
   * @returns its first address, or null
   */
  allocate(pages: number, limit: number, emptyCaches: boolean, cpu: number): number | null {
    const size = pages < LARGEST_CACHED || this.tuning.rounds ? powerOfTwo(pages) : pages;
    const limitPage = Math.floor(limit / PAGE);
    let low = this.takeCached(size, limitPage, cpu) || this.search(size, limitPage + 1);
    if (low === 0 && emptyCaches) {
      this.emptyCaches();
      low = this.search(size, limitPage + 1);
    }
    return low === 0 ? null : low * PAGE;
  }

  /** Give back a range of so many pages (free_iova_fast). Only after its translations are invalidated. */
  free(iova: number, pages: number, cpu: number): void {
    const low = iova / PAGE;
    const size = order(pages);
    if (size < CLASSES) this.putCached(size, low, cpu);
    else this.remove(low);
  }

  /** A range from the magazines of a CPU or from the depot; 0 if there is none below the limit. */
  private takeCached(pages: number, limitPage: number, cpu: number): number {
    const size = order(pages);
    if (size >= CLASSES) return 0;
    const own = this.magazines[size][cpu];
    if (own.loaded.length === 0) {
      if (own.previous.length > 0) swap(own);
      else {
        const full = this.depots[size].pop();
        if (full === undefined) return 0;
        own.loaded = full;
      }
    }
    const { loaded } = own;
    const highest = limitPage + 1 - pages;
    let at = loaded.length - 1;
    while (loaded[at] > highest) if (at-- === 0) return 0;
    const low = loaded[at];
    // The last one fills the gap.
    const last = loaded.pop() as number;
    if (at < loaded.length) loaded[at] = last;
    return low;
  }

  private putCached(size: number, low: number, cpu: number): void {
    const { magazine, depot } = this.tuning;
    const own = this.magazines[size][cpu];
    if (own.loaded.length === magazine) {
      if (own.previous.length < magazine) swap(own);
      else {
        const shared = this.depots[size];
        if (shared.length < depot) {
          shared.push(own.loaded);
          if (depot === Infinity) this.trimLater(size);
        } else this.removeAll(own.loaded);
        own.loaded = [];
      }
    }
    own.loaded.push(low);
  }

  private trimLater(size: number): void {
    if (this.trimming[size]) return;
    this.trimming[size] = true;
    this.tuning.clock.after(DEPOT_DELAY_NS, () => {
      this.trimming[size] = false;
      if (this.depots[size].length <= this.tuning.cpus) return;
      this.removeAll(this.depots[size].pop() ?? []);
      this.trimLater(size);
    });
  }

  private emptyCaches(): void {
    for (const cpus of this.magazines) {
      for (const own of cpus) {
        this.removeAll(own.loaded);
        this.removeAll(own.previous);
        own.loaded = [];
        own.previous = [];
      }
    }
    for (const depot of this.depots) for (const full of depot.splice(0)) this.removeAll(full);
  }

  /**
   * The highest aligned gap below a page, searched from the range handed out last and, if there is none below
   * that, once more from the top (__alloc_and_insert_iova_range). Returns its first page, or 0.
   */
  private search(size: number, limitPage: number): number {
    const is32 = limitPage <= PAGES_BELOW_4_GIB;
    if (is32 && size >= this.tooLarge32) return 0;
    const align = powerOfTwo(size);
    const start = is32 ? this.cached32 : this.cached;
    let floor = FIRST_PAGE;
    for (let from: Range = start; ; from = this.anchor) {
      let top = limitPage;
      let low: number;
      let above: Range = from;
      let at: Range | null = from;
      do {
        top = Math.min(top, (at as Range).low);
        low = top - size;
        low -= ((low % align) + align) % align;
        above = at as Range;
        at = above.below;
      } while (at !== null && low <= at.high && low >= floor);
      if (top >= size && low >= floor) return this.insert(low, low + size - 1, above);
      if (!this.tuning.searchesTwice || floor !== FIRST_PAGE || start.high >= limitPage) break;
      floor = start.high + 1;
    }
    this.tooLarge32 = size;
    return 0;
  }

  /** Put a range right below another. Returns its first page. */
  private insert(low: number, high: number, above: Range): number {
    const range = this.link(low, high, above);
    if (high < PAGES_BELOW_4_GIB) this.cached32 = range;
    else this.cached = range;
    return low;
  }

  private link(low: number, high: number, above: Range): Range {
    const range: Range = { low, high, below: above.below, above };
    if (range.below !== null) range.below.above = range;
    above.below = range;
    this.byLow.set(low, range);
    return range;
  }

  private removeAll(lows: readonly number[]): void {
    for (const low of lows) this.remove(low);
  }

  /** Take a range out, so that its pages can be found again (private_free_iova). */
  private remove(low: number): void {
    const range = this.byLow.get(low);
    if (range === undefined) return;
    const above = range.above as Range;
    const isBelow4GiB = range.high < PAGES_BELOW_4_GIB;
    if (range === this.cached32 || (isBelow4GiB && low >= this.cached32.low)) this.cached32 = above;
    if (low < PAGES_BELOW_4_GIB) this.tooLarge32 = PAGES_BELOW_4_GIB;
    if (low >= this.cached.low) this.cached = above;
    this.unlink(range);
  }

  private unlink({ low, below, above }: Range): void {
    if (above !== null) above.below = below;
    if (below !== null) below.above = above;
    this.byLow.delete(low);
  }

  /** Take pages out for good. Regions may overlap, as firmware describes them. */
  private reserve(low: number, high: number): void {
    let above = this.anchor;
    while (above.below !== null && above.below.low > high) above = above.below;
    let range = { low, high };
    for (let other = above.below; other !== null && other.high >= low; other = above.below) {
      range = { low: Math.min(range.low, other.low), high: Math.max(range.high, other.high) };
      this.unlink(other);
    }
    this.link(range.low, range.high, above);
  }
}

function swap(magazines: Magazines): void {
  const { loaded } = magazines;
  magazines.loaded = magazines.previous;
  magazines.previous = loaded;
}

/** The exponent of the power of two that holds so many pages. */
const order = (pages: number): number => 32 - Math.clz32(pages - 1);

const powerOfTwo = (pages: number): number => 2 ** order(pages);
