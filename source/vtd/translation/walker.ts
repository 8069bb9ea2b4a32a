/**
 * What all modes of translation share: the caches and counters of a unit, the results of a request, reading entries and
 * noting steps, and the walk of second-stage tables.
 *
 * Addresses and entries are pairs of signed 32-bit halves and nothing is allocated unless steps are noted.
 */
import { isNoTranslation, replyTo } from '../ats/ats-reply.ts';
import { join } from '../bits.ts';
import { ContextCache } from '../caches/context-cache.ts';
import { InterruptEntryCache } from '../caches/interrupt-entry-cache.ts';
import { ABSENT, Iotlb, type IotlbShape, MALFORMED } from '../caches/iotlb.ts';
import { PagingCache, type PagingCacheShape } from '../caches/paging-cache.ts';
import { PasidCache, type PasidCacheShape } from '../caches/pasid-cache.ts';
import { SECOND_STAGE } from '../caches/space.ts';
import type { FaultLog } from '../faults/fault-log.ts';
import { Fault, isQualified } from '../faults/fault-reason.ts';
import type { Layout } from '../formats/layout.ts';
import { EXECUTE, PAGE_SIZE, pageEntry, pagingEntryLayout, READ, WRITE } from '../formats/paging-entry.ts';
import { Reply } from '../formats/translation-completion.ts';
import type { PhysicalMemory } from '../memory.ts';
import { COUNTERS, Counter, type Counts, newCounts } from '../performance/counters.ts';
import type { PerformanceMonitor } from '../performance/performance-monitor.ts';
import type { Capabilities } from '../unit/capabilities.ts';
import { ProtectedMemory } from '../unit/protected-memory.ts';
import { defaultUncertain, type Uncertain } from '../unit/uncertain.ts';
import { AddressType } from './request-kind.ts';
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
  /** A write to 0xfeex_xxxx: an interrupt, not a memory access. `interrupt` decides what becomes of it. */
  INTERRUPT: 4,
  /** Refused; `fault` says why. */
  BLOCKED: 5,
} as const;

export type CacheShape = {
  readonly iotlb: IotlbShape;
  /** Of each stage. */
  readonly pagingCache: PagingCacheShape;
  readonly contextCacheEntries: number;
  readonly pasidCache: PasidCacheShape;
  readonly interruptCacheEntries: number;
};

/**
 * Sizes are not published by Intel. These are the simulator's own choice: an IOTLB of 128 entries, as fitted
 * to Ivy Bridge measurements, and paging-structure caches as in Rubin et al., SOSP 2024.
 */
export const defaultCaches: CacheShape = {
  iotlb: { sets: 16, ways: 8, replacement: 'lru' },
  pagingCache: { 5: 32, 4: 32, 3: 32, 2: 128 },
  contextCacheEntries: 64,
  pasidCache: { sets: 16, ways: 4 },
  interruptCacheEntries: 64,
};

/** The fault codes of a second-stage walk, and whether an entry that allows nothing has a code of its own. */
export type SecondStageFaults = {
  readonly beyondWidth: number;
  readonly root: number;
  readonly unreadable: number;
  /** 0: an absent entry is one without the permission asked for. */
  readonly absent: number;
  readonly noWrite: number;
  readonly noRead: number;
  readonly noExecute: number;
  readonly reserved: number;
  readonly flags: number;
};

export const legacyFaults: SecondStageFaults = {
  beyondWidth: Fault.BEYOND_WIDTH,
  root: Fault.CONTEXT_INVALID,
  unreadable: Fault.PAGING_READ_ERROR,
  absent: 0,
  noWrite: Fault.NO_WRITE,
  noRead: Fault.NO_READ,
  noExecute: Fault.NO_EXECUTE,
  reserved: Fault.PAGING_RESERVED,
  flags: Fault.SS_FLAGS_WITHOUT_SNOOP,
};

