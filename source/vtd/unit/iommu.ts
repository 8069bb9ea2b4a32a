/**
 * One remapping unit: its registers and what writing them does. Software reaches the unit only through
 * `read32`, `write32` and their 64-bit forms, and through tables and queues in memory.
 */
import { AtsRequests } from '../ats/ats-requests.ts';
import { type EndpointLink, ResponseCode } from '../ats/endpoint-link.ts';
import { isPageRequestRegister, PageRequestQueue } from '../ats/page-request-queue.ts';
import { bigToWords, join } from '../bits.ts';
import { FaultLog } from '../faults/fault-log.ts';
import type { PageRequest } from '../formats/page-request.ts';
import { EXECUTE, WRITE } from '../formats/paging-entry.ts';
import { InvalidationQueue } from '../invalidation/invalidation-queue.ts';
import { Invalidator } from '../invalidation/invalidator.ts';
import type { PhysicalMemory } from '../memory.ts';
import { PerformanceMonitor } from '../performance/performance-monitor.ts';
import { PerformanceOffset } from '../performance/performance-registers.ts';
import type { Step } from '../translation/step.ts';
import { type CacheShape, defaultCaches } from '../translation/translator.ts';
import { type Capabilities, capabilities, type UnitDescription } from './capabilities.ts';
import { WINDOW_BYTES } from './capability-rules.ts';
import { isProtectedMemoryRegister } from './protected-memory.ts';
import {
  contextCommand,
  faultStatus,
  Global,
  interruptTableAddress,
  iotlbCommand,
  Offset,
  queueAddress,
  rootTableAddress,
} from './registers.ts';
import { defaultUncertain, type Uncertain } from './uncertain.ts';

const WINDOW_WORDS = WINDOW_BYTES / 4;
const MASKED = 1 << 31;
const PENDING = 1 << 30;

const bitOf = (field: { mask: number; shift: number }) => field.mask << field.shift;
const FSTS = {
  PFO: bitOf(faultStatus.fields.PFO),
  PPF: bitOf(faultStatus.fields.PPF),
  IQE: bitOf(faultStatus.fields.IQE),
  ICE: bitOf(faultStatus.fields.ICE),
  ITE: bitOf(faultStatus.fields.ITE),
};
const ONE_SHOTS = Global.SRTP | Global.SIRTP | Global.WBF;
const PERSISTENT = Global.TE | Global.QIE | Global.IRE | Global.CFI;

/** Writable bits of plain registers, low word first where there are two. */
const WRITABLE: Readonly<Record<number, number>> = {
  [Offset.RTADDR]: ~0x3ff,
  [Offset.RTADDR + 4]: -1,
  [Offset.CCMD]: -1,
  [Offset.FEDATA]: -1,
  [Offset.FEADDR]: ~3,
  [Offset.FEUADDR]: -1,
  [Offset.IEDATA]: -1,
  [Offset.IEADDR]: ~3,
  [Offset.IEUADDR]: -1,
  [Offset.PEDATA]: -1,
  [Offset.PEADDR]: ~3,
  [Offset.PEUADDR]: -1,
  [Offset.IRTA]: 0xffff_f80f | 0,
  [Offset.IRTA + 4]: -1,
};

/** Where the interrupt of performance monitoring goes: kept as that of a fault event is. */
const MESSAGE_BITS: Readonly<Record<number, number>> = {
  [PerformanceOffset.INTRDATA]: -1,
  [PerformanceOffset.INTRADDR]: ~3,
  [PerformanceOffset.INTRUADDR]: -1,
};

const isMonitorRegister = (offset: number): boolean =>
  offset >= PerformanceOffset.CAP &&
  (offset < PerformanceOffset.INTRCTL || offset > PerformanceOffset.INTRUADDR);

export type IommuOptions = {
  readonly caches?: CacheShape;
  readonly uncertain?: Partial<Uncertain>;
  /** Without one, devices have nothing to forget and say so at once. */
  readonly link?: EndpointLink;
};

