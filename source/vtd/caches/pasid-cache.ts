/**
 * The PASID cache: PASID table entries by source id and PASID, with their domain id for domain-selective
 * flushes. An entry stands for the directory entry above it as well. A unit in caching mode keeps what is not present or
 * malformed as well, with the fault it raises, for domain 0.
 */
import { ABSENT_DOMAIN } from './context-cache.ts';
import { TagStore } from './tag-store.ts';

export type PasidCacheShape = { readonly sets: number; readonly ways: number };

/** Words kept of an entry: all that hardware looks at, and FPD of the way down to it. */
export const PASID_WORDS = 8;
/** The word that keeps FPD of directory entry and table entry together. */
export const PASID_FPD = 6;
/** The word that keeps the fault of an entry that is not present or malformed, or 0. */
export const PASID_FAULT = 7;

export class PasidCache {
  readonly store: TagStore;
  readonly words: Int32Array;

  constructor({ sets, ways }: PasidCacheShape) {
    this.store = new TagStore(sets, ways);
    this.words = new Int32Array(PASID_WORDS * sets * ways);
  }

  /** The place of an entry, or -1. */
  find(sourceId: number, pasid: number): number {
    return this.store.find(sourceId, pasid, 0);
  }

  fill(sourceId: number, pasid: number, entry: Int32Array): void {
    const at = this.store.place(sourceId ^ pasid, sourceId, pasid, 0);
    for (let i = 0; i < PASID_WORDS; i++) this.words[PASID_WORDS * at + i] = entry[i];
  }

  clear(): void {
    this.store.clear();
  }

  /** Drop the entries of a domain. */
  dropDomain(did: number): void {
    for (let at = 0; at < this.store.size; at++) {
      if (this.store.occupied(at) && this.didOf(at) === did) this.store.drop(at);
    }
  }

  /**
   * Drop the entries of one PASID in a domain.
   *
   * @param absentInEvery whether entries with a fault, which have no domain of their own, count as of this one
   */
  dropPasid(did: number, pasid: number, absentInEvery: boolean): void {
    for (let at = 0; at < this.store.size; at++) {
      if (!this.store.occupied(at) || this.store.tagB[at] !== pasid) continue;
      const isAbsent = this.words[PASID_WORDS * at + PASID_FAULT] !== 0;
      if (this.didOf(at) === did || (isAbsent && absentInEvery)) this.store.drop(at);
    }
  }

  private didOf(at: number): number {
    const isAbsent = this.words[PASID_WORDS * at + PASID_FAULT] !== 0;
    return isAbsent ? ABSENT_DOMAIN : this.words[PASID_WORDS * at + 2] & 0xffff;
  }
}
