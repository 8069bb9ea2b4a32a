/**
 * What happens to one DMA request: the algorithm of legacy mode, in the order of the VT-d specification
 * (chapters 3 and 7).
 *
 * There is one description of the walk. It decides every request; while `steps` is an array it also notes
 * each step, and while `probing` is set it changes nothing, so that the same code explains a request.
 * Addresses and entries are pairs of signed 32-bit halves and nothing is allocated unless steps are noted.
 */
import { join } from './bits.ts';
import type { Capabilities } from './capabilities.ts';
import { ContextCache } from './context-cache.ts';
import { contextEntry, TranslationType } from './context-entry.ts';
import { COUNTERS, Counter, type Counts, newCounts } from './counters.ts';
import type { FaultLog } from './fault-log.ts';
import { Fault, isQualified } from './fault-reason.ts';
import { Iotlb, type IotlbShape } from './iotlb.ts';
import type { PhysicalMemory } from './memory.ts';
import { PagingCache, type PagingCacheShape } from './paging-cache.ts';
import { PAGE_SIZE, pagingEntryLayout, READ, WRITE } from './paging-entry.ts';
import { rootEntry } from './root-entry.ts';
import type { Stage, Step, Verdict } from './step.ts';

/** How a request ended. */
export const Outcome = {
  /** Translation is off: the address was used as it is and nothing was looked up. */
  UNTRANSLATED: 0,
  /** The context entry says pass-through. */
  PASSED: 1,
  /** Translated from the IOTLB. */
  HIT: 2,
  /** Translated by a walk. */
  WALKED: 3,
  /** A write to 0xfeex_xxxx: an interrupt, not a memory access. */
  INTERRUPT: 4,
  /** Refused; `fault` says why. */
  BLOCKED: 5,
} as const;

export type CacheShape = {
  readonly iotlb: IotlbShape;
  readonly pagingCache: PagingCacheShape;
  readonly contextCacheEntries: number;
};

/**
 * Sizes are not published by Intel. These are the simulator's own choice: an IOTLB of 128 entries, as fitted
 * to Ivy Bridge measurements, and paging-structure caches as in Rubin et al., SOSP 2024.
 */
export const defaultCaches: CacheShape = {
  iotlb: { sets: 16, ways: 8 },
  pagingCache: { 5: 32, 4: 32, 3: 32, 2: 128 },
  contextCacheEntries: 64,
};

/** Behaviour on which sources differ; see the comments where it is used. */
export type Uncertain = {
  /** Whether FPD suppresses "reserved bits in the context entry" (0xb). */
  readonly contextReservedIsQualified: boolean;
  /** Whether a large page that covers 0xfeex_xxxx faults at every address, as in QEMU, or only there. */
  readonly interruptRangeByPage: boolean;
};

export const defaultUncertain: Uncertain = { contextReservedIsQualified: true, interruptRangeByPage: false };

const { iommu_requests, ctxt_cache_lookup, ctxt_cache_hit, iotlb_lookup, iotlb_hit } = Counter;
const { ss_nonleaf_lookup, ss_nonleaf_hit, iommu_mrds, page_walks, faults, faults_recorded } = Counter;
const { interrupt_requests } = Counter;

const ROOT_P = 1 << rootEntry.fields.P.shift;
const CONTEXT_P = 1 << contextEntry.fields.P.shift;
const CONTEXT_FPD = 1 << contextEntry.fields.FPD.shift;
const { TT, AW, DID } = contextEntry.fields;

/** Pages are 4 KiB; table addresses have 52 bits, of which 20 lie in the upper half. */
const OFFSET = 0xfff;
const TABLE_HI = 0xf_ffff;
const INTERRUPT_MASK = 0xfff0_0000 | 0;
const INTERRUPT_BASE = 0xfee0_0000 | 0;

export class Translator {
  /** GSTS.TES. */
  enabled = false;
  /** The root table latched by SRTP, and its mode. */
  rootHi = 0;
  rootLo = 0;
  tableMode = 0;

  readonly iotlb: Iotlb;
  readonly pagingCache: PagingCache;
  readonly contextCache: ContextCache;

  /** Counts of the whole unit. */
  readonly counts: Counts = newCounts();

  /** Results of the last request: the output address, the fault reason, memory reads, and the domain. */
  outHi = 0;
  outLo = 0;
  fault = 0;
  reads = 0;
  did = -1;
  /** Whether the fault of the last request was stored in a fault recording register. */
  recorded = false;

