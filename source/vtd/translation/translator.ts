/**
 * What happens to one DMA request, in the order of the VT-d specification (chapters 3 and 7): here the gates before
 * any table and the algorithm of legacy mode, in `scalable-mode.ts` that of scalable mode. Both end in the walk of
 * second-stage tables of `walker.ts`. Writes to 0xfeex_xxxx are interrupts, which `interrupt-remapper.ts` decides.
 *
 * There is one description of the walk. It decides every request; while `steps` is an array it also notes
 * each step, and while `probing` is set it changes nothing, so that the same code explains a request.
 * Addresses and entries are pairs of signed 32-bit halves and nothing is allocated unless steps are noted.
 */
import { join } from '../bits.ts';
import { SECOND_STAGE } from '../caches/space.ts';
import { Fault } from '../faults/fault-reason.ts';
import { contextEntry, TranslationType } from '../formats/context-entry.ts';
import { READ, WRITE } from '../formats/paging-entry.ts';
import { rootEntry } from '../formats/root-entry.ts';
import { Reply } from '../formats/translation-completion.ts';
import { InterruptRemapper } from '../interrupts/interrupt-remapper.ts';
import { Counter, type Counts } from '../performance/counters.ts';
import { PageTables } from '../performance/performance-registers.ts';
import { AddressType } from './request-kind.ts';
import type { Verdict } from './step.ts';
import {
  Flags,
  INTERRUPT_BASE,
  INTERRUPT_MASK,
  legacyFaults,
  OFFSET,
  Outcome,
  TABLE_HI,
  TableMode,
} from './walker.ts';

export { defaultUncertain, type Uncertain } from '../unit/uncertain.ts';
export { type CacheShape, defaultCaches, levelIndex, Outcome } from './walker.ts';

const { iommu_requests, ctxt_cache_lookup, ctxt_cache_hit, iotlb_lookup, page_walks } = Counter;
const { faults, interrupt_requests, protected_blocked } = Counter;

const ROOT_P = 1 << rootEntry.fields.P.shift;
const CONTEXT_P = 1 << contextEntry.fields.P.shift;
const CONTEXT_FPD = 1 << contextEntry.fields.FPD.shift;
const { TT, AW, DID } = contextEntry.fields;

export class Translator extends InterruptRemapper {
  /** Reserved bits of a root and a context entry, four words each. */
  private readonly rootReserved = rootEntry.reserved(this.capabilities);
  private readonly contextReserved = contextEntry.reserved(this.capabilities);

  /**
   * Translate one untranslated request without PASID that does not cross a page.
   *
   * @param sourceId requester id: bus 15:8, device 7:3, function 2:0
   * @param hi upper half of the address asked for
   * @param lo lower half
   * @param access READ, WRITE, or both for an atomic operation
   * @returns one of Outcome; `outHi` and `outLo`, or `fault`, hold the rest
   */
  translate(sourceId: number, hi: number, lo: number, access: number): number {
    if (this.monitor !== null) return this.translateMonitored(sourceId, hi, lo, access);
    const mine = this.countsOf(sourceId);
    this.reads = 0;
    this.fault = 0;
    this.recorded = false;
    this.did = -1;
    this.outHi = hi;
    this.outLo = lo;
    if (hi === 0 && (lo & INTERRUPT_MASK) === INTERRUPT_BASE)
      return this.inRange(mine, sourceId, hi, lo, access);
    if (!this.isPlain) return this.gated(mine, sourceId, hi, lo, access);
    this.count(mine, iommu_requests);
    return this.translateLegacy(mine, sourceId, hi, lo, access);
  }

