/**
 * The walk of first-stage tables, alone or nested in the second stage. VT-d specification, chapters 3.6 and 3.8.
 *
 * When nested, every first-stage table and the page at the end have guest-physical addresses, each of which is
 * translated by the walk of second-stage tables.
 */
import { join } from '../bits.ts';
import { PASID_WORDS } from '../caches/pasid-cache.ts';
import { Fault } from '../faults/fault-reason.ts';
import { firstStageEntryLayout, firstStagePageEntry } from '../formats/first-stage-entry.ts';
import { EXECUTE, PAGE_SIZE, READ, WRITE } from '../formats/paging-entry.ts';
import { pasidTableEntry } from '../formats/pasid-table-entry.ts';
import { Counter, type Counts } from '../performance/counters.ts';
import { AS_PERMITTED } from './request-kind.ts';
import {
  Flags,
  GLOBAL,
  INTERRUPT_BASE,
  INTERRUPT_MASK,
  legacyFaults,
  levelIndex,
  OFFSET,
  pagingReservedBits,
  type SecondStageFaults,
  scalableFaults,
  TABLE_HI,
  Walker,
} from './walker.ts';

const { fs_nonleaf_lookup, fs_nonleaf_hit, page_walks } = Counter;

const { P, RW, US, A, D, EA, G } = firstStagePageEntry.fields;
const PRESENT = 1 << P.shift;
const WRITABLE = 1 << RW.shift;
const USER = 1 << US.shift;
const ACCESSED = 1 << A.shift;
const DIRTY = 1 << D.shift;
const EXTENDED_ACCESSED = 1 << EA.shift;
const G_TO_GLOBAL = 9 - G.shift;
/** Where a path keeps the opposite of XD, so that all its permissions are the AND over its entries. */
const EXECUTABLE = 1 << 3;

const bitOf = (field: { mask: number; shift: number }) => field.mask << field.shift;
const { AW, FSPM } = pasidTableEntry.fields;
const SSEE = bitOf(pasidTableEntry.fields.SSEE);
const SSADE = bitOf(pasidTableEntry.fields.SSADE);
const PWSNP = bitOf(pasidTableEntry.fields.PWSNP);
const WPE = bitOf(pasidTableEntry.fields.WPE);
const NXE = bitOf(pasidTableEntry.fields.NXE);
const SMEP = bitOf(pasidTableEntry.fields.SMEP);
const EAFE = bitOf(pasidTableEntry.fields.EAFE);
/** The first word of the half that these and the first-stage root are in. */
const FIRST_STAGE_WORD = pasidTableEntry.fields.SRE.word;

/** Canonical addresses of 57 bits, whose upper bits repeat bit 56, are told apart by these. */
export const CANONICAL_HI = 0x1ff_ffff;

/** Where the accesses of supervisors are kept, beside those of users. */
export const SUPERVISOR_SHIFT = 3;

export class FirstStageWalker extends Walker {
  /** The PASID table entry in use: its words 0 to 5, and FPD of the way to it. */
  protected readonly entry = new Int32Array(PASID_WORDS);
  protected readonly secondStageFaults: SecondStageFaults = this.uncertain.legacySecondStageFaults
    ? legacyFaults
    : scalableFaults;
  /** Reserved bits of first-stage entries, low and high half, at [2 * (2 * level + leaf)]. */
  private readonly firstStageReserved = pagingReservedBits(this.capabilities, firstStageEntryLayout);

  /** The permissions that second-stage entries have: X counts only where it is enabled. */
  protected honoured(): number {
    const executes = (this.entry[0] & SSEE) !== 0 && this.capabilities.executeRequests;
    return executes ? READ | WRITE | EXECUTE : READ | WRITE;
  }

  protected isBeyondSecondStage(hi: number): boolean {
    const aw = (this.entry[0] >>> AW.shift) & AW.mask;
    return hi >>> (Math.min(this.capabilities.guestAddressWidth, 30 + 9 * aw) - 32) !== 0;
  }

