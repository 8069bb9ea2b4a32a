/**
 * The IOTLB: finished translations of pages of 4 KiB, 2 MiB and 1 GiB, in one pool.
 *
 * An entry is tagged by domain id and page address, not by the table it came from (VT-d chapter 6.2): two devices
 * with the same domain id share entries, whatever their tables say. First-stage and nested translations are tagged
 * by PASID as well; see `space.ts`.
 *
 * A unit in caching mode keeps second-stage entries that are not present or malformed here as well: VT-d chapter 6.1.
 */
import { join } from '../bits.ts';
import { belongsTo, pasidOf, SECOND_STAGE } from './space.ts';
import { type Replacement, TagStore } from './tag-store.ts';

/** Size classes: the level of the leaf, 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB. */
const CLASSES = [1, 2, 3] as const;

/** How an entry that translates nothing is kept, beside permissions that are all 0. */
export const ABSENT = 1 << 6;
export const MALFORMED = 1 << 7;

export type IotlbShape = {
  readonly sets: number;
  readonly ways: number;
  /** Least recently used if left out. */
  readonly replacement?: Replacement;
};

export type IotlbEntry = {
  readonly did: number;
  /** The PASID of a first-stage or nested translation, or null. */
  readonly pasid: number | null;
  readonly iova: number;
  readonly address: number;
  readonly level: number;
  readonly permissions: number;
};

export class Iotlb {
  readonly store: TagStore;
  /** Upper half of the page frame. */
  readonly frameHi: Int32Array;
  /**
   * Lower half of the page frame, with the accesses that need no further walk: R, W and X in bits 2:0, those of
   * supervisors in bits 5:3. W is missing as well where a write would have to set D in a table first.
   */
  readonly frameLo: Int32Array;
  /** Which size classes have ever been filled: a look-up skips the others. */
  private readonly live = new Int32Array(4);

  constructor({ sets, ways, replacement }: IotlbShape) {
    this.store = new TagStore(sets, ways, replacement);
    this.frameHi = new Int32Array(sets * ways);
    this.frameLo = new Int32Array(sets * ways);
  }

  /** The place that translates an address of a domain, or -1. `levelOf` tells its size. */
  find(did: number, hi: number, lo: number, space: number): number {
    const pageLo = (lo >>> 12) | (hi << 20);
    const tagB = (did << 13) | (hi >>> 12);
    if (this.live[1] !== 0) {
      const at = this.store.find(pageLo, tagB | (1 << 29), space);
      if (at >= 0) return at;
    }
    if (this.live[2] !== 0) {
      const at = this.store.find(pageLo & ~0x1ff, tagB | (2 << 29), space);
      if (at >= 0) return at;
    }
    if (this.live[3] !== 0) {
      return this.store.find(pageLo & ~0x3ffff, tagB | (3 << 29), space);
    }
    return -1;
  }

  /** 1, 2 or 3: the level of the leaf an entry was made from. */
  levelOf(at: number): number {
    return (this.store.tagB[at] >>> 29) & 3;
  }

  didOf(at: number): number {
    return (this.store.tagB[at] >>> 13) & 0xffff;
  }

  /** Keep a finished translation. */
  fill(
    did: number,
    hi: number,
    lo: number,
    level: number,
    frameHi: number,
    frameLo: number,
    permissions: number,
    space: number,
  ): number {
    const pageLo = (lo >>> 12) | (hi << 20);
    const below = 9 * (level - 1);
    const tagA = pageLo & ~((1 << below) - 1);
    const at = this.store.place(pageLo >>> below, tagA, (level << 29) | (did << 13) | (hi >>> 12), space);
    this.frameHi[at] = frameHi;
    this.frameLo[at] = frameLo | permissions;
    this.live[level] = 1;
    return at;
  }

  /** Keep that an entry of a level translates nothing, for as much of its reach as one place covers. */
  fillAbsent(did: number, hi: number, lo: number, level: number, how: number): void {
    this.fill(did, hi, lo, Math.min(level, 3), 0, 0, how, SECOND_STAGE);
  }

  /** ABSENT or MALFORMED, or 0 for an entry that translates. */
  absenceOf(at: number): number {
    return this.frameLo[at] & (ABSENT | MALFORMED);
  }

  clear(): void {
    this.store.clear();
    this.live.fill(0);
  }

  /** Drop all entries of a domain. Returns how many. */
  dropDomain(did: number): number {
    return this.dropWhere((at) => this.didOf(at) === did);
  }

  /** Drop the entries of one PASID of a domain. Returns how many. */
  dropPasid(did: number, pasid: number): number {
    return this.dropWhere((at) => this.didOf(at) === did && belongsTo(this.store.tagC[at], pasid));
  }

  /** Drop the first-stage and nested entries of a domain. Returns how many. */
  dropPasids(did: number): number {
    return this.dropWhere((at) => this.didOf(at) === did && this.store.tagC[at] !== SECOND_STAGE);
  }

  /** Likewise, the second-stage entries of a domain. */
  dropSecondStage(did: number): number {
    return this.dropWhere((at) => this.didOf(at) === did && this.store.tagC[at] === SECOND_STAGE);
  }

  /**
   * Drop the entries of a domain that overlap 2^mask pages around a page address, a large page whenever
   * it shares an address with the range: second-stage entries, or those of a PASID. Returns how many.
   */
  dropPages(did: number, hi: number, lo: number, mask: number, pasid = -1): number {
    const pages = 2 ** mask;
    const first = Math.floor(join(hi, lo) / 4096 / pages) * pages;
    return this.dropWhere((at) => {
      const space = this.store.tagC[at];
      if (this.didOf(at) !== did) return false;
      if (pasid < 0 ? space !== SECOND_STAGE : !belongsTo(space, pasid)) return false;
      const page = this.pageOf(at);
      const span = 2 ** (9 * (this.levelOf(at) - 1));
      return page < first + pages && page + span > first;
    });
  }

  /** All entries, for people to look at. */
  entries(): IotlbEntry[] {
    const entries: IotlbEntry[] = [];
    for (let at = 0; at < this.store.size; at++) {
      if (!this.store.occupied(at)) continue;
      entries.push({
        did: this.didOf(at),
        pasid: pasidOf(this.store.tagC[at]),
        iova: this.pageOf(at) * 4096,
        address: join(this.frameHi[at], this.frameLo[at] & ~0xfff),
        level: this.levelOf(at),
        permissions: this.frameLo[at] & 3,
      });
    }
    return entries;
  }

  private dropWhere(matches: (at: number) => boolean): number {
    let dropped = 0;
    for (let at = 0; at < this.store.size; at++) {
      if (!this.store.occupied(at) || !matches(at)) continue;
      this.store.drop(at);
      dropped++;
    }
    return dropped;
  }

  /** The number of the first page of an entry, in pages of 4 KiB. */
  private pageOf(at: number): number {
    return (this.store.tagA[at] >>> 0) + (this.store.tagB[at] & 0x1fff) * 2 ** 32;
  }
}

/** Bytes mapped by a leaf of a level. */
export const leafBytes = (level: number): number => 2 ** (12 + 9 * (level - 1));

export const leafLevels: readonly number[] = CLASSES;
