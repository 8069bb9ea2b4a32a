/**
 * What happens to one interrupt request, in the order of the VT-d specification (chapter 5): the format of the
 * message, the entry of the interrupt-remapping table that it names, the check of its sender, and delivery to a
 * processor or into a posted-interrupt descriptor.
 *
 * As with DMA, the code that decides also notes the steps, changes nothing while `probing`, and allocates nothing
 * unless steps are noted. The messages of the unit's own events (FEADDR, IEADDR) do not come through here: they are
 * never remapped, so they must be programmed in the compatibility format. That is what Linux does, and a recorded
 * QEMU delivers them so with interrupt remapping on and CFI = 0.
 */
import { join } from '../bits.ts';
import { Fault } from '../faults/fault-reason.ts';
import {
  compatibilityMessage,
  IS_REMAPPABLE,
  indexOfMessage,
  remappableMessage,
} from '../formats/interrupt-message.ts';
import {
  DeliveryMode,
  IGNORED_BY_QUALIFIER,
  IS_POSTED,
  postedEntry,
  remappedEntry,
  SourceValidation,
  xapicRemappedEntry,
} from '../formats/interrupt-remapping-entry.ts';
import { WRITE } from '../formats/paging-entry.ts';
import { postedInterruptDescriptor } from '../formats/posted-interrupt-descriptor.ts';
import { Counter, type Counts } from '../performance/counters.ts';
import { ScalableMode } from '../translation/scalable-mode.ts';
import { Outcome } from '../translation/walker.ts';

/** What became of an interrupt request that was let through. */
export const Delivery = {
  NONE: 0,
  /** Not remapped: the processor gets what the device wrote. */
  AS_WRITTEN: 1,
  /** The processor gets what the entry says. */
  REMAPPED: 2,
  /** Noted in a descriptor; a notification was under way already, or is suppressed. */
  POSTED: 3,
  /** Noted in a descriptor, and the processor gets the notification. */
  POSTED_NOTIFIED: 4,
} as const;

const { interrupts_blocked, interrupts_posted } = Counter;
const { int_cache_lookup, int_cache_hit_nonposted, int_cache_hit_posted } = Counter;

const written = compatibilityMessage.fields;
const entryFields = remappedEntry.fields;
const posted = postedEntry.fields;
const descriptor = postedInterruptDescriptor.fields;

const P = 1 << entryFields.P.shift;
const FPD = 1 << entryFields.FPD.shift;
const URG = 1 << posted.URG.shift;
const SHV = 1 << remappableMessage.fields.SHV.shift;
const ON = 1 << descriptor.ON.shift;
const SN = 1 << descriptor.SN.shift;
const ENTRY_BYTES = 16;
const DESCRIPTOR_WORDS = 16;
/** DLM values without a meaning, as a set of bits. */
const RESERVED_DELIVERY_MODES = (1 << 3) | (1 << 6);

export class InterruptRemapper extends ScalableMode {
  /** GSTS.IRES and GSTS.CFIS. */
  remapsInterrupts = false;
  passesCompatibility = false;
  /** The table latched by SIRTP: where it lies, how many entries it has, and whether its destinations are x2APIC ids. */
  interruptTableHi = 0;
  interruptTableLo = 0;
  interruptTableEntries = 0;
  extendedInterrupts = false;

  /** Results of the last interrupt request besides `fault`: what became of it, and what the processor gets. */
  delivery = 0;
  vector = 0;
  destination = 0;
  deliveryMode = 0;
  /** DM, TM and RH. */
  isLogical = false;
  isLevel = false;
  isHinted = false;
  /** The entry named by the request, or -1. */
  interruptIndex = -1;

  private readonly interruptEntry = new Int32Array(4);
  private readonly remappedReserved = remappedEntry.reserved(this.capabilities);
  private readonly xapicReserved = this.uncertain.xapicDestinationReserved
    ? xapicRemappedEntry.reserved(this.capabilities)
    : this.remappedReserved;
  private readonly postedReserved = postedEntry.reserved(this.capabilities);
  private readonly descriptorReserved = postedInterruptDescriptor.reserved(this.capabilities);