  /** Where to note steps, or null. */
  steps: Step[] | null = null;
  /** Look, but change no cache, counter or fault record. */
  probing = false;
  /** While probing, take all caches for empty. */
  cold = false;

  private readonly memory: PhysicalMemory;
  private readonly capabilities: Capabilities;
  private readonly faultLog: FaultLog;
  private readonly onFirstFault: () => void;
  private readonly uncertain: Uncertain;
  /** Counts by requester; a shared row for those nobody asked about. */
  private readonly requesters: Counts[];
  private readonly nobody: Counts = newCounts();
  /** Reserved bits of a root and a context entry, four words each. */
  private readonly rootReserved: Int32Array;
  private readonly contextReserved: Int32Array;
  /** Reserved bits of paging entries, low and high half, at [2 * (2 * level + leaf)]. */
  private readonly pagingReserved: Int32Array;
  /** The context entry in use, four words. */
  private readonly context = new Int32Array(4);

  constructor(
    memory: PhysicalMemory,
    capabilities: Capabilities,
    faultLog: FaultLog,
    onFirstFault: () => void,
    shape: CacheShape = defaultCaches,
    uncertain: Uncertain = defaultUncertain,
  ) {
    this.memory = memory;
    this.capabilities = capabilities;
    this.faultLog = faultLog;
    this.onFirstFault = onFirstFault;
    this.uncertain = uncertain;
    this.iotlb = new Iotlb(shape.iotlb);
    this.pagingCache = new PagingCache(shape.pagingCache);
    this.contextCache = new ContextCache(shape.contextCacheEntries);
    this.requesters = new Array<Counts>(0x10000).fill(this.nobody);
    this.rootReserved = rootEntry.reserved(capabilities);
    this.contextReserved = contextEntry.reserved(capabilities);
    this.pagingReserved = pagingReservedBits(capabilities);
  }

  /** Counts of one requester from now on; the unit's counts include them. */
  countRequester(sourceId: number): Counts {
    if (this.requesters[sourceId] === this.nobody) this.requesters[sourceId] = new Float64Array(COUNTERS);
    return this.requesters[sourceId];
  }

  /** Empty every cache, as an implicit global invalidation does. */
  dropCaches(): void {
    this.contextCache.clear();
    this.pagingCache.clear();
    this.iotlb.clear();
  }

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
    const mine = this.requesters[sourceId];
    this.reads = 0;
    this.fault = 0;
    this.recorded = false;
    this.did = -1;
    this.outHi = hi;
    this.outLo = lo;
    if (hi === 0 && (lo & INTERRUPT_MASK) === INTERRUPT_BASE)
      return this.interrupt(mine, sourceId, hi, lo, access);
    if (!this.enabled) {
      if (this.steps !== null) this.note('gate', 'passed', 'GSTS.TES = 0: requests pass untranslated');
      return Outcome.UNTRANSLATED;
    }
    this.count(mine, iommu_requests);
    if (this.tableMode !== 0) {
      if (this.steps !== null)
        this.note('gate', 'blocked', 'RTADDR.TTM names a mode this unit lacks', Fault.BAD_TABLE_MODE);
      return this.blocked(mine, sourceId, hi, lo, access, Fault.BAD_TABLE_MODE, 0);
    }

    const contextFault = this.findContext(mine, sourceId);
    const fpd = this.context[0] & CONTEXT_FPD;
    if (contextFault !== 0) return this.blocked(mine, sourceId, hi, lo, access, contextFault, fpd);

