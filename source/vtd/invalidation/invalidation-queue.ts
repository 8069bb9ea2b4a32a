/**
 * The queued invalidation interface: a ring of descriptors in memory. VT-d specification, chapter 6.5.2.
 * Descriptors are carried out as soon as the tail is written. Only devices take their time: while one has not
 * answered, what waits for it waits, and the rest goes on.
 */

import type { EndpointLink, InvalidateMessage } from '../ats/endpoint-link.ts';
import { join } from '../bits.ts';
import {
  contextDescriptor,
  DescriptorType,
  descriptorLayout,
  deviceTlbDescriptor,
  Granularity,
  interruptEntryDescriptor,
  iotlbDescriptor,
  PasidGranularity,
  pageResponseDescriptor,
  pasidCacheDescriptor,
  pasidDeviceTlbDescriptor,
  pasidIotlbDescriptor,
  waitDescriptor,
} from '../formats/invalidation-descriptor.ts';
import type { Layout } from '../formats/layout.ts';
import { sizeBitsOf } from '../formats/translation-completion.ts';
import type { PhysicalMemory } from '../memory.ts';
import type { Capabilities } from '../unit/capabilities.ts';
import { QueueError, queueError } from '../unit/registers.ts';
import type { Invalidator } from './invalidator.ts';
import { PendingInvalidations } from './pending-invalidations.ts';

export type QueueHost = {
  /** A wait descriptor asked for an interrupt: ICS.IWC. */
  invalidationComplete(): void;
  /** The queue stopped, or a device did not answer as it should: FSTS.IQE, ITE or ICE. */
  queueError(): void;
  /** Whether the root table in use is in scalable mode. */
  isScalable(): boolean;
};

const wait = waitDescriptor.fields;
const context = contextDescriptor.fields;
const iotlb = iotlbDescriptor.fields;
const interruptEntry = interruptEntryDescriptor.fields;
const pasidIotlb = pasidIotlbDescriptor.fields;
const pasidCache = pasidCacheDescriptor.fields;
const deviceTlb = deviceTlbDescriptor.fields;
const pasidDeviceTlb = pasidDeviceTlbDescriptor.fields;
const response = pageResponseDescriptor.fields;
const { ITESID, ICESID } = queueError.fields;

/** Not an error: a device has no room for another invalidation, so that the queue stands still until it has. */
const BUSY = -1;

/** A wait descriptor that devices are still to be waited for. */
type PendingWait = { readonly words: Int32Array; readonly tags: Set<number>; readonly isFence: boolean };

export class InvalidationQueue {
  enabled = false;
  /** Byte offsets into the queue. */
  head = 0;
  tail = 0;
  /** FSTS.IQE: stopped at `head` until software clears it. */
  stopped = false;
  /** FSTS.ITE: a device did not answer in time. No descriptor is fetched until software clears it. */
  timedOut = false;
  /** FSTS.ICE: a device answered what it was not asked. */
  unexpected = false;
  /** IQERCD.ITESID and ICESID. */
  private timedOutId = 0;
  private unexpectedId = 0;
  private readonly pending = new PendingInvalidations();
  private readonly messages = new Map<number, InvalidateMessage>();
  private waits: PendingWait[] = [];
  /** IQERCD.IQEI. */
  error: number = QueueError.NONE;
  private readonly reserved = new Map<Layout, Int32Array>();
  private base = 0;
  private bytes = 4096;
  /** Bytes of a descriptor: 16, or 32 with IQA.DW. */
  private step = 16;
  private readonly memory: PhysicalMemory;
  private readonly capabilities: Capabilities;
  private readonly invalidator: Invalidator;
  private readonly host: QueueHost;
  private readonly link: EndpointLink;

  constructor(
    memory: PhysicalMemory,
    capabilities: Capabilities,
    invalidator: Invalidator,
    host: QueueHost,
    link: EndpointLink,
  ) {
    this.memory = memory;
    this.capabilities = capabilities;
    this.invalidator = invalidator;
    this.host = host;
    this.link = link;
  }

