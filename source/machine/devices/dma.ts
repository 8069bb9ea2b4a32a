/** A DMA request on its way through the unit into memory, and what becomes of it. */

import type { Request } from '../../timing/request.ts';
import type { TimedUnit } from '../../timing/timed-unit.ts';
import { hexOf, join } from '../../vtd/bits.ts';
import { READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import { Reply } from '../../vtd/formats/translation-completion.ts';
import { Delivery } from '../../vtd/interrupts/interrupt-remapper.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import type { Step } from '../../vtd/translation/step.ts';
import { Outcome } from '../../vtd/translation/translator.ts';
import type { Iommu } from '../../vtd/unit/iommu.ts';
import { DEVICE_WINDOW, MEMORY_BYTES, type MemoryMap, type OwnerId } from '../memory-map.ts';
import type { Device } from './device.ts';
import { PagePieces } from './page-pieces.ts';

const PAGE = 4096;
/** What devices write. */
export const PATTERN = 0x9696_9696 | 0;
/** The words for Delivery, from AS_WRITTEN on. */
const deliveryNames = ['as written', 'remapped', 'posted', 'posted, notified'] as const;

/** The words for an outcome, in the order of Outcome, and for a request that never came to the unit. */
export const outcomeNames = [
  'untranslated',
  'passed',
  'hit',
  'walked',
  'interrupt',
  'blocked',
  'peer-to-peer',
] as const;
export type OutcomeName = (typeof outcomeNames)[number];
const PEER_TO_PEER = outcomeNames.indexOf('peer-to-peer');

/** What a request is besides an access: AT of PCIe, and page requests. */
export type RequestKind = 'untranslated' | 'translation' | 'translated' | 'page request';

/** A request that a device makes by hand rather than by its workload; it stays within one page. */
export type HandmadeRequest = {
  readonly kind: RequestKind;
  readonly hi: number;
  readonly lo: number;
  readonly bytes: number;
  /** READ or WRITE: of a translation request, whether it may write. */
  readonly access: number;
  /** Of a request with PASID, or -1. */
  readonly pasid: number;
};

/** One request as it happened. */
export type DmaRecord = {
  readonly kind: RequestKind;
  readonly pasid: number;
  readonly device: Device;
  readonly hi: number;
  readonly lo: number;
  readonly bytes: number;
  readonly access: number;
  readonly outcome: OutcomeName;
  /** Physical address; null where the request was blocked. */
  readonly output: number | null;
  readonly fault: number;
  /** What the memory it reached is called, or null. */
  readonly landed: string | null;
  readonly corrupted: boolean;
  readonly steps: readonly Step[];
};

/** A page written by a device that had no business there. */
export type Corruption = {
  /** Page address. */
  readonly page: number;
  readonly device: Device;
  readonly bytes: number;
  readonly owner: string;
};

/** What became of an interrupt that was let through, and where it went. */
export type InterruptResult = {
  readonly delivery: 'as written' | 'remapped' | 'posted' | 'posted, notified';
  readonly vector: number;
  readonly processor: number;
  readonly mode: number;
};

/** One write to 0xfeex_xxxx as it happened. */
export type InterruptRecord = {
  readonly device: Device;
  /** Lower half of the address. */
  readonly at: number;
  readonly data: number;
  readonly bytes: number;
  /** The entry it named, or null. */
  readonly index: number | null;
  /** Null where it was refused. */
  readonly result: InterruptResult | null;
  readonly fault: number;
  readonly steps: readonly Step[];
};

/** A processor gets an interrupt. */
export type Deliver = (result: InterruptResult) => void;

export type DmaObserver = {
  /** Whether to note the steps of this device's next request. */
  wants(device: Device): boolean;
  /** Likewise of its next interrupt. */
  wantsInterrupt(device: Device): boolean;
  /** An interrupt whose steps were noted was let through, or one was refused. */
  interrupted(record: InterruptRecord, recorded: boolean): void;
  /** A request whose steps were noted was served. */
  done(record: DmaRecord): void;
  /**
   * A request was refused; its steps are empty where they were not wanted.
   *
   * @param recorded whether a fault recording register took the fault
   */
  blocked(record: DmaRecord, recorded: boolean): void;
  corrupted(corruption: Corruption): void;
};

export class DmaPath {
  observer: DmaObserver | null = null;
  /** How the last DMA done at once ended: one of Outcome. */
  outcome = 0;
  /** The steps of the request that was looked up last, where they were wanted. */
  private noted: Step[] | null = null;
  private readonly memory: PhysicalMemory;
  private readonly unit: Iommu;
  private readonly map: MemoryMap;
  private readonly timed: TimedUnit;
  private readonly mayWrite: (device: Device, owner: OwnerId, address: number) => boolean;
  private readonly deliver: Deliver;
  private readonly reachesPeer: (device: Device, address: number) => boolean;

  /**
   * @param mayWrite whether a page of this owner is a device's to write
   * @param deliver told of interrupts that reach a processor
   * @param reachesPeer whether the way up leads to another device's registers before it leads to the unit
   */
  constructor(
    memory: PhysicalMemory,
    unit: Iommu,
    map: MemoryMap,
    timed: TimedUnit,
    mayWrite: (device: Device, owner: OwnerId, address: number) => boolean,
    deliver: Deliver,
    reachesPeer: (device: Device, address: number) => boolean,
  ) {
    this.memory = memory;
    this.unit = unit;
    this.map = map;
    this.timed = timed;
    this.mayWrite = mayWrite;
    this.deliver = deliver;
    this.reachesPeer = reachesPeer;
  }

  /**
   * A device sends an interrupt: a write of four bytes to an address in 0xfeex_xxxx.
   *
   * @returns whether it was let through
   */
  interrupt(device: Device, at: number, data: number, bytes = 4): boolean {
    this.decideInterrupt(device, at, data, bytes);
    return this.settleInterrupt(device, at, data, bytes);
  }

  private decideInterrupt(device: Device, at: number, data: number, bytes: number): void {
    const { translator } = this.unit;
    this.noted = this.observer?.wantsInterrupt(device) ? [] : null;
    translator.steps = this.noted;
    translator.translate(device.requesterId, 0, at, WRITE);
    translator.interrupt(device.requesterId, at, data, bytes);
    translator.steps = null;
  }

  /** What follows from it. Returns whether it was let through. */
  private settleInterrupt(device: Device, at: number, data: number, bytes: number): boolean {
    const { translator } = this.unit;
    const { observer, noted } = this;
    const { delivery, vector, destination, deliveryMode, interruptIndex } = translator;
    const isBlocked = delivery === Delivery.NONE;
    const result: InterruptResult | null = isBlocked
      ? null
      : { delivery: deliveryNames[delivery - 1], vector, processor: destination, mode: deliveryMode };
    if (observer !== null && (noted !== null || isBlocked)) {
      const index = interruptIndex < 0 ? null : interruptIndex;
      const { fault, recorded } = translator;
      observer.interrupted({ device, at, data, bytes, index, result, fault, steps: noted ?? [] }, recorded);
    }
    if (result !== null && delivery !== Delivery.POSTED) this.deliver(result);
    return !isBlocked;
  }

  /** A request of a device has arrived at the unit: decide it. What follows, `decided` does. */
  lookUp(device: Device, request: Request): number {
    const { translator } = this.unit;
    const { hi, lo, bytes, access } = request;
    if (isInterrupt(hi, lo, access)) {
      this.decideInterrupt(device, lo, request.data, bytes);
      request.reads = translator.reads;
      return Outcome.INTERRUPT;
    }
    const outcome = this.decide(device, hi, lo, access);
    request.reads = outcome === PEER_TO_PEER ? 0 : translator.reads;
    return outcome;
  }

  /** What follows from the request that was looked up last. */
  decided(device: Device, { hi, lo, bytes, access, outcome, data }: Request): void {
    if (outcome === Outcome.INTERRUPT && isInterrupt(hi, lo, access))
      this.settleInterrupt(device, lo, data, bytes);
    else this.settle(device, 'untranslated', hi, lo, bytes, access, -1, outcome);
  }

  /**
   * Do DMA of any length at once, as when somebody asks for it: one request for each page it touches. It ends at the
   * first that is refused.
   *
   * @returns how long the translations took, in nanoseconds
   */
  transfer(device: Device, hi: number, lo: number, bytes: number, access: number): number {
    let latency = 0;
    // Not shared: what follows from a request may lead to another one.
    const pieces = new PagePieces();
    pieces.start(hi, lo, bytes);
    while (pieces.next()) {
      const { hi: high, lo: low, bytes: piece } = pieces;
      if (isInterrupt(high, low, access)) {
        this.interrupt(device, low, PATTERN, piece);
        break;
      }
      let outcome = 0;
      const ns = this.timed.atOnce(device.requesterId, high, low, () => {
        outcome = this.decide(device, high, low, access);
        return outcome === PEER_TO_PEER ? 0 : this.unit.translator.reads;
      });
      latency += ns;
      device.port.madeAtOnce(piece, access, ns);
      this.outcome = outcome;
      this.settle(device, 'untranslated', high, low, piece, access, -1, outcome);
      if (outcome === Outcome.BLOCKED) break;
    }
    return latency;
  }

  /** One request that a workload would not make. What a device TLB learns by it, the device keeps. */
  send(device: Device, request: HandmadeRequest): void {
    const { translator } = this.unit;
    this.noted = this.observer?.wants(device) ? [] : null;
    translator.steps = this.noted;
    const outcome = this.ask(device, request);
    translator.steps = null;
    const { kind, hi, lo, bytes, access, pasid } = request;
    this.settle(device, kind, hi, lo, bytes, access, pasid, outcome);
  }

  /** Whether a memory request is routed to another device's registers, so that the unit never sees it. */
  isPeerToPeer(device: Device, hi: number, lo: number): boolean {
    return hi === 0 && lo >>> 0 >= DEVICE_WINDOW.start && this.reachesPeer(device, lo >>> 0);
  }

  private ask(device: Device, { kind, hi, lo, access, pasid }: HandmadeRequest): number {
    const { translator } = this.unit;
    const isMemoryRequest = kind === 'untranslated' || kind === 'translated';
    if (isMemoryRequest && this.isPeerToPeer(device, hi, lo)) return PEER_TO_PEER;
    const { requesterId: sourceId } = device;
    switch (kind) {
      case 'translation': {
        const reply = translator.translationRequest(sourceId, hi, lo, access === READ, pasid);
        if (reply !== Reply.SUCCESS) return Outcome.BLOCKED;
        device.tlb?.fill(hi, lo, pasid, translator.completionHi, translator.completionLo);
        return Outcome.WALKED;
      }
      case 'translated':
        return translator.translatedRequest(sourceId, hi, lo, access, pasid);
      case 'page request': {
        const request = { sourceId, hi, lo, access, pasid, privileged: false, group: 0, isLast: true };
        return this.unit.pageRequest(request) === 'refused' ? Outcome.BLOCKED : Outcome.PASSED;
      }
      case 'untranslated':
        return pasid < 0
          ? translator.translate(sourceId, hi, lo, access)
          : translator.translateWithPasid(sourceId, hi, lo, access, pasid, false);
    }
  }

  private decide(device: Device, hi: number, lo: number, access: number): number {
    const { translator } = this.unit;
    this.noted = this.observer?.wants(device) ? [] : null;
    if (this.isPeerToPeer(device, hi, lo)) return PEER_TO_PEER;
    translator.steps = this.noted;
    const outcome = translator.translate(device.requesterId, hi, lo, access);
    translator.steps = null;
    return outcome;
  }

  /** What follows from an outcome: in memory, and for whoever watches. */
  private settle(
    device: Device,
    kind: RequestKind,
    hi: number,
    lo: number,
    bytes: number,
    access: number,
    pasid: number,
    outcome: number,
  ): void {
    const { translator } = this.unit;
    const { observer, noted } = this;
    device.requests++;
    const isBlocked = outcome === Outcome.BLOCKED;
    const moves = kind === 'untranslated' || kind === 'translated';
    if (!isBlocked && moves) device.bytes += bytes;
    const reached = !isBlocked && outcome !== Outcome.INTERRUPT && kind !== 'page request';
    const isPeer = outcome === PEER_TO_PEER;
    const output = !reached ? null : isPeer ? join(hi, lo) : join(translator.outHi, translator.outLo);
    const corrupted = output !== null && moves && (access & WRITE) !== 0 && this.write(device, output, bytes);
    if (observer !== null && (noted !== null || isBlocked)) {
      const record: DmaRecord = {
        kind,
        pasid,
        device,
        hi,
        lo,
        bytes: moves ? bytes : 0,
        access,
        outcome: outcomeNames[outcome],
        output,
        fault: isPeer ? 0 : translator.fault,
        landed: output === null ? null : this.map.nameAt(output),
        corrupted,
        steps: noted ?? [],
      };
      if (isBlocked) observer.blocked(record, translator.recorded);
      else observer.done(record);
    }
  }

  /** Store what the device wrote. Returns whether it was not its to write. */
  private write(device: Device, address: number, bytes: number): boolean {
    if (address >= MEMORY_BYTES) return false;
    this.memory.fill(address, bytes, PATTERN);
    const owner = this.map.ownerOf(address);
    if (this.mayWrite(device, owner, address)) return false;
    const page = address - (address % PAGE);
    this.observer?.corrupted({ page, device, bytes, owner: this.map.nameAt(address) });
    return true;
  }
}

/** A write to 0xfeex_xxxx is an interrupt or nothing. */
const isInterrupt = (hi: number, lo: number, access: number): boolean =>
  hi === 0 && lo >>> 20 === 0xfee && access === WRITE;

/** An address of a request as people read it. */
export const addressText = ({ hi, lo }: { readonly hi: number; readonly lo: number }): string =>
  hexOf(hi, lo);