  /**
   * Decide an interrupt request: a write without PASID into 0xfeex_xxxx, or a message of the IOAPIC.
   *
   * @param sourceId who sends it
   * @param at lower half of the address
   * @param data what is written
   * @param bytes how much is written; 4 for an interrupt
   * @returns Outcome.INTERRUPT, with `delivery` and what follows it, or Outcome.BLOCKED, with `fault`
   */
  interrupt(sourceId: number, at: number, data: number, bytes = 4): number {
    const mine = this.countsOf(sourceId);
    this.reads = 0;
    this.fault = 0;
    this.recorded = false;
    this.did = -1;
    this.delivery = Delivery.NONE;
    this.interruptIndex = -1;
    if (bytes !== 4) return this.wrongLength(mine, sourceId, at);
    if (!this.remapsInterrupts) {
      if (this.steps !== null)
        this.note('interrupt remapping', 'passed', 'GSTS.IRES = 0: interrupts are not remapped');
      return this.deliverAsWritten(at, data);
    }
    if ((at & IS_REMAPPABLE) === 0) {
      if (this.passesCompatibility && !this.extendedInterrupts) {
        if (this.steps !== null) this.noteRequest('passed', at, data, 0);
        return this.deliverAsWritten(at, data);
      }
      if (this.steps !== null) this.noteRequest('blocked', at, data, Fault.INTERRUPT_COMPATIBILITY);
      return this.refused(mine, sourceId, Fault.INTERRUPT_COMPATIBILITY, 0);
    }
    const index = indexOfMessage(at, data);
    this.interruptIndex = index;
    let fault = 0;
    if (data >>> 16 !== 0 && ((at & SHV) !== 0 || this.uncertain.interruptDataReserved))
      fault = Fault.INTERRUPT_REQUEST_RESERVED;
    else if (index >= this.interruptTableEntries) fault = Fault.INTERRUPT_BEYOND_TABLE;
    if (this.steps !== null) this.noteRequest(fault === 0 ? 'go on' : 'blocked', at, data, fault);
    if (fault === 0) fault = this.findInterruptEntry(mine, index);
    if (fault === 0) fault = this.checkSender(sourceId);
    if (fault === 0) {
      if ((this.interruptEntry[0] & IS_POSTED) !== 0) fault = this.post(mine);
      else this.deliverRemapped();
    }
    if (fault !== 0) return this.refused(mine, sourceId, fault, this.interruptEntry[0] & FPD);
    return Outcome.INTERRUPT;
  }

  /** An entry of the table, from the cache or from memory, into `entry`. Returns a fault or 0. */
  private findInterruptEntry(mine: Counts, index: number): number {
    const { interruptEntry: entry, memory } = this;
    this.count(mine, int_cache_lookup);
    const place = this.cold ? -1 : this.interruptCache.find(index);
    if (place >= 0) {
      for (let i = 0; i < 4; i++) entry[i] = this.interruptCache.words[4 * place + i];
      this.count(mine, (entry[0] & IS_POSTED) !== 0 ? int_cache_hit_posted : int_cache_hit_nonposted);
      if (!this.probing) this.interruptCache.store.touch(place);
      // Only in caching mode may what is cached be absent or invalid.
      const fault = this.keepsAbsent ? this.entryFault() : 0;
      if (this.steps !== null) {
        const verdict = fault === 0 ? 'hit' : 'blocked';
        this.note(
          'interrupt-entry cache',
          verdict,
          'chapter 6.2: the entry is cached',
          fault,
          0,
          null,
          entry,
        );
      }
      return fault;
    }
    if (this.steps !== null)
      this.note('interrupt-entry cache', 'miss', 'chapter 6.2: the entry is not cached');
    entry.fill(0);
    const lo = (this.interruptTableLo + ENTRY_BYTES * index) | 0;
    // A table of 1 MiB may run over a border of 4 GiB.
    const hi = this.interruptTableHi + (lo >>> 0 < this.interruptTableLo >>> 0 ? 1 : 0);
    if (!this.readEntry(mine, hi, lo)) {
      if (this.steps !== null) this.noteInterruptEntry('blocked', hi, lo, Fault.INTERRUPT_ENTRY_READ_ERROR);
      return Fault.INTERRUPT_ENTRY_READ_ERROR;
    }
    entry[0] = memory.lo;
    entry[1] = memory.hi;
    memory.load(hi, lo + 8);
    entry[2] = memory.lo;
    entry[3] = memory.hi;
    const fault = this.entryFault();
    if (this.steps !== null) this.noteInterruptEntry(fault === 0 ? 'go on' : 'blocked', hi, lo, fault);
    if ((fault === 0 || this.keepsAbsent) && !this.probing) this.interruptCache.fill(index, entry);
    return fault;
  }

