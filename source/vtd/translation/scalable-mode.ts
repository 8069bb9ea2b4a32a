/**
 * What happens to a request in scalable mode: root, context and PASID structures, and then the tables that the PASID
 * table entry names. VT-d specification, chapters 3.4 and 7.
 */
import { join } from '../bits.ts';
import { PASID_FAULT, PASID_FPD, PASID_WORDS } from '../caches/pasid-cache.ts';
import { FIRST_STAGE, NESTED, SECOND_STAGE } from '../caches/space.ts';
import { Fault } from '../faults/fault-reason.ts';
import { EXECUTE, READ, WRITE } from '../formats/paging-entry.ts';
import { pasidDirectoryEntry } from '../formats/pasid-directory-entry.ts';
import { PageTableType, pasidTableEntry } from '../formats/pasid-table-entry.ts';
import { scalableContextEntry } from '../formats/scalable-context-entry.ts';
import { scalableRootEntry } from '../formats/scalable-root-entry.ts';
import { Counter, type Counts } from '../performance/counters.ts';
import { CANONICAL_HI, FirstStageWalker, SUPERVISOR_SHIFT } from './first-stage-walker.ts';
import { AddressType, AS_PERMITTED } from './request-kind.ts';
import type { Stage } from './step.ts';
import { OFFSET, Outcome, SNOOP, TABLE_HI } from './walker.ts';

const { ctxt_cache_lookup, ctxt_cache_hit, pasid_cache_lookup, pasid_cache_hit } = Counter;
const { iotlb_lookup, page_walks } = Counter;

const bitOf = (field: { mask: number; shift: number }) => field.mask << field.shift;
const PRESENT = bitOf(scalableRootEntry.fields.LP);
const FPD = bitOf(scalableContextEntry.fields.FPD);
const DTE = bitOf(scalableContextEntry.fields.DTE);
const PASIDE = bitOf(scalableContextEntry.fields.PASIDE);
const PRE = bitOf(scalableContextEntry.fields.PRE);
const { PDTS, RID_PASID } = scalableContextEntry.fields;
const RID_PRIV = bitOf(scalableContextEntry.fields.RID_PRIV);
const { AW, PGTT, DID, FSPM } = pasidTableEntry.fields;
const SSADE = bitOf(pasidTableEntry.fields.SSADE);
const PGSNP = bitOf(pasidTableEntry.fields.PGSNP);
const SRE = bitOf(pasidTableEntry.fields.SRE);
const ERE = bitOf(pasidTableEntry.fields.ERE);
const CONTEXT_WORDS = scalableContextEntry.bits / 32;
const TABLE_ENTRY_WORDS = pasidTableEntry.bits / 32;
/** Entries of a PASID table, and the PASIDs of the smallest directory, as powers of two. */
const TABLE_BITS = 6;
const SMALLEST_DIRECTORY = 13;
const FIVE_LEVELS = 1;

export class ScalableMode extends FirstStageWalker {
  private readonly scalableRootReserved = scalableRootEntry.reserved(this.capabilities);
  private readonly scalableContextReserved = this.reservedInContext();
  private readonly directoryReserved = pasidDirectoryEntry.reserved(this.capabilities);
  private readonly entryReserved = pasidTableEntry.reserved(this.capabilities);
  /** A context or PASID table entry as it was read. */
  private readonly read = new Int32Array(TABLE_ENTRY_WORDS);
  /** FPD of what was read so far. */
  private fpd = 0;

  private reservedInContext(): Int32Array {
    const reserved = scalableContextEntry.reserved(this.capabilities);
    if (!this.uncertain.contextBits65Reserved) reserved[0] &= ~0x60;
    return reserved;
  }