  /** Walk the second stage of the PASID table entry in use. Returns a fault or 0. */
  protected walkSecond(mine: Counts, hi: number, lo: number, access: number, honoured: number): number {
    const { entry } = this;
    const aw = (entry[0] >>> AW.shift) & AW.mask;
    let flags: number = Flags.NONE;
    if ((entry[0] & SSADE) !== 0) flags = this.maySetFlags() ? Flags.SET : Flags.NO_SNOOP;
    const rootLo = entry[0] & ~OFFSET;
    return this.walkSecondStage(
      mine,
      hi,
      lo,
      access,
      aw + 2,
      entry[1],
      rootLo,
      honoured,
      flags,
      this.secondStageFaults,
    );
  }

  /**
   * Walk the first stage of the PASID table entry in use, nested or not, and keep the result.
   *
   * @param space the tag of what is kept
   * @returns a fault or 0
   */
  protected walkFirstStage(
    mine: Counts,
    hi: number,
    lo: number,
    access: number,
    isSupervisor: boolean,
    isNested: boolean,
    space: number,
  ): number {
    const { memory, firstStageCache, did, entry } = this;
    const controls = entry[FIRST_STAGE_WORD];
    const tagHi = hi & CANONICAL_HI;
    const top = 4 + ((controls >>> FSPM.shift) & FSPM.mask);
    let tableHi = entry[FIRST_STAGE_WORD + 1];
    let tableLo = controls & ~OFFSET;
    let path = WRITABLE | USER | EXECUTABLE;
    let level = top;

    this.count(mine, page_walks);
    this.count(mine, fs_nonleaf_lookup);
    for (let cached = this.cold ? top + 1 : 2; cached <= top; cached++) {
      const at = firstStageCache.find(cached, did, tagHi, lo, !this.probing, space);
      if (at < 0) continue;
      const found = firstStageCache.tableLoAt(cached, at);
      if (this.refusalOf(found, access, isSupervisor, controls) !== 0) continue;
      tableHi = firstStageCache.tableHiAt(cached, at);
      tableLo = found & ~OFFSET;
      path = found & (WRITABLE | USER | EXECUTABLE);
      level = cached - 1;
      this.count(mine, fs_nonleaf_hit);
      if (this.steps !== null)
        this.note(
          'first-stage cache',
          'hit',
          'chapter 6.2: upper levels are cached',
          0,
          cached,
          join(tableHi, tableLo),
        );
      break;
    }

    for (; ; level--) {
      let entryHi = tableHi;
      let entryAt = tableLo + 8 * levelIndex(level, hi, lo);
      if (isNested) {
        const fault = this.reachTable(mine, entryHi, entryAt, level, level === top);
        if (fault !== 0) return fault;
        const offset = (1 << (12 + 9 * (this.leafLevel - 1))) - 1;
        entryHi = this.leafHi;
        entryAt = (this.leafLo & ~offset) | (entryAt & offset);
      }
      if (!this.readEntry(mine, entryHi, entryAt)) {
        const fault = level === top ? Fault.FS_ROOT_READ_ERROR : Fault.FS_READ_ERROR;
        if (this.steps !== null) this.noteFirstStage('blocked', level, entryHi, entryAt, false, fault);
        return fault;
      }
      const lower = memory.lo;
      const upper = memory.hi;
      const isLeaf = level === 1 || (level <= 3 && (lower & PAGE_SIZE) !== 0);
      let missing = 0;
      let fault = 0;
      if ((lower & PRESENT) === 0) fault = Fault.FS_NOT_PRESENT;
      else {
        const permissions =
          (lower & (WRITABLE | USER)) | (upper < 0 && (controls & NXE) !== 0 ? 0 : EXECUTABLE);
        path &= permissions;
        // SMEP is about the page, and whether it is a user's only the leaf settles.
        fault = this.refusalOf(permissions, access, isSupervisor, controls);
        if (fault === 0 && isLeaf && forbiddenBySmep(path, access, isSupervisor, controls)) {
          fault = Fault.NO_EXECUTE;
        }
        if (fault === 0 && this.isReserved(level, isLeaf, lower, upper, controls)) fault = Fault.FS_RESERVED;
        if (fault === 0) {
          const writes =
            isLeaf && (access & WRITE) !== 0 && this.mayWrite(path, access, isSupervisor, controls);
          missing = flagsOf(writes, controls) & ~lower;
          if (missing !== 0) fault = this.flagFault(isNested);
        }
      }
      if (this.steps !== null)
        this.noteFirstStage(fault === 0 ? 'go on' : 'blocked', level, entryHi, entryAt, true, fault);
      if (fault !== 0) return fault;
      if (missing !== 0 && !this.probing) {
        memory.setLowBits(entryHi, entryAt, missing);
        if (isNested) this.setLeafDirty();
      }
      tableHi = upper & TABLE_HI;
      tableLo = lower & ~OFFSET;
      if (isLeaf) {
        let permissions = accessesOf(path, controls) | ((lower << G_TO_GLOBAL) & GLOBAL);
        if (((lower | missing) & DIRTY) === 0) permissions &= ~(WRITE | (WRITE << SUPERVISOR_SHIFT));
        if (isNested)
          return this.finishNested(mine, hi, lo, access, level, tableHi, tableLo, permissions, space);
        return this.finish(tagHi, lo, level, tableHi, tableLo, permissions, space, Fault.SM_INTERRUPT_RANGE);
      }
      if (!this.probing) firstStageCache.fill(level, did, tagHi, lo, tableHi, tableLo, path, space);
    }
  }

