/**
 * The page table of a domain, as Linux builds it in memory for the unit to walk:
 * `drivers/iommu/intel/iommu.c` (`__domain_mapping`, `dma_pte_clear_range`). First and second stage differ in the
 * bits of an entry alone.
 */
import { highHalf, join, lowHalf } from '../../vtd/bits.ts';
import { firstStagePageEntry } from '../../vtd/formats/first-stage-entry.ts';
import { PAGE_SIZE } from '../../vtd/formats/paging-entry.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import { PAGE, type PageFrames } from '../page-frames.ts';

/** Where tables lie: the host's memory, or a guest's as the guest sees it. */
export type TableMemory = Pick<PhysicalMemory, 'read64' | 'write64' | 'clearPage'>;

/** Bytes covered by one entry of a level. */
const reach = (level: number): number => PAGE * 512 ** (level - 1);

/** Nothing was freed. Shared, so that the common unmap allocates nothing. */
const NONE: readonly number[] = [];

/** XD in the upper half of an entry. */
const EXECUTE_DISABLE = 1 << (firstStagePageEntry.fields.XD.shift & 31);

/** The table or page that an entry leads to. */
const addressIn = (lo: number, hi: number): number => join(hi & 0xf_ffff, lo & ~0xfff);

const indexAt = (level: number, iova: number): number => Math.floor(iova / reach(level)) % 512;

export abstract class PageTable {
  abstract readonly stage: 'first' | 'second';
  /** Address of the top table in the memory that the tables lie in. */
  readonly root: number;
  readonly levels: number;
  /** Leaves of each level: [ , 4 KiB, 2 MiB, 1 GiB]. */
  readonly leaves = [0, 0, 0, 0];
  /** Tables in use, the top one included. */
  tables = 0;
  private readonly memory: TableMemory;
  private readonly frames: PageFrames;
  /** Level of the largest pages in use: 1, 2 or 3. */
  readonly largestLeaf: number;

  /** All entries have execute disable (XD), which only a first stage has. */
  readonly forbidsExecution: boolean;
  private readonly upper: number;

  /** @param largestLeaf level of the largest pages to use: 1, 2 or 3 */
  constructor(
    memory: TableMemory,
    frames: PageFrames,
    levels: number,
    largestLeaf: number,
    forbidsExecution = false,
  ) {
    this.memory = memory;
    this.frames = frames;
    this.levels = levels;
    this.largestLeaf = largestLeaf;
    this.forbidsExecution = forbidsExecution;
    this.upper = forbidsExecution ? EXECUTE_DISABLE : 0;
    this.root = this.newTable();
  }

  /** The low bits of an entry that maps a page with READ, WRITE or both, without the page-size bit. */
  protected abstract leafBits(permissions: number): number;

  /** The low bits of an entry that points to a table. */
  protected abstract tableBits(): number;

  /** READ and WRITE as the low half of an entry grants them; 0: the entry is not present. */
  protected abstract permissionsOf(lo: number): number;

  /**
   * Map a range with the largest pages that both addresses and the length allow.
   *
   * @param iova, physical, bytes multiples of 4 KiB
   * @param permissions READ, WRITE or both
   * @returns whether large pages took the place of empty tables, so that the paging-structure caches must go
   */
  map(iova: number, physical: number, bytes: number, permissions: number): boolean {
    let freed = false;
    let done = 0;
    while (done < bytes) {
      const level = this.leafLevel(iova + done, physical + done, bytes - done);
      const table = this.tableFor(iova + done, level);
      const bits = this.leafBits(permissions) | (level > 1 ? PAGE_SIZE : 0);
      // All leaves that follow in the same table are written in one go.
      const first = indexAt(level, iova + done);
      for (let index = first; index < 512 && done < bytes; index++) {
        if (bytes - done < reach(level)) break;
        const target = physical + done;
        // A table of small pages may be left here from before, empty; Linux's switch_to_super_page.
        if (level > 1) {
          const tables = this.unmap(iova + done, reach(level));
          if (tables.length > 0) freed = true;
          this.release(tables);
        }
        this.memory.write64(table + 8 * index, highHalf(target) | this.upper, lowHalf(target) | bits);
        this.leaves[level]++;
        done += reach(level);
      }
    }
    return freed;
  }