  /** The checks of an entry just read: present, reserved bits, programming. */
  private entryFault(): number {
    const entry = this.interruptEntry;
    if ((entry[0] & P) === 0) return Fault.INTERRUPT_ENTRY_NOT_PRESENT;
    const isPosted = (entry[0] & IS_POSTED) !== 0;
    if (isPosted && !this.capabilities.postedInterrupts) return Fault.INTERRUPT_ENTRY_INVALID;
    const remapped = this.extendedInterrupts ? this.remappedReserved : this.xapicReserved;
    const reserved = isPosted ? this.postedReserved : remapped;
    for (let i = 0; i < 4; i++) if ((entry[i] & reserved[i]) !== 0) return Fault.INTERRUPT_ENTRY_INVALID;
    if (!isPosted) {
      const mode = (entry[0] >>> entryFields.DLM.shift) & entryFields.DLM.mask;
      if (((RESERVED_DELIVERY_MODES >>> mode) & 1) !== 0) return Fault.INTERRUPT_ENTRY_INVALID;
    }
    const type = (entry[2] >>> entryFields.SVT.shift) & entryFields.SVT.mask;
    if (type !== SourceValidation.RESERVED) return 0;
    return this.uncertain.reservedValidationIsMismatch
      ? Fault.INTERRUPT_SOURCE_MISMATCH
      : Fault.INTERRUPT_ENTRY_INVALID;
  }

  /** Source-id verification: chapter 9.10, SVT, SQ and SID. Returns a fault or 0. */
  private checkSender(sourceId: number): number {
    const expected = this.interruptEntry[2] & entryFields.SID.mask;
    const type = (this.interruptEntry[2] >>> entryFields.SVT.shift) & entryFields.SVT.mask;
    let matches = true;
    if (type === SourceValidation.SOURCE_ID) {
      const qualifier = (this.interruptEntry[2] >>> entryFields.SQ.shift) & entryFields.SQ.mask;
      matches = ((sourceId ^ expected) & ~IGNORED_BY_QUALIFIER[qualifier]) === 0;
    } else if (type === SourceValidation.BUS) {
      const bus = sourceId >>> 8;
      matches = bus >= expected >>> 8 && bus <= (expected & 0xff);
    }
    const fault = matches ? 0 : Fault.INTERRUPT_SOURCE_MISMATCH;
    if (this.steps !== null) {
      const clause =
        type === SourceValidation.NONE
          ? 'chapter 9.10: SVT = 0, anybody may use the entry'
          : 'chapter 9.10: the sender is checked by SVT, SQ and SID';
      this.note(
        'source validation',
        matches ? 'go on' : 'blocked',
        clause,
        fault,
        0,
        null,
        this.interruptEntry,
      );
    }
    return fault;
  }

  private deliverRemapped(): void {
    const low = this.interruptEntry[0];
    this.delivery = Delivery.REMAPPED;
    this.vector = (low >>> entryFields.V.shift) & entryFields.V.mask;
    this.deliveryMode = (low >>> entryFields.DLM.shift) & entryFields.DLM.mask;
    this.isLogical = ((low >>> entryFields.DM.shift) & 1) !== 0;
    this.isLevel = ((low >>> entryFields.TM.shift) & 1) !== 0;
    this.isHinted = ((low >>> entryFields.RH.shift) & 1) !== 0;
    this.destination = this.destinationOf(this.interruptEntry[1]);
    if (this.steps !== null) this.noteDelivery('chapter 5.1.5: sent as the entry says');
  }

  private deliverAsWritten(at: number, data: number): number {
    this.delivery = Delivery.AS_WRITTEN;
    this.vector = data & written.V.mask;
    this.deliveryMode = (data >>> written.DLM.shift) & written.DLM.mask;
    this.isLogical = ((at >>> written.DM.shift) & 1) !== 0;
    this.isLevel = ((data >>> written.TM.shift) & 1) !== 0;
    this.isHinted = ((at >>> written.RH.shift) & 1) !== 0;
    this.destination = (at >>> written.DST.shift) & written.DST.mask;
    if (this.steps !== null) this.noteDelivery('chapter 5.1.2.1: sent as it was written');
    return Outcome.INTERRUPT;
  }