export const scalableFaults: SecondStageFaults = {
  beyondWidth: Fault.SM_BEYOND_WIDTH,
  root: Fault.SS_ROOT_READ_ERROR,
  unreadable: Fault.SS_READ_ERROR,
  absent: Fault.SS_NOT_PRESENT,
  noWrite: Fault.SM_NO_WRITE,
  noRead: Fault.SM_NO_READ,
  noExecute: Fault.NO_EXECUTE,
  reserved: Fault.SS_RESERVED,
  flags: Fault.SS_FLAGS_WITHOUT_SNOOP,
};

/** RTADDR.TTM. */
export const TableMode = { LEGACY: 0, SCALABLE: 1, ABORT: 3 } as const;

/** What a walk does with accessed and dirty flags. */
export const Flags = {
  /** Nothing: the tables have none. */
  NONE: 0,
  /** Sets them in memory. */
  SET: 1,
  /** Must not set them, as its reads and writes do not snoop: a flag still clear is a fault. */
  NO_SNOOP: 2,
} as const;

const { ss_nonleaf_lookup, ss_nonleaf_hit, iommu_mrds, iotlb_hit, faults, faults_recorded } = Counter;

/** Of a source id: numbers of buses, and of functions on each. */
const BUSES = 0x100;
const FUNCTIONS = 0x100;

const ACCESSED = 1 << pageEntry.fields.A.shift;
const DIRTY = 1 << pageEntry.fields.D.shift;
/** SNP of a leaf, moved to where cached permissions keep it. */
const SNP_TO_SNOOP = pageEntry.fields.SNP.shift - 8;

/** What cached permissions keep besides accesses: that accesses must snoop, and G of a first-stage leaf. */
export const SNOOP = 1 << 8;
export const GLOBAL = 1 << 9;

/** Pages are 4 KiB; table addresses have 52 bits, of which 20 lie in the upper half. */
export const OFFSET = 0xfff;
export const TABLE_HI = 0xf_ffff;
export const INTERRUPT_MASK = 0xfff0_0000 | 0;
export const INTERRUPT_BASE = 0xfee0_0000 | 0;

export class Walker {
  /** The root table latched by SRTP. */
  rootHi = 0;
  rootLo = 0;
  /** Set by `setGates` only, which keeps them together. */
  protected enabled = false;
  protected tableMode = 0;
  /** Translation is on in legacy mode and no memory is protected, as for most requests: one test instead of three. */
  protected isPlain = false;

  /** Whether tables are those of scalable mode. */
  get isScalable(): boolean {
    return this.tableMode === TableMode.SCALABLE && this.capabilities.scalableMode;
  }

  readonly protectedMemory: ProtectedMemory;
  readonly iotlb: Iotlb;
  /** Non-leaf entries of second-stage tables. */
  readonly pagingCache: PagingCache;
  /** Non-leaf entries of first-stage tables. */
  readonly firstStageCache: PagingCache;
  readonly contextCache: ContextCache;
  readonly pasidCache: PasidCache;
  readonly interruptCache: InterruptEntryCache;

  /** Counts of the whole unit. */
  readonly counts: Counts = newCounts();

  /** How the last translation request was answered: one of Reply. */
  reply: number = Reply.SUCCESS;

  /** Results of the last request: the output address, the fault reason, memory reads, and the domain. */
  outHi = 0;
  outLo = 0;
  fault = 0;
  reads = 0;
  did = -1;
  /** Whether the fault of the last request was stored in a fault recording register. */
  recorded = false;

  /** Who counts requests of some kinds, while anybody does. */
  monitor: PerformanceMonitor | null = null;
  /** For the filters of the monitor: the PASID that the last request used, or -1, and a bit of PageTables, or 0. */
  protected lastPasid = -1;
  protected usedTables = 0;

  /** Where to note steps, or null. */
  steps: Step[] | null = null;
  /** Look, but change no cache, counter, fault record or table. */
  probing = false;
  /** While probing, take all caches for empty. */
  cold = false;