  /** Translate the guest-physical address of a first-stage entry; the `leaf…` fields say where it lies. */
  private reachTable(mine: Counts, hi: number, lo: number, level: number, isRoot: boolean): number {
    this.guestLevel = level;
    this.guestHi = hi;
    this.guestLo = lo;
    if (this.isBeyondSecondStage(hi)) {
      if (this.steps !== null)
        this.note(
          'width',
          'blocked',
          'chapter 3.8: a first-stage table lies above the second-stage width',
          Fault.FS_BEYOND_SECOND_STAGE,
        );
      return Fault.FS_BEYOND_SECOND_STAGE;
    }
    const noted = this.steps === null ? 0 : this.steps.length;
    const fault = this.walkSecond(mine, hi, lo, READ, this.honoured());
    const { noRead, absent } = this.secondStageFaults;
    const isDenied = fault === noRead || (fault === absent && this.uncertain.nestedAbsentIsDenied);
    if (fault === 0 || !isDenied) return fault;
    const denied = isRoot ? Fault.FS_ROOT_NO_READ : Fault.FS_TABLE_NO_READ;
    if (this.steps !== null && this.steps.length > noted) {
      this.steps[this.steps.length - 1] = { ...this.steps[this.steps.length - 1], fault: denied };
    }
    return denied;
  }

  /** The page of a nested walk: translate its guest-physical address and keep the whole. Returns a fault or 0. */
  private finishNested(
    mine: Counts,
    hi: number,
    lo: number,
    access: number,
    level: number,
    guestHi: number,
    frameLo: number,
    permissions: number,
    space: number,
  ): number {
    const pageOffset = (1 << (12 + 9 * (level - 1))) - 1;
    const guestLo = (frameLo & ~pageOffset) | (lo & pageOffset);
    this.guestLevel = 0;
    this.guestHi = guestHi;
    this.guestLo = guestLo;
    if (
      this.uncertain.nestedInterruptRange &&
      guestHi === 0 &&
      (guestLo & INTERRUPT_MASK) === INTERRUPT_BASE
    ) {
      if (this.steps !== null)
        this.note(
          'output',
          'blocked',
          'chapter 3: no output may lie in 0xfeex_xxxx',
          Fault.SM_INTERRUPT_RANGE,
        );
      return Fault.SM_INTERRUPT_RANGE;
    }
    if (this.isBeyondSecondStage(guestHi)) {
      const fault = this.secondStageFaults.beyondWidth;
      if (this.steps !== null)
        this.note('width', 'blocked', 'chapter 3.8: the page lies above the second-stage width', fault);
      return fault;
    }
    const honoured = this.honoured();
    let wanted = access & (honoured | AS_PERMITTED);
    if (access < 0 && (permissions & (WRITE | (WRITE << SUPERVISOR_SHIFT))) === 0) wanted &= ~WRITE;
    const fault = this.walkSecond(mine, guestHi, guestLo, wanted, honoured);
    if (fault !== 0) return fault;
    let granted = this.leafPermissions | (~honoured & EXECUTE);
    if (!this.leafDirty) granted &= ~WRITE;
    granted |= (granted << SUPERVISOR_SHIFT) | GLOBAL;
    const leafOffset = (1 << (12 + 9 * (this.leafLevel - 1))) - 1;
    const outLo = (this.leafLo & ~leafOffset) | (guestLo & leafOffset);
    return this.finish(
      hi & CANONICAL_HI,
      lo,
      Math.min(level, this.leafLevel),
      this.leafHi,
      outLo & ~OFFSET,
      (permissions & granted) | this.leafSnoop,
      space,
      Fault.SM_INTERRUPT_RANGE,
    );
  }