  /** An untranslated request in scalable mode; one with PASID if `pasid` is not negative. */
  protected translateScalable(
    mine: Counts,
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
  ): number {
    this.fpd = 0;
    let fault = this.findScalableContext(mine, sourceId) || this.checkKind();
    if (fault === 0 && this.addressType === AddressType.TRANSLATED) {
      const { SM_BEYOND_HOST_WIDTH, SM_INTERRUPT_RANGE } = Fault;
      const { fpd } = this;
      return this.passTranslated(
        mine,
        sourceId,
        hi,
        lo,
        access,
        SM_BEYOND_HOST_WIDTH,
        SM_INTERRUPT_RANGE,
        fpd,
      );
    }
    fault ||= this.findPasidEntry(mine, sourceId) || this.checkRequest(access);
    if (fault !== 0) return this.refuse(mine, sourceId, hi, lo, access, fault);
    const { entry } = this;
    this.did = (entry[DID.word] >>> DID.shift) & DID.mask;
    const type = this.pageTableType();
    this.usedTables = 1 << type;
    this.lastPasid = this.usedPasid();
    if (type === PageTableType.PASS_THROUGH) return this.passThrough(mine, sourceId, hi, lo, access);

    let space = SECOND_STAGE;
    let tagHi = hi;
    let needed = access & (this.honoured() | AS_PERMITTED);
    let writable: number = WRITE;
    let hasFlags = (entry[0] & SSADE) !== 0;
    const isSupervisor = this.isSupervisor();
    if (type === PageTableType.SECOND_STAGE) {
      if (this.isBeyondSecondStage(hi)) {
        const beyond = this.secondStageFaults.beyondWidth;
        if (this.steps !== null) this.note('width', 'blocked', 'above min(MGAW, AGAW)', beyond);
        return this.refuse(mine, sourceId, hi, lo, access, beyond);
      }
    } else {
      // Bits from the sign on must be equal.
      const sign = ((entry[FSPM.word] >>> FSPM.shift) & FSPM.mask) === FIVE_LEVELS ? hi >> 24 : hi >> 15;
      if (sign !== 0 && sign !== -1) {
        if (this.steps !== null)
          this.note('width', 'blocked', 'chapter 3.6: the address is not canonical', Fault.NOT_CANONICAL);
        return this.refuse(mine, sourceId, hi, lo, access, Fault.NOT_CANONICAL);
      }
      space = (type === PageTableType.NESTED ? NESTED : FIRST_STAGE) | this.usedPasid();
      tagHi = hi & CANONICAL_HI;
      needed = isSupervisor ? access << SUPERVISOR_SHIFT : access;
      if (isSupervisor) writable = WRITE << SUPERVISOR_SHIFT;
      hasFlags = true;
    }

    this.count(mine, iotlb_lookup);
    const at = this.cold ? -1 : this.iotlb.find(this.did, tagHi, lo, space);
    if (
      at >= 0 &&
      (access < 0
        ? this.settles(at, access, writable, hasFlags)
        : (this.iotlb.frameLo[at] & needed) === needed)
    ) {
      this.answerFromIotlb(mine, at, lo);
      if (this.landsInInterruptRange(Fault.SM_INTERRUPT_RANGE)) {
        return this.refuse(mine, sourceId, hi, lo, access, Fault.SM_INTERRUPT_RANGE);
      }
      return Outcome.HIT;
    }
    if (this.steps !== null)
      this.noteIotlb(
        'miss',
        0,
        at < 0 ? 'chapter 6.2: not in the IOTLB' : 'chapter 6.2: cached without this permission',
      );
    const walkFault =
      type === PageTableType.SECOND_STAGE
        ? this.walkAlone(mine, hi, lo, needed)
        : this.walkFirstStage(mine, hi, lo, access, isSupervisor, type === PageTableType.NESTED, space);
    this.guestLevel = -1;
    if (walkFault !== 0) return this.refuse(mine, sourceId, hi, lo, access, walkFault);
    return Outcome.WALKED;
  }

  private refuse(
    mine: Counts,
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
    fault: number,
  ): number {
    return this.blocked(mine, sourceId, hi, lo, access, fault, this.fpd);
  }