  /** Leave the IOTLB as it is after a walk: whoever models time fills it from `unfilled` when the walk is over. */
  fillsLater = false;
  /** The arguments of Iotlb.fill for the last walk that did not fill. */
  readonly unfilled = new Int32Array(8);
  /** The place in the IOTLB of the last walk that did fill. */
  filledAt = -1;

  protected readonly memory: PhysicalMemory;
  protected readonly capabilities: Capabilities;
  readonly uncertain: Uncertain;
  /** The context entry in use: its first four words. */
  protected readonly context = new Int32Array(4);
  /** The PASID of the request under way, or -1, and whether it asks as a supervisor. */
  protected pasid = -1;
  protected privileged = false;
  /** The AT field of the request under way. */
  protected addressType: number = AddressType.UNTRANSLATED;
  /** The level and the permissions of a translation as the IOTLB keeps them; for requests that take what is permitted. */
  protected outLevel = 0;
  protected outPermissions = 0;

  /** In a nested walk, what of the guest is being translated: see Step.guest. -1 outside of one. */
  protected guestLevel = -1;
  protected guestHi = 0;
  protected guestLo = 0;

  /** The leaf a second-stage walk ended at: its level, its frame, the permissions of the path to it. */
  protected leafLevel = 0;
  protected leafHi = 0;
  protected leafLo = 0;
  protected leafPermissions = 0;
  /** SNOOP if that leaf forces it, or 0. */
  protected leafSnoop = 0;
  /** Whether that leaf may be written through without another flag to set first. */
  protected leafDirty = true;
  /** Where the leaf entry lies. */
  protected leafEntryHi = 0;
  protected leafEntryLo = 0;

  /** Whether what is not present or malformed is kept: caching mode, CAP.CM. */
  protected readonly keepsAbsent: boolean;
  private readonly faultLog: FaultLog;
  private readonly onFirstFault: () => void;
  /** Counts by bus and by function on it; a shared row for those nobody asked about. */
  private readonly requesters: Counts[][];
  private readonly nobody: Counts = newCounts();
  /** The row of a bus of which nobody asked about any function. */
  private readonly unasked: Counts[];
  /** Reserved bits of second-stage entries, low and high half, at [2 * (2 * level + leaf)]. */
  private readonly pagingReserved: Int32Array;

  constructor(
    memory: PhysicalMemory,
    capabilities: Capabilities,
    faultLog: FaultLog,
    onFirstFault: () => void,
    shape: CacheShape = defaultCaches,
    uncertain: Partial<Uncertain> = {},
  ) {
    this.memory = memory;
    this.capabilities = capabilities;
    this.faultLog = faultLog;
    this.onFirstFault = onFirstFault;
    this.uncertain = { ...defaultUncertain, ...uncertain };
    this.keepsAbsent = capabilities.cachingMode && this.uncertain.cachesNotPresent;
    this.protectedMemory = new ProtectedMemory(capabilities);
    this.iotlb = new Iotlb(shape.iotlb);
    this.pagingCache = new PagingCache(shape.pagingCache);
    this.firstStageCache = new PagingCache(shape.pagingCache);
    this.contextCache = new ContextCache(shape.contextCacheEntries);
    this.pasidCache = new PasidCache(shape.pasidCache);
    this.interruptCache = new InterruptEntryCache(shape.interruptCacheEntries);
    this.requesters = new Array<Counts[]>(BUSES).fill(new Array<Counts>(FUNCTIONS).fill(this.nobody));
    this.unasked = this.requesters[0];
    this.pagingReserved = pagingReservedBits(capabilities, pagingEntryLayout);
  }

  /**
   * What decides about requests before any table is read; to be called whenever PMEN changes, too.
   *
   * @param enabled GSTS.TES
   * @param tableMode RTADDR.TTM as SRTP latched it
   */
  setGates(enabled = this.enabled, tableMode = this.tableMode): void {
    this.enabled = enabled;
    this.tableMode = tableMode;
    this.isPlain = enabled && tableMode === TableMode.LEGACY && !this.protectedMemory.enabled;
  }