  /** IQA was written: base address, 2^size pages, and whether descriptors have 256 bits. */
  setUp(base: number, size: number, isWide: boolean): void {
    this.base = base;
    this.step = isWide ? 32 : 16;
    this.bytes = 4096 << size;
  }

  /** IQT was written. */
  setTail(tail: number): void {
    this.tail = tail;
    this.run();
  }

  /** Software cleared IQE: fetch again from the head. */
  resume(): void {
    this.stopped = false;
    this.error = QueueError.NONE;
    this.run();
  }

  /** The upper half of IQERCD. */
  get errorDevices(): number {
    return (this.timedOutId << ITESID.shift) | (this.unexpectedId << ICESID.shift);
  }

  /** A device says that it carried out an invalidation. */
  completed(sourceId: number, tag: number): void {
    const ended = this.pending.end(tag, sourceId);
    if (ended === null) {
      this.unexpected = true;
      this.unexpectedId = sourceId;
      return this.host.queueError();
    }
    this.invalidator.deviceTlb(this.messages.get(tag) as InvalidateMessage);
    for (const { tags } of this.waits) tags.delete(tag);
    while (this.waits.length > 0 && this.waits[0].tags.size === 0) {
      this.finishWait((this.waits.shift() as PendingWait).words);
    }
    this.run();
  }

  /** The time for an answer is over. Waits under way are given up: their status is never written. */
  timeOut(tag: number): void {
    const ended = this.pending.end(tag);
    if (ended === null) return;
    this.timedOut = true;
    this.timedOutId = ended.sourceId;
    this.waits = [];
    this.host.queueError();
  }

  /** Software cleared ITE: go on with what was not fetched yet. */
  clearTimeOut(): void {
    this.timedOut = false;
    this.timedOutId = 0;
    this.run();
  }

  /** Software cleared ICE. */
  clearUnexpected(): void {
    this.unexpected = false;
    this.unexpectedId = 0;
  }

  private get isHeld(): boolean {
    return this.stopped || this.timedOut || this.waits.some(({ isFence }) => isFence);
  }

  private run(): void {
    if (!this.enabled || this.isHeld) return;
    if (this.tail >= this.bytes) return this.stop(QueueError.TAIL);
    if (this.tail % this.step !== 0) return this.stop(QueueError.TAIL_ALIGNMENT);
    while (this.head !== this.tail && !this.isHeld) {
      const at = this.base + this.head;
      if (!this.memory.has(at + this.step - 1)) return this.stop(QueueError.FETCH);
      const fetched = this.head;
      // The head moves on a fetch, so that software may add work from the interrupt of a wait.
      this.head = (this.head + this.step) % this.bytes;
      const error = this.carryOut(this.memory.readWords(at, this.step / 4));
      if (error !== QueueError.NONE) {
        // The head stays at an offending descriptor (chapter 6.5.2.10).
        this.head = fetched;
        if (error === BUSY) return;
        return this.stop(error);
      }
    }
  }

  private stop(error: number): void {
    this.stopped = true;
    this.error = error;
    this.host.queueError();
  }