  /** PGTT = 100b: the address is used unchanged, if it can be one of memory. */
  private passThrough(mine: Counts, sourceId: number, hi: number, lo: number, access: number): number {
    let fault = 0;
    if (hi >>> (this.capabilities.hostAddressWidth - 32) !== 0) fault = Fault.SM_BEYOND_HOST_WIDTH;
    else if (this.inInterruptRange()) fault = Fault.SM_INTERRUPT_RANGE;
    if (this.steps !== null)
      this.note(
        'pass-through',
        fault === 0 ? 'passed' : 'blocked',
        'chapter 9.6: PGTT = 100b, the address is used unchanged',
        fault,
      );
    return fault === 0 ? Outcome.PASSED : this.refuse(mine, sourceId, hi, lo, access, fault);
  }

  /** The second stage without a first. Returns a fault or 0. */
  private walkAlone(mine: Counts, hi: number, lo: number, access: number): number {
    this.count(mine, page_walks);
    const fault = this.walkSecond(mine, hi, lo, access, this.honoured());
    if (fault !== 0) return fault;
    const { leafLevel, leafHi, leafLo } = this;
    // The honoured permissions; a missing dirty flag takes the write away until a write has set it.
    const permissions =
      (this.leafDirty ? this.leafPermissions : this.leafPermissions & ~WRITE) | this.leafSnoop;
    return this.finish(
      hi,
      lo,
      leafLevel,
      leafHi,
      leafLo,
      permissions,
      SECOND_STAGE,
      Fault.SM_INTERRUPT_RANGE,
    );
  }

  /** The PASID that a request uses: its own, or that of requests without. */
  private usedPasid(): number {
    if (this.pasid >= 0) return this.pasid;
    return this.capabilities.ridPasid ? this.context[RID_PASID.word] & RID_PASID.mask : 0;
  }

  protected isSupervisor(): boolean {
    if (this.pasid >= 0) return this.privileged;
    return (this.context[RID_PASID.word] & RID_PRIV) !== 0;
  }

  /** READ, WRITE and EXECUTE that the last translation grants to a request that takes what is permitted. */
  protected permissionsGranted(): number {
    const all = READ | WRITE | EXECUTE;
    if (!this.isScalable) return this.outPermissions & all;
    // A second stage that does not honour X permits to execute what can be read.
    if (this.pageTableType() === PageTableType.SECOND_STAGE)
      return (this.outPermissions & all) | (~this.honoured() & EXECUTE);
    return (this.isSupervisor() ? this.outPermissions >> SUPERVISOR_SHIFT : this.outPermissions) & all;
  }

  /** Whether accesses through the last translation must snoop: PGSNP for all of a PASID, or SNP of the page. */
  protected snoops(isPassed: boolean): boolean {
    if (this.isScalable && (this.entry[pasidTableEntry.fields.PGSNP.word] & PGSNP) !== 0) return true;
    return !isPassed && (this.outPermissions & SNOOP) !== 0;
  }

  /** Whether the context entry allows a page request: chapter 7.4. Returns an outcome, PASSED or BLOCKED. */
  protected pageRequestScalable(
    mine: Counts,
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
  ): number {
    this.fpd = 0;
    const fault = this.findScalableContext(mine, sourceId) || this.checkPre() || this.checkKind();
    return fault === 0 ? Outcome.PASSED : this.refuse(mine, sourceId, hi, lo, access, fault);
  }

  private checkPre(): number {
    if ((this.context[0] & PRE) !== 0) return 0;
    const fault = Fault.NO_PAGE_REQUESTS;
    if (this.steps !== null)
      this.note('context entry', 'blocked', 'chapter 9.4: PRE', fault, 0, null, this.wholeContext());
    return fault;
  }

  private pageTableType(): number {
    return (this.entry[0] >>> PGTT.shift) & PGTT.mask;
  }