  /** Whether RTADDR.TTM refuses every request: abort-DMA mode, chapter 11.4.5. */
  protected get isAborting(): boolean {
    return this.tableMode === TableMode.ABORT && this.capabilities.abortDma;
  }

  /** Counts of one requester from now on; the unit's counts include them. */
  countRequester(sourceId: number): Counts {
    const bus = sourceId >>> 8;
    if (this.requesters[bus] === this.unasked) this.requesters[bus] = this.unasked.slice();
    if (this.countsOf(sourceId) === this.nobody)
      this.requesters[bus][sourceId & 0xff] = new Float64Array(COUNTERS);
    return this.countsOf(sourceId);
  }

  /** Where to count what a requester does. */
  protected countsOf(sourceId: number): Counts {
    return this.requesters[sourceId >>> 8][sourceId & 0xff];
  }

  /** Empty every cache of DMA remapping, as an implicit global invalidation does. */
  dropCaches(): void {
    this.contextCache.clear();
    this.pasidCache.clear();
    this.pagingCache.clear();
    this.firstStageCache.clear();
    this.iotlb.clear();
  }

  /**
   * Walk second-stage tables down from level `top` for an address of the current domain. The leaf goes to the
   * `leaf…` fields.
   *
   * @param honoured the permissions that entries have: READ and WRITE, and EXECUTE where it is enabled
   * @param flags one of Flags
   * @returns a fault or 0
   */
  protected walkSecondStage(
    mine: Counts,
    hi: number,
    lo: number,
    access: number,
    top: number,
    tableHi: number,
    tableLo: number,
    honoured: number,
    flags: number,
    faults: SecondStageFaults,
  ): number {
    const { memory, pagingCache, did } = this;
    let permissions = honoured;
    let level = top;
    // A request that takes what is permitted uses any path; those that permit nothing are not kept.
    const needed = access < 0 ? 0 : access;

    if (this.keepsAbsent && !this.cold) {
      const fault = this.findAbsent(hi, lo, access, faults);
      if (fault !== 0) return fault;
    }
    this.count(mine, ss_nonleaf_lookup);
    for (let cached = this.cold ? top + 1 : 2; cached <= top; cached++) {
      const at = pagingCache.find(cached, did, hi, lo, !this.probing, SECOND_STAGE);
      if (at < 0) continue;
      const found = pagingCache.tableLoAt(cached, at);
      // A cached path without the permission is not used: the walk is to name the entry that refuses.
      if ((found & needed) !== needed) continue;
      tableHi = pagingCache.tableHiAt(cached, at);
      tableLo = found & ~OFFSET;
      permissions = found & honoured;
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
        const fault = level === top ? faults.root : faults.unreadable;
        if (this.steps !== null) this.notePaging('blocked', level, tableHi, entryAt, false, fault);
        return fault;
      }
      const entryLo = memory.lo;
      const entryHi = memory.hi;
      const isLeaf = level === 1 || (level <= 3 && (entryLo & PAGE_SIZE) !== 0);
      let missing = 0;
      let fault = 0;
      // Permission before reserved bits, so that an empty entry is 5h or 6h and never Ch (QEMU and VirtualBox agree).
      if ((entryLo & access) !== access) fault = refusal(access, entryLo, permissions, honoured, faults);
      if (fault === 0) {
        const mask = 2 * (2 * level + (isLeaf ? 1 : 0));
        if (((entryLo & this.pagingReserved[mask]) | (entryHi & this.pagingReserved[mask + 1])) !== 0) {
          fault = faults.reserved;
        } else if (flags !== Flags.NONE) {
          const writes = (access & permissions & entryLo & WRITE) !== 0;
          const wanted = isLeaf && writes ? ACCESSED | DIRTY : ACCESSED;
          missing = wanted & ~entryLo;
          if (missing !== 0 && flags === Flags.NO_SNOOP) fault = faults.flags;
        }
      }
      if (this.steps !== null)
        this.notePaging(fault === 0 ? 'go on' : 'blocked', level, tableHi, entryAt, true, fault);
      if (fault !== 0) {
        if (this.keepsAbsent && !this.probing) {
          if ((entryLo & honoured) === 0) this.iotlb.fillAbsent(did, hi, lo, level, ABSENT);
          else if (fault === faults.reserved) this.iotlb.fillAbsent(did, hi, lo, level, MALFORMED);
        }
        return fault;
      }
      if (missing !== 0 && !this.probing) memory.setLowBits(tableHi, entryAt, missing);
      permissions &= entryLo;
      if (isLeaf) {
        this.leafLevel = level;
        this.leafHi = entryHi & TABLE_HI;
        this.leafLo = entryLo & ~OFFSET;
        this.leafPermissions = permissions;
        this.leafSnoop = (entryLo >>> SNP_TO_SNOOP) & SNOOP;
        this.leafDirty = flags === Flags.NONE || ((entryLo | missing) & DIRTY) !== 0;
        this.leafEntryHi = tableHi;
        this.leafEntryLo = entryAt;
        return 0;
      }
      tableHi = entryHi & TABLE_HI;
      tableLo = entryLo & ~OFFSET;
      if (!this.probing) pagingCache.fill(level, did, hi, lo, tableHi, tableLo, permissions, SECOND_STAGE);
    }
  }

  /** In caching mode: whether a second-stage entry for an address is kept as not present or malformed. Its fault, or 0. */
  private findAbsent(hi: number, lo: number, access: number, faults: SecondStageFaults): number {
    const at = this.iotlb.find(this.did, hi, lo, SECOND_STAGE);
    const kept = at < 0 ? 0 : this.iotlb.absenceOf(at);
    if (kept === 0) return 0;
    const fault = kept === MALFORMED ? faults.reserved : absentFault(access, faults);
    if (!this.probing) this.iotlb.store.touch(at);
    if (this.steps !== null) {
      const clause = `chapter 6.1: cached as ${kept === MALFORMED ? 'malformed' : 'not present'}, with CAP.CM`;
      this.note('IOTLB', 'blocked', clause, fault, this.iotlb.levelOf(at), null, [this.did]);
    }
    return fault;
  }

  /** A second-stage leaf that was read through has to be written through: set its dirty flag. */
  protected setLeafDirty(): void {
    if (this.leafDirty || this.probing) return;
    this.memory.setLowBits(this.leafEntryHi, this.leafEntryLo, DIRTY);
  }

  /** Answer from an entry of the IOTLB. */
  protected answerFromIotlb(mine: Counts, at: number, lo: number): void {
    const offset = (1 << (9 * (this.iotlb.levelOf(at) - 1) + 12)) - 1;
    this.outHi = this.iotlb.frameHi[at];
    this.outLo = (this.iotlb.frameLo[at] & ~offset) | (lo & offset);
    this.count(mine, iotlb_hit);
    if (!this.probing) this.iotlb.store.touch(at);
    if (this.steps !== null) this.noteIotlb('hit', this.iotlb.levelOf(at), 'chapter 6.2: found in the IOTLB');
  }

  /**
   * Whether a cached translation tells all that a request could get that takes what is permitted.
   *
   * @param writable the write of this request as the IOTLB keeps it
   * @param hasFlags whether a write may be missing there only because D would have to be set first
   */
  protected settles(at: number, access: number, writable: number, hasFlags: boolean): boolean {
    const kept = this.iotlb.frameLo[at];
    if ((kept & OFFSET & ~(SNOOP | GLOBAL)) === 0 || this.iotlb.absenceOf(at) !== 0) return false;
    if (hasFlags && (access & WRITE) !== 0 && (kept & writable) === 0) return false;
    this.outLevel = this.iotlb.levelOf(at);
    this.outPermissions = kept & OFFSET;
    return true;
  }

  /** The output of a walk: check it against the interrupt range, keep it in the IOTLB. Returns a fault or 0. */
  protected finish(
    hi: number,
    lo: number,
    level: number,
    frameHi: number,
    frameLo: number,
    permissions: number,
    space: number,
    interruptRange: number,
  ): number {
    const offset = (1 << (12 + 9 * (level - 1))) - 1;
    const base = frameLo & ~offset;
    this.outHi = frameHi;
    this.outLo = base | (lo & offset);
    this.outLevel = level;
    this.outPermissions = permissions;
    const byPage = this.uncertain.interruptRangeByPage;
    const overlaps = frameHi === 0 && (base & INTERRUPT_MASK) === (INTERRUPT_BASE & ~offset);
    if (byPage ? overlaps : this.inInterruptRange()) {
      if (this.steps !== null)
        this.note('output', 'blocked', 'chapter 3: no output may lie in 0xfeex_xxxx', interruptRange);
      return interruptRange;
    }
    if (this.probing) return 0;
    if (this.fillsLater) this.noteUnfilled(hi, lo, level, frameHi, base, permissions, space);
    else this.filledAt = this.iotlb.fill(this.did, hi, lo, level, frameHi, base, permissions, space);
    return 0;
  }

  private noteUnfilled(
    hi: number,
    lo: number,
    level: number,
    frameHi: number,
    frameLo: number,
    permissions: number,
    space: number,
  ): void {
    const { unfilled } = this;
    unfilled[0] = this.did;
    unfilled[1] = hi;
    unfilled[2] = lo;
    unfilled[3] = level;
    unfilled[4] = frameHi;
    unfilled[5] = frameLo;
    unfilled[6] = permissions;
    unfilled[7] = space;
  }

  protected inInterruptRange(): boolean {
    return this.outHi === 0 && (this.outLo & INTERRUPT_MASK) === INTERRUPT_BASE;
  }

  /** The check of a cached translation's output; a whole-page rule was applied when the entry was made. */
  protected landsInInterruptRange(fault: number): boolean {
    if (!this.inInterruptRange()) return false;
    if (this.steps !== null)
      this.note('output', 'blocked', 'chapter 3: no output may lie in 0xfeex_xxxx', fault);
    return true;
  }

  protected blocked(
    mine: Counts,
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
    fault: number,
    fpd: number,
  ): number {
    if (this.addressType === AddressType.TRANSLATION) {
      this.reply = replyTo(fault, this.uncertain.malformedTranslationAborts);
      if (isNoTranslation(fault)) return Outcome.BLOCKED;
    }
    this.fault = fault;
    this.count(mine, faults);
    if (this.probing) return Outcome.BLOCKED;
    const qualified =
      fault === Fault.CONTEXT_RESERVED ? this.uncertain.contextReservedIsQualified : isQualified(fault);
    if (qualified && fpd !== 0) return Outcome.BLOCKED;
    // A translation request is a read on the link, whatever it asks for.
    const recordedAccess = access < 0 ? READ | (access & EXECUTE) : access;
    const { pasid, privileged, addressType } = this;
    const recorded = this.faultLog.record(
      sourceId,
      hi,
      lo,
      fault,
      recordedAccess,
      pasid,
      privileged,
      addressType,
    );
    this.recorded = recorded === 'first' || recorded === 'recorded';
    if (this.recorded) this.count(mine, faults_recorded);
    if (recorded === 'first') this.onFirstFault();
    return Outcome.BLOCKED;
  }

  /**
   * A request with a translated address is trusted once its device may send such requests: only the host address width
   * and the interrupt range are left to check.
   */
  protected passTranslated(
    mine: Counts,
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
    beyondWidth: number,
    interruptRange: number,
    fpd: number,
  ): number {
    let fault = 0;
    if (hi >>> (this.capabilities.hostAddressWidth - 32) !== 0) fault = beyondWidth;
    else if (this.inInterruptRange()) fault = interruptRange;
    if (this.steps !== null)
      this.note(
        'translated request',
        fault === 0 ? 'passed' : 'blocked',
        'chapter 4: the device names a host-physical address, which is used unchanged',
        fault,
      );
    return fault === 0 ? Outcome.PASSED : this.blocked(mine, sourceId, hi, lo, access, fault, fpd);
  }

  /** Read one structure entry; counts as one memory read whatever its size. */
  protected readEntry(mine: Counts, addressHi: number, addressLo: number): boolean {
    this.count(mine, iommu_mrds);
    this.reads++;
    return this.memory.load(addressHi, addressLo);
  }

  protected count(mine: Counts, counter: number): void {
    if (this.probing) return;
    this.counts[counter]++;
    mine[counter]++;
  }

  protected note(
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
      guest:
        this.guestLevel < 0 ? null : { level: this.guestLevel, address: join(this.guestHi, this.guestLo) },
    });
  }

  /** An entry found in the context or PASID cache; one that is kept with a fault ends the request. */
  protected noteKept(
    stage: 'context cache' | 'PASID cache',
    fault: number,
    isAbsent: boolean,
    words: ArrayLike<number>,
  ): void {
    const what = stage === 'context cache' ? 'context entry' : 'PASID table entry';
    if (fault === 0) {
      this.note(stage, 'hit', `chapter 6.2: the ${what} is cached`, 0, 0, null, words);
    } else {
      const how = isAbsent ? 'not present' : 'malformed';
      this.note(
        stage,
        'blocked',
        `chapter 6.1: the ${what} is cached as ${how}, with CAP.CM`,
        fault,
        0,
        null,
        words,
      );
    }
  }

  protected noteIotlb(verdict: Verdict, level: number, clause: string): void {
    const output = verdict === 'hit' ? join(this.outHi, this.outLo) : null;
    this.note('IOTLB', verdict, clause, 0, level, output, [this.did]);
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

/** The fault of a second-stage entry that allows nothing. */
const absentFault = (access: number, faults: SecondStageFaults): number =>
  faults.absent !== 0 ? faults.absent : deniedFault(access, 0, faults);

/** Why an entry without all of an access refuses it. One that takes what is permitted goes on while anything is left. */
function refusal(
  access: number,
  entryLo: number,
  path: number,
  honoured: number,
  faults: SecondStageFaults,
): number {
  if (access < 0) {
    if ((entryLo & path & (READ | WRITE)) !== 0) return 0;
    return (entryLo & honoured) === 0 ? absentFault(READ, faults) : faults.noRead;
  }
  return (entryLo & honoured) === 0 ? absentFault(access, faults) : deniedFault(access, entryLo, faults);
}

/** The fault of a second-stage entry without a permission that is needed. */
function deniedFault(access: number, entryLo: number, faults: SecondStageFaults): number {
  if ((access & WRITE & ~entryLo) !== 0) return faults.noWrite;
  return (access & READ & ~entryLo) !== 0 ? faults.noRead : faults.noExecute;
}

/** The index of an address into a table of a level: nine bits from 12 + 9 (level - 1) up. */
export function levelIndex(level: number, hi: number, lo: number): number {
  const from = 12 + 9 * (level - 1);
  if (from >= 32) return (hi >>> (from - 32)) & 0x1ff;
  if (from + 9 <= 32) return (lo >>> from) & 0x1ff;
  return ((lo >>> from) | (hi << (32 - from))) & 0x1ff;
}

/** Reserved bits of table entries and leaves at each level, as the walk indexes them. */
export function pagingReservedBits(
  capabilities: Capabilities,
  layoutOf: (level: number, lo: number) => Layout,
): Int32Array {
  const masks = new Int32Array(4 * 6);
  for (let level = 1; level <= 5; level++) {
    for (const isLeaf of [false, true]) {
      const layout = layoutOf(level, isLeaf ? PAGE_SIZE : 0);
      masks.set(layout.reserved(capabilities), 2 * (2 * level + (isLeaf ? 1 : 0)));
    }
  }
  return masks;
}
