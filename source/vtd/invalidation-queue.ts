/**
 * The queued invalidation interface: a ring of descriptors in memory. VT-d specification, chapter 6.5.2.
 * Descriptors are carried out as soon as the tail is written.
 */
import { join } from './bits.ts';
import type { Capabilities } from './capabilities.ts';
import {
  contextDescriptor,
  DescriptorType,
  descriptorLayout,
  Granularity,
  interruptEntryDescriptor,
  iotlbDescriptor,
  PasidGranularity,
  pasidCacheDescriptor,
  pasidIotlbDescriptor,
  waitDescriptor,
} from './invalidation-descriptor.ts';
import type { Invalidator } from './invalidator.ts';
import type { Layout } from './layout.ts';
import type { PhysicalMemory } from './memory.ts';
import { QueueError } from './registers.ts';

export type QueueHost = {
  /** A wait descriptor asked for an interrupt: ICS.IWC. */
  invalidationComplete(): void;
  /** The queue stopped: FSTS.IQE. */
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

export class InvalidationQueue {
  enabled = false;
  /** Byte offsets into the queue. */
  head = 0;
  tail = 0;
  /** FSTS.IQE: stopped at `head` until software clears it. */
  stopped = false;
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

  constructor(memory: PhysicalMemory, capabilities: Capabilities, invalidator: Invalidator, host: QueueHost) {
    this.memory = memory;
    this.capabilities = capabilities;
    this.invalidator = invalidator;
    this.host = host;
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

  private run(): void {
    if (!this.enabled || this.stopped) return;
    if (this.tail >= this.bytes) return this.stop(QueueError.TAIL);
    if (this.tail % this.step !== 0) return this.stop(QueueError.TAIL_ALIGNMENT);
    while (this.head !== this.tail) {
      const at = this.base + this.head;
      if (!this.memory.has(at + this.step - 1)) return this.stop(QueueError.FETCH);
      const fetched = this.head;
      // The head moves on a fetch, so that software may add work from the interrupt of a wait.
      this.head = (this.head + this.step) % this.bytes;
      const error = this.carryOut(this.memory.readWords(at, this.step / 4));
      if (error !== QueueError.NONE) {
        // The head stays at an offending descriptor (chapter 6.5.2.10).
        this.head = fetched;
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
    const isPasidType = format === pasidIotlbDescriptor || format === pasidCacheDescriptor;
    if (format === null || (isPasidType && !this.capabilities.scalableMode)) return QueueError.TYPE;
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
      default:
        return this.wait(words);
    }
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

  private wait(words: Int32Array): number {
    if (((words[0] >>> wait.SW.shift) & 1) !== 0) {
      const address = join(words[3], words[2] & ~3);
      if (this.memory.has(address)) this.memory.write32(address, words[wait.STDATA.word]);
    }
    this.invalidator.wait();
    if (((words[0] >>> wait.IF.shift) & 1) !== 0) this.host.invalidationComplete();
    return QueueError.NONE;
  }
}
