/**
 * The IOTLB: finished translations of pages of 4 KiB, 2 MiB and 1 GiB, in one pool.
 *
 * In legacy mode an entry is tagged by domain id and page address, not by the table it came from
 * (VT-d chapter 6.2): two devices with the same domain id share entries, whatever their tables say.
 */
import { join } from './bits.ts';
import { TagStore } from './tag-store.ts';

/** Size classes: the level of the leaf, 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB. */
const CLASSES = [1, 2, 3] as const;

export type IotlbShape = { readonly sets: number; readonly ways: number };

export type IotlbEntry = {
  readonly did: number;
  readonly iova: number;
  readonly address: number;
  readonly level: number;
  readonly permissions: number;
};

export class Iotlb {
  readonly store: TagStore;
  /** Upper half of the page frame. */
  readonly frameHi: Int32Array;
  /** Lower half of the page frame, with R and W of the whole walk in bits 1:0. */
  readonly frameLo: Int32Array;
  /** Which size classes have ever been filled: a look-up skips the others. */
  private readonly live = new Int32Array(4);

  constructor({ sets, ways }: IotlbShape) {
    this.store = new TagStore(sets, ways);
    this.frameHi = new Int32Array(sets * ways);
    this.frameLo = new Int32Array(sets * ways);
  }

  /** The place that translates an address of a domain, or -1. `levelOf` tells its size. */
  find(did: number, hi: number, lo: number): number {
    const pageLo = (lo >>> 12) | (hi << 20);
    const tagB = (did << 13) | (hi >>> 12);
    if (this.live[1] !== 0) {
      const at = this.store.find(pageLo, pageLo, tagB | (1 << 29));
      if (at >= 0) return at;
    }
    if (this.live[2] !== 0) {
      const at = this.store.find(pageLo >>> 9, pageLo & ~0x1ff, tagB | (2 << 29));
      if (at >= 0) return at;
    }
    if (this.live[3] !== 0) {
      return this.store.find(pageLo >>> 18, pageLo & ~0x3ffff, tagB | (3 << 29));
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
  ) {
    const pageLo = (lo >>> 12) | (hi << 20);
    const below = 9 * (level - 1);
    const tagA = pageLo & ~((1 << below) - 1);
    const at = this.store.place(pageLo >>> below, tagA, (level << 29) | (did << 13) | (hi >>> 12));
    this.frameHi[at] = frameHi;
    this.frameLo[at] = frameLo | permissions;
    this.live[level] = 1;
  }

  clear(): void {
    this.store.clear();
    this.live.fill(0);
  }

  /** Drop all entries of a domain. Returns how many. */
  dropDomain(did: number): number {
    let dropped = 0;
    for (let at = 0; at < this.store.size; at++) {
      if (this.store.occupied(at) && this.didOf(at) === did) {
        this.store.drop(at);
        dropped++;
      }
    }
    return dropped;
  }

  /**
   * Drop the entries of a domain that overlap 2^mask pages around a page address, a large page whenever
   * it shares an address with the range. Returns how many.
   */
  dropPages(did: number, hi: number, lo: number, mask: number): number {
    const pages = 2 ** mask;
    const first = Math.floor(join(hi, lo) / 4096 / pages) * pages;
    let dropped = 0;
    for (let at = 0; at < this.store.size; at++) {
      if (!this.store.occupied(at) || this.didOf(at) !== did) continue;
      const page = this.pageOf(at);
      const span = 2 ** (9 * (this.levelOf(at) - 1));
      if (page < first + pages && page + span > first) {
        this.store.drop(at);
        dropped++;
      }
    }
    return dropped;
  }

  /** All entries, for people to look at. */
  entries(): IotlbEntry[] {
    const entries: IotlbEntry[] = [];
    for (let at = 0; at < this.store.size; at++) {
      if (!this.store.occupied(at)) continue;
      entries.push({
        did: this.didOf(at),
        iova: this.pageOf(at) * 4096,
        address: join(this.frameHi[at], this.frameLo[at] & ~0xfff),
        level: this.levelOf(at),
        permissions: this.frameLo[at] & 3,
      });
    }
    return entries;
  }

  /** The number of the first page of an entry, in pages of 4 KiB. */
  private pageOf(at: number): number {
    return (this.store.tagA[at] >>> 0) + (this.store.tagB[at] & 0x1fff) * 2 ** 32;
  }
}

/** Bytes mapped by a leaf of a level. */
export const leafBytes = (level: number): number => 2 ** (12 + 9 * (level - 1));

export const leafLevels: readonly number[] = CLASSES;