  /** A request in legacy mode, once it is past the gates. */
  private translateLegacy(mine: Counts, sourceId: number, hi: number, lo: number, access: number): number {
    const contextFault = this.findContext(mine, sourceId);
    const fpd = this.context[0] & CONTEXT_FPD;
    if (contextFault !== 0) return this.blocked(mine, sourceId, hi, lo, access, contextFault, fpd);

    const type = (this.context[0] >>> TT.shift) & TT.mask;
    this.did = (this.context[DID.word] >>> DID.shift) & DID.mask;
    this.usedTables = PageTables.LEGACY;
    if (this.addressType !== AddressType.UNTRANSLATED) {
      const outcome = this.checkType(mine, sourceId, hi, lo, access, type);
      if (outcome >= 0) return outcome;
    }
    const aw = this.context[AW.word] & AW.mask;
    const width = Math.min(this.capabilities.guestAddressWidth, 30 + 9 * aw);
    const limit =
      type === TranslationType.PASS_THROUGH ? Math.min(width, this.capabilities.hostAddressWidth) : width;
    if (hi >>> (limit - 32) !== 0) {
      if (this.steps !== null)
        this.note(
          'width',
          'blocked',
          'above min(MGAW, AGAW), or above HAW in pass-through',
          Fault.BEYOND_WIDTH,
        );
      return this.blocked(mine, sourceId, hi, lo, access, Fault.BEYOND_WIDTH, fpd);
    }
    if (type === TranslationType.PASS_THROUGH) {
      if (this.steps !== null)
        this.note('pass-through', 'passed', 'chapter 9.3: TT = 10b, the address is used unchanged');
      return Outcome.PASSED;
    }

    this.count(mine, iotlb_lookup);
    const at = this.cold ? -1 : this.iotlb.find(this.did, hi, lo, SECOND_STAGE);
    if (
      at >= 0 &&
      (access < 0 ? this.settles(at, access, WRITE, false) : (this.iotlb.frameLo[at] & access) === access)
    ) {
      this.answerFromIotlb(mine, at, lo);
      if (this.landsInInterruptRange(Fault.INTERRUPT_RANGE)) {
        return this.blocked(mine, sourceId, hi, lo, access, Fault.INTERRUPT_RANGE, fpd);
      }
      return Outcome.HIT;
    }
    // An entry without the needed permission does not settle the request: the walk finds out which entry refuses.
    if (this.steps !== null)
      this.noteIotlb(
        'miss',
        0,
        at < 0 ? 'chapter 6.2: not in the IOTLB' : 'chapter 6.2: cached without this permission',
      );
    const walkFault = this.walk(mine, hi, lo, access, aw + 2);
    if (walkFault !== 0) return this.blocked(mine, sourceId, hi, lo, access, walkFault, fpd);
    return Outcome.WALKED;
  }

  /**
   * Translate one untranslated request with PASID that does not cross a page. The interrupt range has no meaning
   * in its address space.
   *
   * @param access as for translate; READ and EXECUTE for an execute request
   * @param pasid 20 bits
   * @param privileged whether it asks as a supervisor
   */
  translateWithPasid(
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
    pasid: number,
    privileged: boolean,
  ): number {
    if (this.monitor !== null) return this.translateMonitored(sourceId, hi, lo, access, pasid, privileged);
    this.pasid = pasid;
    this.privileged = privileged;
    const outcome = this.decideWithPasid(this.countsOf(sourceId), sourceId, hi, lo, access);
    this.pasid = -1;
    this.privileged = false;
    return outcome;
  }

  private decideWithPasid(mine: Counts, sourceId: number, hi: number, lo: number, access: number): number {
    this.begin(hi, lo);
    return this.gated(mine, sourceId, hi, lo, access);
  }

  /** Forget the results of the request before. */
  protected begin(hi: number, lo: number): void {
    this.reads = 0;
    this.fault = 0;
    this.recorded = false;
    this.did = -1;
    this.outHi = hi;
    this.outLo = lo;
  }

  /** Apart from translate, so that its parameters stay out of a closure, which would cost each request. */
  private translateMonitored(
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
    pasid = -1,
    privileged = false,
  ): number {
    return this.monitored(sourceId, () =>
      pasid < 0
        ? this.translate(sourceId, hi, lo, access)
        : this.translateWithPasid(sourceId, hi, lo, access, pasid, privileged),
    );
  }

  /** A request while counters of performance monitoring are enabled. */
  protected monitored(
    sourceId: number,
    decide: () => number,
    addressType: number = AddressType.UNTRANSLATED,
  ): number {
    const { monitor } = this;
    this.monitor = null;
    monitor?.begin();
    this.usedTables = 0;
    this.lastPasid = -1;
    const outcome = decide();
    monitor?.end({
      sourceId,
      did: this.did,
      pasid: this.lastPasid,
      addressType: 1 << addressType,
      tables: this.usedTables,
    });
    this.monitor = monitor;
    return outcome;
  }

  /** Any request: off or on, in any table mode, and then past the protected memory regions. */
  private gated(mine: Counts, sourceId: number, hi: number, lo: number, access: number): number {
    if (!this.enabled) {
      if (this.steps !== null) this.note('gate', 'passed', 'GSTS.TES = 0: requests pass untranslated');
      return this.guarded(mine, Outcome.UNTRANSLATED);
    }
    this.count(mine, iommu_requests);
    return this.guarded(mine, this.byTables(mine, sourceId, hi, lo, access));
  }

