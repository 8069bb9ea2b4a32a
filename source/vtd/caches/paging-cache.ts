/**
 * Paging-structure caches: non-leaf entries of one stage, one cache for each level from 2 up.
 *
 * An entry read at level n covers 2^(12 + 9 (n - 1)) bytes and leads to a table of level n - 1; finding one
 * at level 2 leaves a single read of a walk. An entry keeps the permissions of the whole path down to it. Entries are
 * tagged as those of the IOTLB are; nested first-stage entries keep guest-physical table addresses.
 */
import { join } from '../bits.ts';
import { belongsTo, SECOND_STAGE } from './space.ts';
import { TagStore } from './tag-store.ts';

/** Entries of the caches for levels 5 to 2, each fully associative. */
export type PagingCacheShape = {
  readonly 5: number;
  readonly 4: number;
  readonly 3: number;
  readonly 2: number;
};

export class PagingCache {
  private readonly stores: (TagStore | null)[];
  private readonly tableHi: Int32Array[];
  private readonly tableLo: Int32Array[];

  constructor(shape: PagingCacheShape) {
    const size = (level: number) => (level < 2 ? 0 : shape[level as keyof PagingCacheShape]);
    const levels = [0, 1, 2, 3, 4, 5];
    this.stores = levels.map((level) => (size(level) > 0 ? new TagStore(1, size(level)) : null));
    this.tableHi = levels.map((level) => new Int32Array(size(level)));
    this.tableLo = levels.map((level) => new Int32Array(size(level)));
  }

  /** The place of an entry of a level, or -1; a use of it if `touch`. */
  find(level: number, did: number, hi: number, lo: number, touch: boolean, space: number): number {
    const store = this.stores[level];
    if (store === null) return -1;
    const at = store.find(upperLow(level, hi, lo), (did << 13) | upperHigh(level, hi), space);
    if (at >= 0 && touch) store.touch(at);
    return at;
  }

  /** Upper half of the address of the table that an entry leads to. */
  tableHiAt(level: number, at: number): number {
    return this.tableHi[level][at];
  }

  /** Lower half of that address, with the permissions of the path in its low bits. */
  tableLoAt(level: number, at: number): number {
    return this.tableLo[level][at];
  }

  fill(
    level: number,
    did: number,
    hi: number,
    lo: number,
    tableHi: number,
    tableLo: number,
    permissions: number,
    space: number,
  ) {
    const store = this.stores[level];
    if (store === null) return;
    const at = store.place(0, upperLow(level, hi, lo), (did << 13) | upperHigh(level, hi), space);
    this.tableHi[level][at] = tableHi;
    this.tableLo[level][at] = tableLo | permissions;
  }

  clear(): void {
    for (const store of this.stores) store?.clear();
  }

  dropDomain(did: number): void {
    this.dropWhere((tagB) => ((tagB >>> 13) & 0xffff) === did);
  }

  /** Drop the entries of one PASID of a domain. */
  dropPasid(did: number, pasid: number): void {
    this.dropWhere((tagB, _tagA, tagC) => ((tagB >>> 13) & 0xffff) === did && belongsTo(tagC, pasid));
  }

  /** Drop entries of a domain, or of a PASID in it, that cover an address of a range of 2^mask pages. */
  dropPages(did: number, hi: number, lo: number, mask: number, pasid = -1): void {
    const pages = 2 ** mask;
    const first = Math.floor(join(hi, lo) / 4096 / pages) * pages;
    this.dropWhere((tagB, tagA, tagC, level) => {
      if (((tagB >>> 13) & 0xffff) !== did) return false;
      if (pasid < 0 ? tagC !== SECOND_STAGE : !belongsTo(tagC, pasid)) return false;
      const page = (tagA >>> 0) + (tagB & 0x1fff) * 2 ** 32;
      return page < first + pages && page + 2 ** (9 * (level - 1)) > first;
    });
  }

  /** Entries in use at a level. */
  count(level: number): number {
    return this.stores[level]?.count() ?? 0;
  }

  private dropWhere(matches: (tagB: number, tagA: number, tagC: number, level: number) => boolean): void {
    this.stores.forEach((store, level) => {
      if (store === null) return;
      for (let at = 0; at < store.size; at++) {
        if (store.occupied(at) && matches(store.tagB[at], store.tagA[at], store.tagC[at], level))
          store.drop(at);
      }
    });
  }
}

/** The lower 32 bits of the page number with the bits below a level's reach cleared. */
function upperLow(level: number, hi: number, lo: number): number {
  const page = (lo >>> 12) | (hi << 20);
  const below = 9 * (level - 1);
  return below >= 32 ? 0 : page & ~((1 << below) - 1);
}

/** The upper bits of the page number, likewise: an entry of level 5 reaches past the lower 32. */
const upperHigh = (level: number, hi: number): number => (level === 5 ? (hi >>> 16) << 4 : hi >>> 12);