  private carryOut(words: Int32Array): number {
    const format = descriptorLayout(words[0]);
    if (format === null || !this.knows(format)) return QueueError.TYPE;
    const isPasidType = pasidTypes.has(format);
    const isScalable = this.host.isScalable();
    if (words.length === 4 && (isScalable || isPasidType)) return QueueError.WIDTH;
    if (isPasidType && !isScalable) return QueueError.TABLE_MODE;
    for (let i = 4; i < words.length; i++) if (words[i] !== 0) return QueueError.RESERVED;
    const reserved = this.reservedOf(format);
    for (let i = 0; i < 4; i++) if ((words[i] & reserved[i]) !== 0) return QueueError.RESERVED;
    const granularity = (words[0] >>> 4) & 3;
    switch (words[0] & 15) {
      case DescriptorType.CONTEXT: {
        if (granularity === 0) return QueueError.RESERVED;
        const did = (words[0] >>> context.DID.shift) & context.DID.mask;
        const sourceId = words[1] & context.SID.mask;
        this.invalidator.context(
          granularity,
          did,
          sourceId,
          (words[1] >>> context.FM.shift) & context.FM.mask,
        );
        return QueueError.NONE;
      }
      case DescriptorType.IOTLB:
        return this.iotlb(words, granularity);
      case DescriptorType.INTERRUPT_ENTRY:
        return this.interruptEntries(words);
      case DescriptorType.PASID_IOTLB:
        return this.pasidIotlb(words, granularity);
      case DescriptorType.PASID_CACHE: {
        if (granularity === 2) return QueueError.RESERVED;
        const did = (words[0] >>> pasidCache.DID.shift) & pasidCache.DID.mask;
        const pasid = words[pasidCache.PASID.word] & pasidCache.PASID.mask;
        if (granularity === PasidGranularity.GLOBAL) this.invalidator.pasidCacheGlobal();
        else if (granularity === PasidGranularity.DOMAIN) this.invalidator.pasidCacheDomain(did);
        else this.invalidator.pasidCachePasid(did, pasid);
        return QueueError.NONE;
      }
      case DescriptorType.DEVICE_TLB:
      case DescriptorType.PASID_DEVICE_TLB:
        return this.sendInvalidate(words);
      case DescriptorType.PAGE_RESPONSE:
        this.link.respond({
          sourceId: (words[0] >>> response.RID.shift) & response.RID.mask,
          pasid: (words[0] & (1 << response.PP.shift)) === 0 ? -1 : words[1] & response.PASID.mask,
          group: (words[2] >>> response.PRGI.shift) & response.PRGI.mask,
          code: (words[0] >>> response.RC.shift) & response.RC.mask,
        });
        return QueueError.NONE;
      default:
        return this.wait(words);
    }
  }

  /** Whether the unit has a type of descriptor. */
  private knows(format: Layout): boolean {
    const { scalableMode, deviceTlb, pageRequests } = this.capabilities;
    if (pasidTypes.has(format) && !scalableMode) return false;
    if (format === deviceTlbDescriptor || format === pasidDeviceTlbDescriptor) return deviceTlb;
    return format !== pageResponseDescriptor || pageRequests;
  }

  /** Ask a device to forget a range, if it has room for one more invalidation. */
  private sendInvalidate(words: Int32Array): number {
    const isOfPasid = (words[0] & 15) === DescriptorType.PASID_DEVICE_TLB;
    const { SID, MIP } = isOfPasid ? pasidDeviceTlb : deviceTlb;
    const sourceId = (words[SID.word] >>> SID.shift) & SID.mask;
    const isLarge = isOfPasid
      ? (words[2] & (1 << pasidDeviceTlb.S.shift)) !== 0
      : (words[2] & (1 << deviceTlb.S.shift)) !== 0;
    const counted = this.capabilities.DIT ? physicalFunction(words) : sourceId;
    const pending = this.pending.begin(sourceId, counted, (words[MIP.word] >>> MIP.shift) & MIP.mask);
    if (pending === null) return BUSY;
    const message: InvalidateMessage = {
      sourceId,
      tag: pending.tag,
      pasid: isOfPasid ? words[pasidDeviceTlb.PASID.word] & pasidDeviceTlb.PASID.mask : -1,
      isGlobal: isOfPasid && (words[2] & (1 << pasidDeviceTlb.G.shift)) !== 0,
      hi: words[3],
      lo: words[2] & ~0xfff,
      sizeBits: sizeBitsOf(words[3], words[2], isLarge),
    };
    this.messages.set(pending.tag, message);
    this.link.invalidate(message);
    return QueueError.NONE;
  }

  /** The reserved bits of a format on this unit, computed once. */
  private reservedOf(format: Layout): Int32Array {
    let reserved = this.reserved.get(format);
    if (reserved === undefined) {
      reserved = format.reserved(this.capabilities);
      this.reserved.set(format, reserved);
    }
    return reserved;
  }

