/** Primary fault logging: the ring of fault recording registers. VT-d specification, chapter 7.2.1. */
import { faultRecord } from '../formats/fault-record.ts';
import { EXECUTE, READ, WRITE } from '../formats/paging-entry.ts';
import type { Uncertain } from '../unit/uncertain.ts';

const { FR, T1, T2, AT, F, SID, PRIV, EXE, PP, PV } = faultRecord.fields;
const HELD = F.mask << F.shift;

/** `first`: stored, and no other record was pending, so that the unit raises its fault event. */
export type Recorded = 'first' | 'recorded' | 'duplicate' | 'overflow';

export class FaultLog {
  /** Four 32-bit words a record, as software reads them. */
  readonly words: Int32Array;
  readonly records: number;
  /** FSTS.PFO: a fault was lost. */
  overflow = false;
  /** FSTS.FRI: the record first filled when the log last was empty. */
  first = 0;
  private next = 0;
  private readonly compression: Uncertain['faultCompression'];

  constructor(records: number, compression: Uncertain['faultCompression']) {
    this.records = records;
    this.compression = compression;
    this.words = new Int32Array(4 * records);
  }

  /** FSTS.PPF: whether any record holds a fault. Derived, never stored. */
  get pending(): boolean {
    for (let i = 0; i < this.records; i++) if (this.holds(i)) return true;
    return false;
  }

  holds(index: number): boolean {
    return (this.words[4 * index + 3] & HELD) !== 0;
  }

  /**
   * Store a fault.
   *
   * @param access READ, WRITE, or both for an atomic operation; EXECUTE beside READ; neither for a page request
   * @param pasid of a request with PASID, or -1
   * @param privileged whether a request with PASID asked as a supervisor
   * @param addressType the AT field: 0 untranslated, 1 translation, 2 translated
   */
  record(
    sourceId: number,
    hi: number,
    lo: number,
    reason: number,
    access: number,
    pasid = -1,
    privileged = false,
    addressType = 0,
  ): Recorded {
    if (this.overflow) return 'overflow';
    if (this.compression !== 'none') {
      for (let i = 0; i < this.records; i++)
        if (this.holds(i) && this.isSame(i, sourceId, hi, lo, reason)) return 'duplicate';
    }
    if (this.holds(this.next)) {
      this.overflow = true;
      return 'overflow';
    }
    const wasEmpty = !this.pending;
    if (wasEmpty) this.first = this.next;
    const at = 4 * this.next;
    this.words[at] = lo & ~0xfff;
    this.words[at + 1] = hi;
    const isRead = (access & READ) !== 0;
    const moves = access & (READ | WRITE);
    const isOther = moves === 0 || moves === (READ | WRITE);
    let tagged = 0;
    if (pasid >= 0) {
      tagged = 1 << PP.shift;
      if (privileged) tagged |= 1 << PRIV.shift;
      if ((access & EXECUTE) !== 0) tagged |= 1 << EXE.shift;
    }
    this.words[at + SID.word] = sourceId | tagged | ((isOther ? 1 : 0) << T2.shift);
    const pasidBits = pasid >= 0 ? pasid << PV.shift : 0;
    this.words[at + 3] =
      pasidBits | (reason << FR.shift) | (addressType << AT.shift) | ((isRead ? 1 : 0) << T1.shift) | HELD;
    this.next = (this.next + 1) % this.records;
    return wasEmpty ? 'first' : 'recorded';
  }

  /** Compression, chapter 7.2.1, optional: whether a record that is held stands for a fault as well. */
  private isSame(index: number, sourceId: number, hi: number, lo: number, reason: number): boolean {
    const { words } = this;
    const at = 4 * index;
    if ((words[at + 2] & 0xffff) !== sourceId) return false;
    if (this.compression === 'source') return true;
    const held = (words[at + 3] >>> FR.shift) & FR.mask;
    return held === reason && words[at] === (lo & ~0xfff) && words[at + 1] === hi;
  }

  /** Software wrote 1 to the F bit of a record. */
  release(index: number): void {
    this.words[4 * index + 3] &= ~HELD;
  }
}