    const type = (this.context[0] >>> TT.shift) & TT.mask;
    const aw = this.context[AW.word] & AW.mask;
    this.did = (this.context[DID.word] >>> DID.shift) & DID.mask;
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
    const at = this.cold ? -1 : this.iotlb.find(this.did, hi, lo);
    if (at >= 0 && (this.iotlb.frameLo[at] & access) === access) {
      const offset = (1 << (9 * (this.iotlb.levelOf(at) - 1) + 12)) - 1;
      this.outHi = this.iotlb.frameHi[at];
      this.outLo = (this.iotlb.frameLo[at] & ~offset) | (lo & offset);
      this.count(mine, iotlb_hit);
      if (!this.probing) this.iotlb.store.touch(at);
      if (this.steps !== null)
        this.noteIotlb('hit', this.iotlb.levelOf(at), 'chapter 6.2: found in the IOTLB');
      if (this.landsInInterruptRange()) {
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
      if (this.steps !== null)
        this.note('context cache', 'hit', 'chapter 6.2: the context entry is cached', 0, 0, null, context);
      return 0;
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
    if (fault === 0 && !this.probing)
      this.contextCache.fill(sourceId, context[0], context[1], context[2], context[3]);
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

  /** Walk the second-stage tables of `context` down from level `top`. Returns a fault or 0. */
  private walk(mine: Counts, hi: number, lo: number, access: number, top: number): number {
    const { memory, pagingCache, did } = this;
    let tableHi = this.context[1] & TABLE_HI;
    let tableLo = this.context[0] & ~OFFSET;
    let permissions = READ | WRITE;
    let level = top;

    this.count(mine, page_walks);
    this.count(mine, ss_nonleaf_lookup);
    for (let cached = this.cold ? top + 1 : 2; cached <= top; cached++) {
      const at = pagingCache.find(cached, did, hi, lo, !this.probing);
      if (at < 0) continue;
      const found = pagingCache.tableLoAt(cached, at);
      // A cached path without the permission is not used: the walk is to name the entry that refuses.
      if ((found & access) !== access) continue;
      tableHi = pagingCache.tableHiAt(cached, at);
      tableLo = found & ~OFFSET;
      permissions = found & (READ | WRITE);
      level = cached - 1;
      this.count(mine, ss_nonleaf_hit);
      if (this.steps !== null) {
        this.note(
          'paging-structure cache',
          'hit',
          'chapter 6.2: upper levels are cached',
          0,
          cached,
          join(tableHi, tableLo),
        );
      }
      break;
    }

    for (; ; level--) {
      const entryAt = tableLo + 8 * levelIndex(level, hi, lo);
      if (!this.readEntry(mine, tableHi, entryAt)) {
        const fault = level === top ? Fault.CONTEXT_INVALID : Fault.PAGING_READ_ERROR;
        if (this.steps !== null) this.notePaging('blocked', level, tableHi, entryAt, false, fault);
        return fault;
      }
      const entryLo = memory.lo;
      const entryHi = memory.hi;
      const isLeaf = level === 1 || (level <= 3 && (entryLo & PAGE_SIZE) !== 0);
      let fault = 0;
      // Permission before reserved bits, so that an empty entry is 5h or 6h and never Ch (QEMU and VirtualBox agree).
      if ((entryLo & access) !== access) {
        fault = (access & WRITE) !== 0 && (entryLo & WRITE) === 0 ? Fault.NO_WRITE : Fault.NO_READ;
      } else {
        const mask = 2 * (2 * level + (isLeaf ? 1 : 0));
        if (((entryLo & this.pagingReserved[mask]) | (entryHi & this.pagingReserved[mask + 1])) !== 0) {
          fault = Fault.PAGING_RESERVED;
        }
      }
      if (this.steps !== null)
        this.notePaging(fault === 0 ? 'go on' : 'blocked', level, tableHi, entryAt, true, fault);
      if (fault !== 0) return fault;
      permissions &= entryLo;
      if (isLeaf) return this.finish(hi, lo, level, entryHi & TABLE_HI, entryLo & ~OFFSET, permissions);
      tableHi = entryHi & TABLE_HI;
      tableLo = entryLo & ~OFFSET;
      if (!this.probing) pagingCache.fill(level, did, hi, lo, tableHi, tableLo, permissions);
    }
  }

  /** The output of a leaf: check it, keep it in the IOTLB. Returns a fault or 0. */
  private finish(
    hi: number,
    lo: number,
    level: number,
    frameHi: number,
    frameLo: number,
    permissions: number,
  ): number {
    const offset = (1 << (12 + 9 * (level - 1))) - 1;
    const base = frameLo & ~offset;
    this.outHi = frameHi;
    this.outLo = base | (lo & offset);
    const byPage = this.uncertain.interruptRangeByPage;
    const overlaps = frameHi === 0 && (base & INTERRUPT_MASK) === (INTERRUPT_BASE & ~offset);
    if (byPage ? overlaps : this.inInterruptRange()) {
      if (this.steps !== null)
        this.note('output', 'blocked', 'chapter 3: no output may lie in 0xfeex_xxxx', Fault.INTERRUPT_RANGE);
      return Fault.INTERRUPT_RANGE;
    }
    if (!this.probing) this.iotlb.fill(this.did, hi, lo, level, frameHi, base, permissions);
    return 0;
  }

  private interrupt(mine: Counts, sourceId: number, hi: number, lo: number, access: number): number {
    if (access === WRITE) {
      this.count(mine, interrupt_requests);
      if (this.steps !== null)
        this.note('interrupt range', 'passed', 'chapter 3: a write to 0xfeex_xxxx is an interrupt');
      return Outcome.INTERRUPT;
    }
    const fault = this.enabled ? Fault.NO_READ : 0;
    if (this.steps !== null)
      this.note('interrupt range', 'blocked', 'chapter 3: only writes are allowed here', fault);
    if (!this.enabled) return Outcome.BLOCKED;
    this.count(mine, iommu_requests);
    return this.blocked(mine, sourceId, hi, lo, access, fault, 0);
  }

  private inInterruptRange(): boolean {
    return this.outHi === 0 && (this.outLo & INTERRUPT_MASK) === INTERRUPT_BASE;
  }

  /** The check of a cached translation's output; a whole-page rule was applied when the entry was made. */
  private landsInInterruptRange(): boolean {
    if (!this.inInterruptRange()) return false;
    if (this.steps !== null)
      this.note('output', 'blocked', 'chapter 3: no output may lie in 0xfeex_xxxx', Fault.INTERRUPT_RANGE);
    return true;
  }

  private blocked(
    mine: Counts,
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
    fault: number,
    fpd: number,
  ): number {
    this.fault = fault;
    this.count(mine, faults);
    if (this.probing) return Outcome.BLOCKED;
    const qualified =
      fault === Fault.CONTEXT_RESERVED ? this.uncertain.contextReservedIsQualified : isQualified(fault);
    if (qualified && fpd !== 0) return Outcome.BLOCKED;
    const recorded = this.faultLog.record(sourceId, hi, lo, fault, access);
    this.recorded = recorded === 'first' || recorded === 'recorded';
    if (this.recorded) this.count(mine, faults_recorded);
    if (recorded === 'first') this.onFirstFault();
    return Outcome.BLOCKED;
  }

  /** Read one structure entry; counts as one memory read whatever its size. */
  private readEntry(mine: Counts, addressHi: number, addressLo: number): boolean {
    this.count(mine, iommu_mrds);
    this.reads++;
    return this.memory.load(addressHi, addressLo);
  }

  private count(mine: Counts, counter: number): void {
    if (this.probing) return;
    this.counts[counter]++;
    mine[counter]++;
  }

  private note(
    stage: Stage,
    verdict: Verdict,
    clause: string,
    fault = 0,
    level = 0,
    address: number | null = null,
    words: ArrayLike<number> = [],
  ): void {
    this.steps?.push({
      stage,
      level,
      address,
      words: Array.from(words),
      verdict,
      fault,
      reads: this.reads,
      clause,
    });
  }

  private noteIotlb(verdict: Verdict, level: number, clause: string): void {
    const output = verdict === 'hit' ? join(this.outHi, this.outLo) : null;
    this.note('IOTLB', verdict, clause, 0, level, output, [this.did]);
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

  private notePaging(
    verdict: Verdict,
    level: number,
    hi: number,
    at: number,
    read: boolean,
    fault: number,
  ): void {
    const words = read ? [this.memory.lo, this.memory.hi] : [];
    this.note('paging entry', verdict, 'chapter 9.8: second-stage paging', fault, level, join(hi, at), words);
  }
}

/** The index of an address into a table of a level: nine bits from 12 + 9 (level - 1) up. */
export function levelIndex(level: number, hi: number, lo: number): number {
  const from = 12 + 9 * (level - 1);
  if (from >= 32) return (hi >>> (from - 32)) & 0x1ff;
  if (from + 9 <= 32) return (lo >>> from) & 0x1ff;
  return ((lo >>> from) | (hi << (32 - from))) & 0x1ff;
}

/** Reserved bits of table entries and leaves at each level, as the walk indexes them. */
function pagingReservedBits(capabilities: Capabilities): Int32Array {
  const masks = new Int32Array(4 * 6);
  for (let level = 1; level <= 5; level++) {
    for (const isLeaf of [false, true]) {
      const layout = pagingEntryLayout(level, isLeaf ? PAGE_SIZE : 0);
      masks.set(layout.reserved(capabilities), 2 * (2 * level + (isLeaf ? 1 : 0)));
    }
  }
  return masks;
}