  /** Note the interrupt in the descriptor of a virtual processor: chapter 5.2.3. Returns a fault or 0. */
  private post(mine: Counts): number {
    const { interruptEntry: entry, memory } = this;
    const hi = entry[3];
    const lo = entry[1] & (posted.PDAL.mask << posted.PDAL.shift);
    const virtual = (entry[0] >>> posted.VV.shift) & posted.VV.mask;
    if (!this.readEntry(mine, hi, lo)) {
      if (this.steps !== null) this.noteDescriptor('blocked', hi, lo, Fault.POSTED_DESCRIPTOR_ERROR);
      return Fault.POSTED_DESCRIPTOR_ERROR;
    }
    let reserved = 0;
    for (let i = 0; i < DESCRIPTOR_WORDS; i++)
      reserved |= this.wordAt(hi, lo, i) & this.descriptorReserved[i];
    if (reserved !== 0) {
      if (this.steps !== null) this.noteDescriptor('blocked', hi, lo, Fault.POSTED_DESCRIPTOR_RESERVED);
      return Fault.POSTED_DESCRIPTOR_RESERVED;
    }
    if (this.steps !== null) this.noteDescriptor('go on', hi, lo, 0);
    const control = this.wordAt(hi, lo, descriptor.ON.word);
    const isUrgent = (entry[0] & URG) !== 0;
    const notifies = (control & ON) === 0 && (isUrgent || (control & SN) === 0);
    if (!this.probing) {
      const word = virtual >>> 5;
      const base = join(hi, lo);
      memory.write32(base + 4 * word, this.wordAt(hi, lo, word) | (1 << (virtual & 31)));
      if (notifies) memory.write32(base + 4 * descriptor.ON.word, control | ON);
    }
    this.count(mine, interrupts_posted);
    this.delivery = notifies ? Delivery.POSTED_NOTIFIED : Delivery.POSTED;
    this.vector = (control >>> descriptor.NV.shift) & descriptor.NV.mask;
    this.destination = this.destinationOf(this.wordAt(hi, lo, descriptor.NDST.word));
    this.deliveryMode = DeliveryMode.FIXED;
    this.isLogical = false;
    this.isLevel = false;
    this.isHinted = false;
    if (this.steps !== null) {
      this.noteDelivery(
        notifies
          ? 'chapter 5.2.3: ON was 0, so the processor is notified'
          : 'chapter 5.2.3: noted without a notification',
      );
    }
    return 0;
  }

  /** A destination word: all of it in x2APIC mode, bits 15:8 otherwise. */
  private destinationOf(word: number): number {
    return this.extendedInterrupts ? word >>> 0 : (word >>> 8) & 0xff;
  }

  /** A word of a descriptor, which never crosses a page. */
  private wordAt(hi: number, lo: number, index: number): number {
    this.memory.load(hi, lo + 4 * index);
    return (index & 1) === 0 ? this.memory.lo : this.memory.hi;
  }

  /** Not four bytes: no interrupt, and no DMA either (chapter 3.14). */
  private wrongLength(mine: Counts, sourceId: number, at: number): number {
    let fault = 0;
    if (this.enabled && this.uncertain.interruptLengthFaults)
      fault = this.isScalable ? Fault.SM_NO_WRITE : Fault.NO_WRITE;
    if (this.steps !== null)
      this.note('interrupt request', 'blocked', 'chapter 3.14: an interrupt is a write of four bytes', fault);
    this.count(mine, interrupts_blocked);
    if (fault === 0) return Outcome.BLOCKED;
    return this.blocked(mine, sourceId, 0, at, WRITE, fault, 0);
  }

  /** Refuse an interrupt request; its record holds the index instead of an address (chapter 7.1.3). */
  private refused(mine: Counts, sourceId: number, fault: number, fpd: number): number {
    this.count(mine, interrupts_blocked);
    const index = fault === Fault.INTERRUPT_COMPATIBILITY ? 0 : this.interruptIndex;
    return this.blocked(mine, sourceId, index << 16, 0, WRITE, fault, fpd);
  }

  private noteRequest(
    verdict: 'go on' | 'passed' | 'blocked',
    at: number,
    data: number,
    fault: number,
  ): void {
    const clause =
      (at & IS_REMAPPABLE) === 0
        ? 'chapter 5.1.4: compatibility format, which CFI and EIME let pass or block'
        : 'chapter 5.1.2.2: remappable format, index = handle + sub-handle';
    this.note('interrupt request', verdict, clause, fault, 0, null, [at, data]);
  }

  private noteInterruptEntry(verdict: 'go on' | 'blocked', hi: number, lo: number, fault: number): void {
    const words = fault === Fault.INTERRUPT_ENTRY_READ_ERROR ? [] : this.interruptEntry;
    const clause = 'chapter 9.10: interrupt-remapping table, by index';
    this.note('interrupt-remapping entry', verdict, clause, fault, 0, join(hi, lo), words);
  }

  private noteDescriptor(verdict: 'go on' | 'blocked', hi: number, lo: number, fault: number): void {
    const words =
      fault === Fault.POSTED_DESCRIPTOR_ERROR
        ? []
        : Array.from({ length: DESCRIPTOR_WORDS }, (_, i) => this.wordAt(hi, lo, i));
    const clause = 'chapter 9.12: the bit of the vector in PIR';
    this.note('posted-interrupt descriptor', verdict, clause, fault, 0, join(hi, lo), words);
  }

  /** The words of a delivery: what became of it, vector, destination and delivery mode. */
  private noteDelivery(clause: string): void {
    const { delivery, vector, destination, deliveryMode } = this;
    this.note('interrupt', 'passed', clause, 0, 0, null, [delivery, vector, destination | 0, deliveryMode]);
  }
}