/** What became of a page request: in the queue; answered by the unit itself, as the queue is full; or refused. */
export type PageRequestOutcome = 'posted' | 'dropped' | 'refused';

/**
 * An interrupt message the unit sends for its own events: a write of `data` to `address`, in the compatibility format.
 * It goes to the processor as it is: events of the unit are not remapped, whatever GSTS.IRES and CFIS say.
 */
export type SendInterrupt = (address: number, data: number) => void;

export class Iommu {
  /** The preset, and what was changed in it. */
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly translator: AtsRequests;
  readonly invalidator: Invalidator;
  readonly faultLog: FaultLog;
  readonly queue: InvalidationQueue;
  /** Of a unit with ECAP.PMS. */
  readonly monitor: PerformanceMonitor | null;
  readonly pageRequests: PageRequestQueue;
  private readonly registers = new Int32Array(WINDOW_WORDS);
  private readonly sendInterrupt: SendInterrupt;
  /** The persistent and status bits of GSTS. */
  private status = 0;

  constructor(
    memory: PhysicalMemory,
    description: UnitDescription,
    sendInterrupt: SendInterrupt,
    { caches = defaultCaches, uncertain = {}, link }: IommuOptions = {},
  ) {
    this.name = description.name;
    this.capabilities = capabilities(description);
    this.sendInterrupt = sendInterrupt;
    this.faultLog = new FaultLog(
      this.capabilities.faultRecords,
      uncertain.faultCompression ?? defaultUncertain.faultCompression,
    );
    this.translator = new AtsRequests(
      memory,
      this.capabilities,
      this.faultLog,
      () => this.raiseFaultEvent(),
      caches,
      uncertain,
    );
    this.invalidator = new Invalidator(this.translator);
    const endpoints = link ?? {
      invalidate: ({ sourceId, tag }) => this.invalidationCompleted(sourceId, tag),
      respond: () => {},
    };
    this.queue = new InvalidationQueue(
      memory,
      this.capabilities,
      this.invalidator,
      {
        invalidationComplete: () => this.completeWait(),
        queueError: () => this.raiseFaultEvent(),
        isScalable: () => this.translator.isScalable,
      },
      endpoints,
    );
    this.pageRequests = new PageRequestQueue(memory, endpoints, () => this.raiseEvent(Offset.PECTL));
    this.monitor = this.capabilities.performanceMonitoring
      ? new PerformanceMonitor(this.translator.counts, {
          watch: (on) => {
            this.translator.monitor = on ? this.monitor : null;
          },
          overflow: () => this.raiseEvent(PerformanceOffset.INTRCTL),
        })
      : null;
    if (this.monitor !== null) this.set(PerformanceOffset.INTRCTL, MASKED);
    this.set(Offset.VER, description.version);
    this.set(Offset.CAP, ...bigToWords(description.cap, 2));
    this.set(Offset.ECAP, ...bigToWords(description.ecap, 2));
    this.set(Offset.FECTL, MASKED);
    this.set(Offset.IECTL, MASKED);
    if (this.capabilities.pageRequests) this.set(Offset.PECTL, MASKED);
  }

  /** Read a 32-bit register or half of a 64-bit one. Offsets that name nothing read as 0. */
  read32(offset: number): number {
    switch (offset) {
      case Offset.GCMD:
        return 0;
      case Offset.CCMD:
        // SID and FM are write-only.
        return this.get(Offset.CCMD) & contextCommand.fields.DID.mask;
      case Offset.CCMD + 4:
        return this.get(Offset.CCMD + 4) & ~contextCommand.fields.FM.mask;
      case Offset.GSTS:
        return this.status;
      case Offset.FSTS:
        return this.faultStatus();
      case Offset.IQH:
        return this.queue.head;
      case Offset.IQT:
        return this.queue.tail;
      case Offset.IQERCD:
        return this.queue.error;
      case Offset.IQERCD + 4:
        return this.queue.errorDevices;
    }
    if (isProtectedMemoryRegister(offset)) return this.translator.protectedMemory.read(offset);
    if (isPageRequestRegister(offset) && offset < Offset.PECTL) return this.pageRequests.read(offset);
    const { faultOffset, faultRecords, invalidateOffset } = this.capabilities;
    // IVA is write-only.
    if (offset === invalidateOffset || offset === invalidateOffset + 4) return 0;
    const record = offset - faultOffset;
    if (record >= 0 && record < 16 * faultRecords) return this.faultLog.words[record >>> 2];
    if (this.monitor !== null && isMonitorRegister(offset)) return this.monitor.read(offset);
    return this.registers[offset >>> 2] ?? 0;
  }