  private iotlb(words: Int32Array, granularity: number): number {
    const did = (words[0] >>> iotlb.DID.shift) & iotlb.DID.mask;
    if (granularity === Granularity.GLOBAL) this.invalidator.iotlbGlobal();
    else if (granularity === Granularity.DOMAIN) this.invalidator.iotlbDomain(did);
    else if (granularity === Granularity.SELECTIVE) {
      const mask = words[2] & iotlb.AM.mask;
      if (!this.capabilities.pageSelective || mask > this.capabilities.maxAddressMask)
        return QueueError.RESERVED;
      const leafOnly = ((words[2] >>> iotlb.IH.shift) & 1) !== 0;
      this.invalidator.iotlbPages(did, words[3], words[2] & ~0xfff, mask, leafOnly);
    } else return QueueError.RESERVED;
    return QueueError.NONE;
  }

  private interruptEntries(words: Int32Array): number {
    const mask = (words[0] >>> interruptEntry.IM.shift) & interruptEntry.IM.mask;
    const isSelective = ((words[0] >>> interruptEntry.G.shift) & 1) !== 0;
    // What a mask above ECAP.MHMV does is not established; hardware may always drop more than it was asked to.
    if (!isSelective || mask > this.capabilities.maxHandleMask) this.invalidator.interruptEntriesGlobal();
    else this.invalidator.interruptEntries(words[interruptEntry.IIDX.word] & interruptEntry.IIDX.mask, mask);
    return QueueError.NONE;
  }

  private pasidIotlb(words: Int32Array, granularity: number): number {
    const did = (words[0] >>> pasidIotlb.DID.shift) & pasidIotlb.DID.mask;
    const pasid = words[pasidIotlb.PASID.word] & pasidIotlb.PASID.mask;
    if (granularity === Granularity.DOMAIN) this.invalidator.pasidIotlbAll(did, pasid);
    else if (granularity === Granularity.SELECTIVE) {
      // MAMV and PSI are about second stage alone.
      const mask = words[pasidIotlb.AM.word] & pasidIotlb.AM.mask;
      const leafOnly = ((words[2] >>> pasidIotlb.IH.shift) & 1) !== 0;
      this.invalidator.pasidIotlbPages(did, pasid, words[3], words[2] & ~0xfff, mask, leafOnly);
    } else return QueueError.RESERVED;
    return QueueError.NONE;
  }

  /** A wait is over once all that came before it is, the answers of devices included. */
  private wait(words: Int32Array): number {
    if (this.pending.size === 0 && this.waits.length === 0) this.finishWait(words);
    else {
      const isFence = ((words[0] >>> wait.FN.shift) & 1) !== 0;
      this.waits.push({ words, tags: this.pending.tags, isFence });
    }
    return QueueError.NONE;
  }

  private finishWait(words: Int32Array): void {
    if (((words[0] >>> wait.SW.shift) & 1) !== 0) {
      const address = join(words[3], words[2] & ~3);
      if (this.memory.has(address)) this.memory.write32(address, words[wait.STDATA.word]);
    }
    this.invalidator.wait();
    // Page requests go into their queue the moment they come, so that PD finds none left to drain.
    if (((words[0] >>> wait.IF.shift) & 1) !== 0) this.host.invalidationComplete();
  }
}

/** Types of descriptor that belong to scalable mode. */
const pasidTypes: ReadonlySet<Layout> = new Set<Layout>([
  pasidIotlbDescriptor,
  pasidCacheDescriptor,
  pasidDeviceTlbDescriptor,
  pageResponseDescriptor,
]);

/** PFSID of a device-TLB descriptor of either type. */
const physicalFunction = (words: Int32Array): number => {
  const { PFSIDlow, PFSIDhigh } = deviceTlb;
  const low = (words[0] >>> PFSIDlow.shift) & PFSIDlow.mask;
  return (((words[1] >>> PFSIDhigh.shift) & PFSIDhigh.mask) << 4) | low;
};