  /**
   * Clear a range, and take out the tables that it covers whole.
   *
   * @returns those tables; the unit may walk through them until its paging-structure caches are invalidated, and
   *   only then are they to be released
   */
  unmap(iova: number, bytes: number): readonly number[] {
    return this.clear(this.root, this.levels, 0, iova, iova + bytes, NONE);
  }

  /** Give back tables that an unmap took out. */
  release(tables: readonly number[]): void {
    for (const table of tables) {
      this.memory.clearPage(table);
      this.frames.release(table);
    }
  }

  /** What an address is mapped to, or null. */
  lookUp(iova: number): { physical: number; level: number; permissions: number } | null {
    let table = this.root;
    for (let level = this.levels; level >= 1; level--) {
      const [lo, hi] = this.memory.read64(table + 8 * indexAt(level, iova));
      const permissions = this.permissionsOf(lo);
      if (permissions === 0) return null;
      const target = addressIn(lo, hi);
      if (level === 1 || (lo & PAGE_SIZE) !== 0) {
        return { physical: target + (iova % reach(level)), level, permissions };
      }
      table = target;
    }
    return null;
  }

  /** Free every table. The unit must not use them any more. */
  free(): void {
    const tables: number[] = [];
    this.takeOut(this.root, this.levels, tables);
    this.release(tables);
  }

  private leafLevel(iova: number, physical: number, bytes: number): number {
    let level = this.largestLeaf;
    while (level > 1 && (iova % reach(level) !== 0 || physical % reach(level) !== 0 || bytes < reach(level)))
      level--;
    return level;
  }

  /** The table of a level that covers an address, with the tables above it, made if missing. */
  private tableFor(iova: number, level: number): number {
    let table = this.root;
    for (let at = this.levels; at > level; at--) {
      const entry = table + 8 * indexAt(at, iova);
      const [lo, hi] = this.memory.read64(entry);
      if (this.permissionsOf(lo) !== 0) {
        table = addressIn(lo, hi);
      } else {
        table = this.newTable();
        this.memory.write64(entry, highHalf(table) | this.upper, lowHalf(table) | this.tableBits());
      }
    }
    return table;
  }

  /** Clear what lies between two addresses below a table; adds the tables taken out to a list. */
  private clear(
    table: number,
    level: number,
    base: number,
    from: number,
    to: number,
    taken: readonly number[],
  ): readonly number[] {
    const span = reach(level);
    let tables = taken;
    const first = Math.max(0, Math.floor((from - base) / span));
    const last = Math.min(511, Math.floor((to - 1 - base) / span));
    for (let index = first; index <= last; index++) {
      const entry = table + 8 * index;
      const [lo, hi] = this.memory.read64(entry);
      if (this.permissionsOf(lo) === 0) continue;
      const start = base + index * span;
      const isLeaf = level === 1 || (lo & PAGE_SIZE) !== 0;
      if (isLeaf) {
        this.memory.write64(entry, 0, 0);
        this.leaves[level]--;
        continue;
      }
      const below = addressIn(lo, hi);
      if (from <= start && to >= start + span) {
        this.memory.write64(entry, 0, 0);
        const list = tables === NONE ? [] : (tables as number[]);
        this.takeOut(below, level - 1, list);
        tables = list;
      } else {
        tables = this.clear(below, level - 1, start, from, to, tables);
      }
    }
    return tables;
  }

  /** Add a table and those below it to a list. Their entries stay: the unit may still be walking through them. */
  private takeOut(table: number, level: number, list: number[]): void {
    for (let index = 0; index < 512; index++) {
      const [lo, hi] = this.memory.read64(table + 8 * index);
      if (this.permissionsOf(lo) === 0) continue;
      if (level === 1 || (lo & PAGE_SIZE) !== 0) this.leaves[level]--;
      else this.takeOut(addressIn(lo, hi), level - 1, list);
    }
    list.push(table);
    this.tables--;
  }

  private newTable(): number {
    const table = this.frames.allocate();
    this.memory.clearPage(table);
    this.tables++;
    return table;
  }
}