  /** The algorithm of the table mode that is in use. */
  protected byTables(mine: Counts, sourceId: number, hi: number, lo: number, access: number): number {
    if (this.tableMode !== TableMode.LEGACY) return this.otherMode(mine, sourceId, hi, lo, access);
    if (this.pasid < 0) return this.translateLegacy(mine, sourceId, hi, lo, access);
    if (this.steps !== null)
      this.note('gate', 'blocked', 'chapter 3: legacy mode knows no PASID', Fault.PASID_IN_LEGACY);
    return this.blocked(mine, sourceId, hi, lo, access, Fault.PASID_IN_LEGACY, 0);
  }

  /** What is left of an outcome once the protected memory regions had their say: physical addresses, no fault. */
  protected guarded(mine: Counts, outcome: number): number {
    if (outcome === Outcome.BLOCKED || !this.protectedMemory.covers(this.outHi, this.outLo)) return outcome;
    const isRemapped = outcome === Outcome.HIT || outcome === Outcome.WALKED;
    if (isRemapped && !this.uncertain.protectedMemoryCoversTranslations) return outcome;
    if (this.steps !== null)
      this.note(
        'protected memory',
        'blocked',
        'chapter 11.4: PMEN.EPM = 1 and the address lies in a protected region',
      );
    this.count(mine, protected_blocked);
    return Outcome.BLOCKED;
  }

  /**
   * Whether TT allows a translation or translated request; the latter needs no tables.
   *
   * @returns an outcome, or -1 to go on
   */
  private checkType(
    mine: Counts,
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
    type: number,
  ): number {
    const { BEYOND_WIDTH, INTERRUPT_RANGE, TYPE_BLOCKED } = Fault;
    const fpd = this.context[0] & CONTEXT_FPD;
    if (type !== TranslationType.DEVICE_TLB) {
      const clause = 'chapter 9.3: only TT = 01b allows a device TLB';
      if (this.steps !== null)
        this.note('context entry', 'blocked', clause, TYPE_BLOCKED, 0, null, this.context);
      return this.blocked(mine, sourceId, hi, lo, access, TYPE_BLOCKED, fpd);
    }
    if (this.addressType !== AddressType.TRANSLATED) return -1;
    return this.passTranslated(mine, sourceId, hi, lo, access, BEYOND_WIDTH, INTERRUPT_RANGE, fpd);
  }

  /** Root and context entry of a requester, from the cache or from memory, into `context`. Returns a fault or 0. */
  private findContext(mine: Counts, sourceId: number): number {
    const { context, memory } = this;
    this.count(mine, ctxt_cache_lookup);
    const place = this.cold ? -1 : this.contextCache.find(sourceId);
    if (place >= 0) {
      const { words } = this.contextCache;
      for (let i = 0; i < 4; i++) context[i] = words[4 * place + i];
      this.count(mine, ctxt_cache_hit);
      if (!this.probing) this.contextCache.touch(place);
      const kept = this.contextCache.faults[place];
      if (this.steps !== null)
        this.noteKept('context cache', kept, kept === Fault.CONTEXT_NOT_PRESENT, context);
      return kept;
    }
    if (this.steps !== null)
      this.note('context cache', 'miss', 'chapter 6.2: the context entry is not cached');
    context.fill(0);

    const rootAt = this.rootLo + 16 * (sourceId >>> 8);
    if (!this.readEntry(mine, this.rootHi, rootAt)) {
      if (this.steps !== null) this.noteRoot('blocked', rootAt, [], Fault.ROOT_READ_ERROR);
      return Fault.ROOT_READ_ERROR;
    }
    const root0 = memory.lo;
    const root1 = memory.hi;
    memory.load(this.rootHi, rootAt + 8);
    const reserved = this.rootReserved;
    let fault = 0;
    if ((root0 & ROOT_P) === 0) fault = Fault.ROOT_NOT_PRESENT;
    else if (
      ((root0 & reserved[0]) |
        (root1 & reserved[1]) |
        (memory.lo & reserved[2]) |
        (memory.hi & reserved[3])) !==
      0
    ) {
      fault = Fault.ROOT_RESERVED;
    }
    if (this.steps !== null) {
      this.noteRoot(fault === 0 ? 'go on' : 'blocked', rootAt, [root0, root1, memory.lo, memory.hi], fault);
    }
    if (fault !== 0) return fault;

    const contextHi = root1 & TABLE_HI;
    const contextAt = (root0 & ~OFFSET) + 16 * (sourceId & 0xff);
    if (!this.readEntry(mine, contextHi, contextAt)) {
      if (this.steps !== null) this.noteContext('blocked', contextHi, contextAt, Fault.CONTEXT_READ_ERROR);
      return Fault.CONTEXT_READ_ERROR;
    }
    context[0] = memory.lo;
    context[1] = memory.hi;
    memory.load(contextHi, contextAt + 8);
    context[2] = memory.lo;
    context[3] = memory.hi;
    fault = this.contextFault();
    if (this.steps !== null) this.noteContext(fault === 0 ? 'go on' : 'blocked', contextHi, contextAt, fault);
    if ((fault === 0 || this.keepsAbsent) && !this.probing)
      this.contextCache.fill(sourceId, context[0], context[1], context[2], context[3], fault);
    return fault;
  }