  /** Read a 64-bit register: low half, high half. */
  read64(offset: number): [lo: number, hi: number] {
    return [this.read32(offset), this.read32(offset + 4)];
  }

  /** Write a 32-bit register or half of a 64-bit one, with whatever that sets off. */
  write32(offset: number, value: number): void {
    switch (offset) {
      case Offset.GCMD:
        return this.globalCommand(value);
      case Offset.CCMD + 4:
        return this.contextCommand(value);
      case Offset.FSTS:
        return this.clearFaultStatus(value);
      case Offset.FECTL:
        return this.eventControl(Offset.FECTL, value);
      case Offset.IECTL:
        return this.eventControl(Offset.IECTL, value);
      case Offset.IQT:
        return this.queue.setTail(value & 0x7fff0);
      case Offset.IQA:
      case Offset.IQA + 4:
        return this.queueAddress(offset, value);
      case Offset.ICS:
        if ((value & 1) !== 0) {
          this.set(Offset.ICS, 0);
          this.set(Offset.IECTL, this.get(Offset.IECTL) & ~PENDING);
        }
        return;
    }
    if (isPageRequestRegister(offset)) return this.pageQueue(offset, value);
    if (isProtectedMemoryRegister(offset)) {
      this.translator.protectedMemory.write(offset, value);
      return this.translator.setGates();
    }
    const { faultOffset, faultRecords, invalidateOffset } = this.capabilities;
    const record = offset - faultOffset;
    if (record >= 0 && record < 16 * faultRecords) {
      if ((record & 15) === 12 && (value & MASKED) !== 0) this.releaseFault(record >>> 4);
      return;
    }
    if (offset === invalidateOffset || offset === invalidateOffset + 4) return this.set(offset, value);
    if (offset === invalidateOffset + 12) return this.iotlbCommand(value);
    if (this.monitor !== null && offset >= PerformanceOffset.CAP) {
      if (offset === PerformanceOffset.INTRCTL) this.eventControl(offset, value);
      else if (isMonitorRegister(offset)) this.monitor.write(offset, value);
      else this.set(offset, value & (MESSAGE_BITS[offset] ?? 0));
      return;
    }
    const writable = WRITABLE[offset];
    if (writable !== undefined) this.set(offset, value & writable);
  }

  /** Write a 64-bit register: the low half first, so that a trigger bit in the high half acts last. */
  write64(offset: number, hi: number, lo: number): void {
    this.write32(offset, lo);
    this.write32(offset + 4, hi);
  }

  /** A device says that it carried out the invalidation with this tag. */
  invalidationCompleted(sourceId: number, tag: number): void {
    this.queue.completed(sourceId, tag);
  }

  /** A device did not answer the invalidation with this tag in time: how long that is, the machine decides. */
  invalidationTimedOut(tag: number): void {
    this.queue.timeOut(tag);
  }

  /** A page request message of a device. VT-d specification, chapter 7.4. */
  pageRequest(request: PageRequest): PageRequestOutcome {
    const { sourceId, hi, lo, access, pasid, privileged, isLast } = request;
    const { translator, pageRequests } = this;
    const executes = (access & EXECUTE) !== 0;
    if (!translator.admitsPageRequest(sourceId, hi, lo, pasid, privileged, executes)) {
      if (isLast) pageRequests.answer(request, ResponseCode.FAILURE);
      return 'refused';
    }
    const posted = pageRequests.post(request);
    if (posted === 'posted') translator.countPosted(sourceId);
    return posted;
  }