  /** Root and context entry of a requester, from the cache or from memory, into `context`. Returns a fault or 0. */
  private findScalableContext(mine: Counts, sourceId: number): number {
    const { context, memory } = this;
    this.count(mine, ctxt_cache_lookup);
    const place = this.cold ? -1 : this.contextCache.find(sourceId);
    if (place >= 0) {
      const { words } = this.contextCache;
      for (let i = 0; i < 4; i++) context[i] = words[4 * place + i];
      this.fpd = context[0] & FPD;
      this.count(mine, ctxt_cache_hit);
      if (!this.probing) this.contextCache.touch(place);
      const kept = this.contextCache.faults[place];
      if (this.steps !== null)
        this.noteKept('context cache', kept, kept === Fault.SM_CONTEXT_NOT_PRESENT, this.wholeContext());
      return kept;
    }
    if (this.steps !== null)
      this.note('context cache', 'miss', 'chapter 6.2: the context entry is not cached');

    const half = (sourceId >>> 7) & 1;
    const rootAt = this.rootLo + 16 * (sourceId >>> 8) + 8 * half;
    if (!this.readEntry(mine, this.rootHi, rootAt)) {
      if (this.steps !== null)
        this.noteEntry('root entry', this.rootHi, rootAt, [], Fault.SM_ROOT_READ_ERROR);
      return Fault.SM_ROOT_READ_ERROR;
    }
    const root0 = memory.lo;
    const root1 = memory.hi;
    const reserved = this.scalableRootReserved;
    let fault = 0;
    if ((root0 & PRESENT) === 0) fault = Fault.SM_ROOT_NOT_PRESENT;
    else if (((root0 & reserved[2 * half]) | (root1 & reserved[2 * half + 1])) !== 0) {
      fault = Fault.SM_ROOT_RESERVED;
    }
    if (this.steps !== null) this.noteEntry('root entry', this.rootHi, rootAt, [root0, root1], fault);
    if (fault !== 0) return fault;

    const contextHi = root1 & TABLE_HI;
    const contextAt = (root0 & ~OFFSET) + 32 * (sourceId & 0x7f);
    if (!this.readWords(mine, contextHi, contextAt, CONTEXT_WORDS)) {
      if (this.steps !== null)
        this.noteEntry('context entry', contextHi, contextAt, [], Fault.SM_CONTEXT_READ_ERROR);
      return Fault.SM_CONTEXT_READ_ERROR;
    }
    for (let i = 0; i < 4; i++) context[i] = this.read[i];
    this.fpd = context[0] & FPD;
    if ((context[0] & PRESENT) === 0) fault = Fault.SM_CONTEXT_NOT_PRESENT;
    else if (this.hasReserved(this.scalableContextReserved)) fault = Fault.SM_CONTEXT_RESERVED;
    else if (this.directoryBits() > Math.max(SMALLEST_DIRECTORY, this.capabilities.pasidWidth)) {
      fault = Fault.SM_CONTEXT_INVALID;
    }
    if (this.steps !== null)
      this.noteEntry(
        'context entry',
        contextHi,
        contextAt,
        Array.from(this.read.subarray(0, CONTEXT_WORDS)),
        fault,
      );
    if ((fault === 0 || this.keepsAbsent) && !this.probing)
      this.contextCache.fill(sourceId, context[0], context[1], context[2], context[3], fault);
    return fault;
  }

  /** Whether the context entry allows this kind of request. Returns a fault or 0. */
  private checkKind(): number {
    const beyond = this.usedPasid() >>> this.directoryBits() !== 0;
    const usesDeviceTlb = this.addressType !== AddressType.UNTRANSLATED;
    let fault = 0;
    if (usesDeviceTlb && (this.context[0] & DTE) === 0) fault = Fault.NO_DEVICE_TLB;
    else if (this.pasid < 0) {
      if (beyond) fault = Fault.RID_PASID_INVALID;
    } else if ((this.context[0] & PASIDE) === 0) fault = Fault.PASID_NOT_ENABLED;
    else if (beyond) fault = Fault.PASID_BEYOND_DIRECTORY;
    if (fault !== 0 && this.steps !== null)
      this.note(
        'context entry',
        'blocked',
        'chapter 9.4: DTE, PASIDE and PDTS',
        fault,
        0,
        null,
        this.wholeContext(),
      );
    return fault;
  }