  /** The checks of a context entry just read: present, reserved bits, programming. */
  private contextFault(): number {
    const { context, contextReserved, capabilities } = this;
    if ((context[0] & CONTEXT_P) === 0) return Fault.CONTEXT_NOT_PRESENT;
    for (let i = 0; i < 4; i++) if ((context[i] & contextReserved[i]) !== 0) return Fault.CONTEXT_RESERVED;
    const type = (context[0] >>> TT.shift) & TT.mask;
    const aw = context[AW.word] & AW.mask;
    if (type === TranslationType.RESERVED) return Fault.CONTEXT_INVALID;
    if (type === TranslationType.DEVICE_TLB && !capabilities.deviceTlb) return Fault.CONTEXT_INVALID;
    if (type === TranslationType.PASS_THROUGH) {
      if (!capabilities.passThrough || aw !== capabilities.largestAw) return Fault.CONTEXT_INVALID;
    } else if (((1 << aw) & capabilities.sagaw) === 0) {
      return Fault.CONTEXT_INVALID;
    }
    return 0;
  }

  /** Walk the second-stage tables of `context` down from level `top` and keep the result. Returns a fault or 0. */
  private walk(mine: Counts, hi: number, lo: number, access: number, top: number): number {
    this.count(mine, page_walks);
    const rootHi = this.context[1] & TABLE_HI;
    const rootLo = this.context[0] & ~OFFSET;
    const both = READ | WRITE;
    const fault = this.walkSecondStage(
      mine,
      hi,
      lo,
      access,
      top,
      rootHi,
      rootLo,
      both,
      Flags.NONE,
      legacyFaults,
    );
    if (fault !== 0) return fault;
    const { leafLevel, leafHi, leafLo, leafPermissions } = this;
    return this.finish(
      hi,
      lo,
      leafLevel,
      leafHi,
      leafLo,
      leafPermissions | this.leafSnoop,
      SECOND_STAGE,
      Fault.INTERRUPT_RANGE,
    );
  }

  /** A request while the root table is not in legacy mode. */
  private otherMode(mine: Counts, sourceId: number, hi: number, lo: number, access: number): number {
    if (this.isScalable) return this.translateScalable(mine, sourceId, hi, lo, access);
    if (this.isAborting) {
      this.reply = Reply.UNSUPPORTED;
      if (this.steps !== null)
        this.note('gate', 'blocked', 'chapter 11.4.5: RTADDR.TTM = 11b aborts every request');
      this.count(mine, faults);
      return Outcome.BLOCKED;
    }
    if (this.steps !== null)
      this.note('gate', 'blocked', 'RTADDR.TTM names a mode this unit lacks', Fault.BAD_TABLE_MODE);
    return this.blocked(mine, sourceId, hi, lo, access, Fault.BAD_TABLE_MODE, 0);
  }

  private inRange(mine: Counts, sourceId: number, hi: number, lo: number, access: number): number {
    if (access === WRITE) {
      this.count(mine, interrupt_requests);
      if (this.steps !== null)
        this.note('interrupt range', 'go on', 'chapter 3: a write to 0xfeex_xxxx is an interrupt');
      return Outcome.INTERRUPT;
    }
    let fault = 0;
    if (this.enabled && this.uncertain.interruptRangeReadFaults) {
      fault = this.isScalable ? Fault.SM_NO_READ : Fault.NO_READ;
    }
    if (this.steps !== null)
      this.note('interrupt range', 'blocked', 'chapter 3: only writes are allowed here', fault);
    if (fault === 0) return Outcome.BLOCKED;
    this.count(mine, iommu_requests);
    return this.blocked(mine, sourceId, hi, lo, access, fault, 0);
  }

  private noteRoot(verdict: Verdict, rootAt: number, words: readonly number[], fault: number): void {
    this.note(
      'root entry',
      verdict,
      'chapter 9.1: root table, indexed by bus',
      fault,
      0,
      join(this.rootHi, rootAt),
      words,
    );
  }

  private noteContext(verdict: Verdict, hi: number, at: number, fault: number): void {
    const clause = 'chapter 9.3: context table, indexed by device and function';
    const words = fault === Fault.CONTEXT_READ_ERROR ? [] : this.context;
    this.note('context entry', verdict, clause, fault, 0, join(hi, at), words);
  }
}