  /**
   * What a request would meet, step by step, without any effect on the unit.
   *
   * @param cold true to take all caches for empty, so that every table is read
   * @param pasid of a request with PASID, or -1
   * @param privileged whether a request with PASID asks as a supervisor
   * @returns the outcome as Translator.translate gives it, the output address or fault, and the steps
   */
  explain(
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
    cold = false,
    pasid = -1,
    privileged = false,
  ) {
    return this.probe(
      (translator) =>
        pasid < 0
          ? translator.translate(sourceId, hi, lo, access)
          : translator.translateWithPasid(sourceId, hi, lo, access, pasid, privileged),
      cold,
    );
  }

  /**
   * What an interrupt request of a device would meet, as `explain` does for DMA: a write of `data` to an address in
   * 0xfeex_xxxx.
   *
   * @returns the outcome as InterruptRemapper.interrupt gives it, the fault, and the steps
   */
  explainInterrupt(sourceId: number, lo: number, data: number, bytes = 4, cold = false) {
    const { outcome, fault, steps } = this.probe((translator) => {
      translator.translate(sourceId, 0, lo, WRITE);
      return translator.interrupt(sourceId, lo, data, bytes);
    }, cold);
    return { outcome, fault, steps };
  }

  /**
   * What any question to the translator would be answered, step by step, without any effect on the unit.
   *
   * @param ask returns what the translator's method returns
   * @param cold true to take all caches for empty
   */
  probe<T>(ask: (translator: AtsRequests) => T, cold = false) {
    const { translator } = this;
    const outer = translator.steps;
    const steps: Step[] = [];
    translator.steps = steps;
    translator.probing = true;
    translator.cold = cold;
    const outcome = ask(translator);
    translator.probing = false;
    translator.cold = false;
    translator.steps = outer;
    return { outcome, hi: translator.outHi, lo: translator.outLo, fault: translator.fault, steps };
  }

  private get(offset: number): number {
    return this.registers[offset >>> 2];
  }

  private set(offset: number, ...words: number[]): void {
    this.registers.set(words, offset >>> 2);
  }

  /** GCMD: persistent bits take the written state, one-shot bits start a command that is done at once. */
  private globalCommand(value: number): void {
    const { translator, queue } = this;
    const before = this.status;
    this.status = (before & ~PERSISTENT) | (value & PERSISTENT);
    if ((value & ONE_SHOTS & Global.SRTP) !== 0) {
      const lo = this.get(Offset.RTADDR);
      // Bits at and above the host address width are not implemented.
      translator.rootHi = this.get(Offset.RTADDR + 4) & (2 ** (this.capabilities.hostAddressWidth - 32) - 1);
      translator.rootLo = lo & ~0xfff;
      translator.setGates(
        undefined,
        (lo >>> rootTableAddress.fields.TTM.shift) & rootTableAddress.fields.TTM.mask,
      );
      if (this.capabilities.setRootInvalidates) translator.dropCaches();
      this.status |= Global.SRTP;
    }
    if ((value & Global.SIRTP) !== 0 && this.capabilities.interruptRemapping) this.setInterruptTable();
    // WBF completes at once, and WBFS is set only while a flush is under way.

    const isOn = (this.status & Global.TE) !== 0;
    // Turning a scalable-mode unit off is an implicit global invalidation.
    if ((before & Global.TE) !== 0 && !isOn && this.capabilities.scalableMode) translator.dropCaches();
    translator.setGates(isOn);
    // A unit without interrupt remapping has neither bit.
    if (!this.capabilities.interruptRemapping) this.status &= ~(Global.IRE | Global.CFI);
    translator.remapsInterrupts = (this.status & Global.IRE) !== 0;
    translator.passesCompatibility = (this.status & Global.CFI) !== 0;
    const queueOn = (this.status & Global.QIE) !== 0;
    if (queueOn && !queue.enabled) {
      // Enabling with a tail other than 0 is a programming error; QEMU refuses it too.
      if (queue.tail !== 0 || !this.capabilities.queuedInvalidation) this.status &= ~Global.QIE;
      else queue.enabled = true;
    } else if (!queueOn && queue.enabled) {
      queue.enabled = false;
      queue.head = 0;
    }
  }