  /** PASIDs of this directory, as a power of two. */
  private directoryBits(): number {
    return ((this.context[0] >>> PDTS.shift) & PDTS.mask) + SMALLEST_DIRECTORY;
  }

  /** The PASID table entry, from the cache or over the directory, into `entry`. Returns a fault or 0. */
  private findPasidEntry(mine: Counts, sourceId: number): number {
    const { entry, context, memory } = this;
    const pasid = this.usedPasid();
    this.count(mine, pasid_cache_lookup);
    const place = this.cold ? -1 : this.pasidCache.find(sourceId, pasid);
    if (place >= 0) {
      const { words } = this.pasidCache;
      for (let i = 0; i < PASID_WORDS; i++) entry[i] = words[PASID_WORDS * place + i];
      this.fpd |= entry[PASID_FPD];
      this.count(mine, pasid_cache_hit);
      if (!this.probing) this.pasidCache.store.touch(place);
      const kept = entry[PASID_FAULT];
      if (this.steps !== null) {
        const isAbsent = kept === Fault.DIRECTORY_NOT_PRESENT || kept === Fault.PASID_NOT_PRESENT;
        this.noteKept('PASID cache', kept, isAbsent, entry.subarray(0, PASID_FPD));
      }
      return kept;
    }
    if (this.steps !== null)
      this.note('PASID cache', 'miss', 'chapter 6.2: the PASID table entry is not cached');

    const directoryLo = context[0] & ~OFFSET;
    const index = 8 * (pasid >>> TABLE_BITS);
    // A directory may be larger than a page, and so cross from one 4 GiB into the next.
    const directoryAt = (directoryLo + index) | 0;
    const directoryHi = context[1] + (directoryAt >>> 0 < directoryLo >>> 0 ? 1 : 0);
    if (!this.readEntry(mine, directoryHi, directoryAt)) {
      if (this.steps !== null)
        this.noteEntry('PASID directory entry', directoryHi, directoryAt, [], Fault.DIRECTORY_READ_ERROR);
      return Fault.DIRECTORY_READ_ERROR;
    }
    const tableLo = memory.lo;
    const tableHi = memory.hi;
    const reserved = this.directoryReserved;
    this.fpd |= tableLo & FPD;
    let fault = 0;
    if ((tableLo & PRESENT) === 0) fault = Fault.DIRECTORY_NOT_PRESENT;
    else if (((tableLo & reserved[0]) | (tableHi & reserved[1])) !== 0) fault = Fault.DIRECTORY_RESERVED;
    if (this.steps !== null)
      this.noteEntry('PASID directory entry', directoryHi, directoryAt, [tableLo, tableHi], fault);
    if (fault !== 0) {
      entry.fill(0);
      entry[PASID_FPD] = tableLo & FPD;
      this.keepPasidEntry(sourceId, pasid, fault);
      return fault;
    }

    const entryHi = tableHi & TABLE_HI;
    const entryAt = (tableLo & ~OFFSET) + 64 * (pasid & ((1 << TABLE_BITS) - 1));
    if (!this.readWords(mine, entryHi, entryAt, TABLE_ENTRY_WORDS)) {
      if (this.steps !== null)
        this.noteEntry('PASID table entry', entryHi, entryAt, [], Fault.PASID_READ_ERROR);
      return Fault.PASID_READ_ERROR;
    }
    for (let i = 0; i < PASID_FPD; i++) entry[i] = this.read[i];
    entry[PASID_FPD] = (tableLo | entry[0]) & FPD;
    this.fpd |= entry[PASID_FPD];
    if ((entry[0] & PRESENT) === 0) fault = Fault.PASID_NOT_PRESENT;
    else if (this.hasReserved(this.entryReserved)) fault = Fault.PASID_RESERVED;
    else if (!this.isProgrammed()) fault = Fault.PASID_INVALID;
    if (this.steps !== null)
      this.noteEntry('PASID table entry', entryHi, entryAt, Array.from(this.read), fault);
    this.keepPasidEntry(sourceId, pasid, fault);
    return fault;
  }

