/**
 * A device TLB: the translations that an endpoint keeps of what the unit answered. It has a capacity of its own, and
 * forgets when the unit says so. PCIe chapter 10 (Address Translation Services).
 */

import { EXECUTE, READ, WRITE } from '../formats/paging-entry.ts';
import { sizeBitsOf, translationCompletion } from '../formats/translation-completion.ts';
import type { InvalidateMessage } from './endpoint-link.ts';

const { EXE, PRIV, GLOBAL, S } = translationCompletion.fields;

export type DeviceTlbEntry = {
  readonly pasid: number;
  readonly isPrivileged: boolean;
  readonly isGlobal: boolean;
  readonly hi: number;
  readonly lo: number;
  readonly frameHi: number;
  readonly frameLo: number;
  readonly sizeBits: number;
  /** READ, WRITE and EXECUTE. */
  readonly permissions: number;
};

export class DeviceTlb {
  readonly capacity: number;
  /** The output address of the last look-up that found something. */
  outHi = 0;
  outLo = 0;
  /** Most recently used last. */
  private readonly kept: DeviceTlbEntry[] = [];

  /** @param capacity translations of any size, fully associative, the least recently used one goes */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get entries(): readonly DeviceTlbEntry[] {
    return this.kept;
  }

  /**
   * The entry for an address, or null; its output address goes to `outHi` and `outLo`.
   *
   * @param pasid of a request with PASID, or -1
   */
  find(hi: number, lo: number, pasid: number, isPrivileged: boolean): DeviceTlbEntry | null {
    const at = this.kept.findIndex(
      (entry) =>
        (entry.pasid === pasid || (entry.isGlobal && pasid >= 0)) &&
        entry.isPrivileged === isPrivileged &&
        shareRange(entry.hi, entry.lo, hi, lo, entry.sizeBits),
    );
    if (at < 0) return null;
    const [entry] = this.kept.splice(at, 1);
    this.kept.push(entry);
    this.outHi = (entry.frameHi & highMask(entry.sizeBits)) | (hi & ~highMask(entry.sizeBits));
    this.outLo = (entry.frameLo & lowMask(entry.sizeBits)) | (lo & ~lowMask(entry.sizeBits));
    return entry;
  }

  /** Keep what a successful completion said about an address. */
  fill(hi: number, lo: number, pasid: number, completionHi: number, completionLo: number): void {
    const sizeBits = sizeBitsOf(completionHi, completionLo, isSet(completionLo, S));
    const isPrivileged = isSet(completionLo, PRIV);
    this.drop(
      (entry) =>
        entry.pasid === pasid &&
        entry.isPrivileged === isPrivileged &&
        shareRange(entry.hi, entry.lo, hi, lo, Math.max(entry.sizeBits, sizeBits)),
    );
    if (this.kept.length >= this.capacity) this.kept.shift();
    this.kept.push({
      pasid,
      isPrivileged,
      isGlobal: isSet(completionLo, GLOBAL),
      hi: hi & highMask(sizeBits),
      lo: lo & lowMask(sizeBits),
      frameHi: completionHi & highMask(sizeBits),
      frameLo: completionLo & lowMask(sizeBits),
      sizeBits,
      permissions: (completionLo & (READ | WRITE)) | (isSet(completionLo, EXE) ? EXECUTE : 0),
    });
  }

  /** Forget what shares an address with a range. Returns how many entries went. */
  invalidate({ pasid, isGlobal, hi, lo, sizeBits }: InvalidateMessage): number {
    return this.drop(
      (entry) =>
        (entry.pasid === pasid || (isGlobal && entry.pasid >= 0)) &&
        shareRange(entry.hi, entry.lo, hi, lo, Math.max(entry.sizeBits, sizeBits)),
    );
  }

  clear(): void {
    this.kept.length = 0;
  }

  private drop(matches: (entry: DeviceTlbEntry) => boolean): number {
    const before = this.kept.length;
    for (let at = before - 1; at >= 0; at--) if (matches(this.kept[at])) this.kept.splice(at, 1);
    return before - this.kept.length;
  }
}

const isSet = (word: number, field: { readonly shift: number }): boolean =>
  ((word >>> field.shift) & 1) !== 0;

/** The bits of each half of an address that lie above a size. */
const lowMask = (sizeBits: number): number => (sizeBits >= 32 ? 0 : ~((1 << sizeBits) - 1));
const highMask = (sizeBits: number): number =>
  sizeBits <= 32 ? -1 : sizeBits >= 64 ? 0 : ~((1 << (sizeBits - 32)) - 1);

const shareRange = (hi: number, lo: number, otherHi: number, otherLo: number, sizeBits: number): boolean =>
  ((hi ^ otherHi) & highMask(sizeBits)) === 0 && ((lo ^ otherLo) & lowMask(sizeBits)) === 0;