  /** SIRTP: take IRTA over. Software invalidates the interrupt-entry cache after it, unless CAP.ESIRTPS does. */
  private setInterruptTable(): void {
    const { translator, capabilities } = this;
    const { S, EIME } = interruptTableAddress.fields;
    const lo = this.get(Offset.IRTA);
    translator.interruptTableHi = this.get(Offset.IRTA + 4) & (2 ** (capabilities.hostAddressWidth - 32) - 1);
    translator.interruptTableLo = lo & ~0xfff;
    translator.interruptTableEntries = 2 << ((lo >>> S.shift) & S.mask);
    translator.extendedInterrupts = capabilities.extendedInterruptMode && ((lo >>> EIME.shift) & 1) !== 0;
    if (capabilities.setInterruptTableInvalidates) translator.interruptCache.clear();
    this.status |= Global.SIRTP;
  }

  /** CCMD high half: ICC starts a register-based context-cache invalidation. */
  private contextCommand(value: number): void {
    const { DID, SID, FM, CIRG, CAIG, ICC } = contextCommand.fields;
    const at = Offset.CCMD + 4;
    let actual = this.get(at) & bitOf(CAIG);
    if ((value & bitOf(ICC)) !== 0) {
      // A granularity of 0 reports an invalid request; with the queue on, and where
      // only the queue can be used, every request is.
      const granularity = this.takesCommands() ? (value >>> CIRG.shift) & CIRG.mask : 0;
      if (granularity !== 0) {
        const low = this.get(Offset.CCMD);
        const sourceId = (low >>> SID.shift) & SID.mask;
        this.invalidator.context(granularity, low & DID.mask, sourceId, (value >>> FM.shift) & FM.mask);
      }
      actual = granularity << CAIG.shift;
    }
    this.set(at, (value & (bitOf(CIRG) | bitOf(FM))) | actual);
  }

  /** IOTLB high half: IVT starts a register-based IOTLB invalidation of the range in IVA. */
  private iotlbCommand(value: number): void {
    const { DID, DW, DR, IIRG, IAIG, IVT } = iotlbCommand.fields;
    const at = this.capabilities.invalidateOffset;
    let actual = this.get(at + 12) & bitOf(IAIG);
    if ((value & bitOf(IVT)) !== 0) {
      const did = value & DID.mask;
      let granularity = this.takesCommands() ? (value >>> IIRG.shift) & IIRG.mask : 0;
      if (granularity === 1) this.invalidator.iotlbGlobal();
      else if (granularity === 2) this.invalidator.iotlbDomain(did);
      else if (granularity === 3) {
        const low = this.get(at);
        const mask = low & 0x3f;
        if (this.capabilities.pageSelective && mask <= this.capabilities.maxAddressMask) {
          this.invalidator.iotlbPages(did, this.get(at + 4), low & ~0xfff, mask, (low & 0x40) !== 0);
        } else granularity = 0;
      }
      actual = granularity << IAIG.shift;
    }
    this.set(at + 12, (value & (bitOf(IIRG) | bitOf(DR) | bitOf(DW) | bitOf(DID))) | actual);
  }

  /** Whether CCMD and IOTLB_REG carry out commands: registers know nothing of PASIDs, and new units have them no more. */
  private takesCommands(): boolean {
    const { isScalable, uncertain } = this.translator;
    const isAbleHere = !isScalable || uncertain.scalableRegisterCommands;
    return !this.queue.enabled && this.capabilities.registerInvalidation && isAbleHere;
  }