  /** Keep `entry`, and one that raises a fault only in caching mode. */
  private keepPasidEntry(sourceId: number, pasid: number, fault: number): void {
    if (this.probing || (fault !== 0 && !this.keepsAbsent)) return;
    this.entry[PASID_FAULT] = fault;
    this.pasidCache.fill(sourceId, pasid, this.entry);
  }

  /** Whether the unit can do what a PASID table entry asks for. */
  private isProgrammed(): boolean {
    const { entry, capabilities } = this;
    const type = (entry[0] >>> PGTT.shift) & PGTT.mask;
    const hasWidth = ((1 << ((entry[0] >>> AW.shift) & AW.mask)) & capabilities.sagaw) !== 0;
    const mode = (entry[FSPM.word] >>> FSPM.shift) & FSPM.mask;
    const hasMode = mode === 0 || (mode === FIVE_LEVELS && capabilities.fiveLevelFirstStage);
    switch (type) {
      case PageTableType.FIRST_STAGE:
        return capabilities.firstStage && hasMode;
      case PageTableType.SECOND_STAGE:
        return capabilities.secondStage && hasWidth;
      case PageTableType.NESTED:
        return capabilities.nested && hasMode && hasWidth;
      case PageTableType.PASS_THROUGH:
        return capabilities.passThrough;
    }
    return false;
  }

  /** Whether the PASID table entry allows what a request asks for besides its access. Returns a fault or 0. */
  private checkRequest(access: number): number {
    const controls = this.entry[FSPM.word];
    let fault = 0;
    if ((access & EXECUTE) !== 0 && (controls & ERE) === 0) fault = Fault.NO_EXECUTE_REQUESTS;
    else if (this.isSupervisor() && (controls & SRE) === 0) fault = Fault.NO_SUPERVISOR_REQUESTS;
    if (fault !== 0 && this.steps !== null)
      this.note('PASID table entry', 'blocked', 'chapter 9.6: ERE and SRE', fault);
    return fault;
  }

  /** Read a structure of several qwords into `read`; one memory read. */
  private readWords(mine: Counts, hi: number, at: number, count: number): boolean {
    const { memory, read } = this;
    if (!this.readEntry(mine, hi, at)) return false;
    for (let i = 0; i < count; i += 2) {
      memory.load(hi, at + 4 * i);
      read[i] = memory.lo;
      read[i + 1] = memory.hi;
    }
    return true;
  }

  /** The context entry in use as it lies in memory: what is not kept of it is zero. */
  private wholeContext(): number[] {
    return [...this.context, 0, 0, 0, 0];
  }

  private hasReserved(reserved: Int32Array): boolean {
    for (let i = 0; i < reserved.length; i++) if ((this.read[i] & reserved[i]) !== 0) return true;
    return false;
  }

  private noteEntry(stage: Stage, hi: number, at: number, words: readonly number[], fault: number): void {
    if (this.steps === null) return;
    this.note(stage, fault === 0 ? 'go on' : 'blocked', CLAUSES[stage] ?? '', fault, 0, join(hi, at), words);
  }
}

const CLAUSES: Partial<Record<Stage, string>> = {
  'root entry': 'chapter 9.2: root table, indexed by bus and the upper half of the devices',
  'context entry': 'chapter 9.4: context table, indexed by device and function',
  'PASID directory entry': 'chapter 9.5: PASID directory, indexed by PASID[19:6]',
  'PASID table entry': 'chapter 9.6: PASID table, indexed by PASID[5:0]',
};