  /** Why permissions refuse a request, or 0: those of an entry, or of a cached path. */
  private refusalOf(permissions: number, access: number, isSupervisor: boolean, controls: number): number {
    if (!isSupervisor && (permissions & USER) === 0) return Fault.NO_USER;
    if (access < 0) return 0;
    if (
      (access & WRITE) !== 0 &&
      (permissions & WRITABLE) === 0 &&
      (!isSupervisor || (controls & WPE) !== 0)
    ) {
      return Fault.SM_NO_WRITE;
    }
    return (access & EXECUTE) !== 0 && (permissions & EXECUTABLE) === 0 ? Fault.NO_EXECUTE : 0;
  }

  /** Whether a write that got this far may be done; one that is only asked for if permitted may not have been. */
  private mayWrite(path: number, access: number, isSupervisor: boolean, controls: number): boolean {
    return access >= 0 || this.refusalOf(path, WRITE, isSupervisor, controls) === 0;
  }

  private isReserved(
    level: number,
    isLeaf: boolean,
    lower: number,
    upper: number,
    controls: number,
  ): boolean {
    const mask = 2 * (2 * level + (isLeaf ? 1 : 0));
    const set = (lower & this.firstStageReserved[mask]) | (upper & this.firstStageReserved[mask + 1]);
    return set !== 0 || (upper < 0 && (controls & NXE) === 0);
  }

  /** Whether a flag that is still clear can be set: walks must snoop, and the second stage allow the write. */
  private flagFault(isNested: boolean): number {
    if (this.uncertain.flagsNeedCoherence && !this.maySetFlags()) return Fault.FS_FLAGS_WITHOUT_SNOOP;
    return isNested && (this.leafPermissions & WRITE) === 0 ? Fault.FS_TABLE_NO_WRITE : 0;
  }

  private maySetFlags(): boolean {
    if (!this.uncertain.flagsNeedSnoop) return this.capabilities.SMPWCS;
    return (this.entry[pasidTableEntry.fields.PWSNP.word] & PWSNP) !== 0;
  }

  private noteFirstStage(
    verdict: 'go on' | 'blocked',
    level: number,
    hi: number,
    at: number,
    read: boolean,
    fault: number,
  ): void {
    const words = read ? [this.memory.lo, this.memory.hi] : [];
    this.note(
      'first-stage entry',
      verdict,
      'chapter 9.7: first-stage paging',
      fault,
      level,
      join(hi, at),
      words,
    );
  }
}

/** The flags that a walk through an entry leaves set in it. */
function flagsOf(writes: boolean, controls: number): number {
  const accessed = (controls & EAFE) !== 0 ? ACCESSED | EXTENDED_ACCESSED : ACCESSED;
  return writes ? accessed | DIRTY : accessed;
}

function forbiddenBySmep(path: number, access: number, isSupervisor: boolean, controls: number): boolean {
  const executes = access >= 0 && (access & EXECUTE) !== 0;
  return isSupervisor && executes && (controls & SMEP) !== 0 && (path & USER) !== 0;
}

/** What a path grants: R, W and X of users, and those of supervisors above. */
function accessesOf(path: number, controls: number): number {
  const write = (path & WRITABLE) !== 0 ? WRITE : 0;
  const execute = (path & EXECUTABLE) !== 0 ? EXECUTE : 0;
  const user = (path & USER) !== 0 ? READ | write | execute : 0;
  let supervisor = READ | write | execute;
  if ((controls & WPE) === 0) supervisor |= WRITE;
  if ((controls & SMEP) !== 0 && (path & USER) !== 0) supervisor &= ~EXECUTE;
  return user | (supervisor << SUPERVISOR_SHIFT);
}