  private queueAddress(offset: number, value: number): void {
    // Locked while the queue runs: chapter 6.5.2.
    if (this.queue.enabled) return;
    const writable = this.capabilities.scalableMode ? 0xffff_f807 : 0xffff_f007;
    this.set(offset, offset === Offset.IQA ? value & writable : value);
    const low = this.get(Offset.IQA);
    this.queue.setUp(
      join(this.get(Offset.IQA + 4), low & ~0xfff),
      low & 7,
      (low & bitOf(queueAddress.fields.DW)) !== 0,
    );
  }

  /** FSTS: PPF and FRI follow from the records, IQE from the queue. */
  private faultStatus(): number {
    const { faultLog, queue } = this;
    const pending = faultLog.pending;
    return (
      (faultLog.overflow ? FSTS.PFO : 0) |
      (pending ? FSTS.PPF : 0) |
      (queue.stopped ? FSTS.IQE : 0) |
      (queue.unexpected ? FSTS.ICE : 0) |
      (queue.timedOut ? FSTS.ITE : 0) |
      (pending ? faultLog.first << faultStatus.fields.FRI.shift : 0)
    );
  }

  private clearFaultStatus(value: number): void {
    if ((value & FSTS.PFO) !== 0) this.faultLog.overflow = false;
    if ((value & FSTS.IQE) !== 0 && this.queue.stopped) this.queue.resume();
    if ((value & FSTS.ICE) !== 0) this.queue.clearUnexpected();
    if ((value & FSTS.ITE) !== 0 && this.queue.timedOut) this.queue.clearTimeOut();
    this.settleFaultEvent();
  }

  private releaseFault(index: number): void {
    this.faultLog.release(index);
    this.settleFaultEvent();
  }

  /** With nothing pending any more, a fault event not yet sent is dropped. */
  private settleFaultEvent(): void {
    if (this.faultStatus() === 0) this.set(Offset.FECTL, this.get(Offset.FECTL) & ~PENDING);
  }

  private raiseFaultEvent(): void {
    // Only the change from nothing pending raises an event; a second cause meets one already under way.
    const status = this.faultStatus();
    const causes = [FSTS.PPF, FSTS.PFO, FSTS.IQE, FSTS.ICE, FSTS.ITE].filter(
      (cause) => (status & cause) !== 0,
    );
    if (causes.length === 1) this.raiseEvent(Offset.FECTL);
  }

  /** A register of page requests or their events; with nothing left in PRS, an event not yet sent is dropped. */
  private pageQueue(offset: number, value: number): void {
    if (!this.capabilities.pageRequests) return;
    if (offset === Offset.PECTL) return this.eventControl(Offset.PECTL, value);
    const writable = WRITABLE[offset];
    if (writable !== undefined) return this.set(offset, value & writable);
    this.pageRequests.write(offset, value);
    if (this.pageRequests.status === 0) this.set(Offset.PECTL, this.get(Offset.PECTL) & ~PENDING);
  }

  private completeWait(): void {
    if ((this.get(Offset.ICS) & 1) !== 0) return;
    this.set(Offset.ICS, 1);
    this.raiseEvent(Offset.IECTL);
  }

  /** Control, data, address and upper address registers of an event lie in a row. */
  private raiseEvent(control: number): void {
    if ((this.get(control) & MASKED) !== 0) {
      this.set(control, this.get(control) | PENDING);
      return;
    }
    this.sendInterrupt(join(this.get(control + 12), this.get(control + 8)), this.get(control + 4));
  }

  private eventControl(control: number, value: number): void {
    const pending = this.get(control) & PENDING;
    this.set(control, (value & MASKED) | pending);
    if (pending !== 0 && (value & MASKED) === 0) {
      this.set(control, 0);
      this.raiseEvent(control);
    }
  }
}
