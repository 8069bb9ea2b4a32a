/** The kernel's side of the invalidation queue: `drivers/iommu/intel/dmar.c`, qi_submit_sync. */
import { highHalf, lowHalf } from '../../vtd/bits.ts';
import {
  contextDescriptor,
  DescriptorType,
  deviceTlbDescriptor,
  Granularity,
  iotlbDescriptor,
  waitDescriptor,
} from '../../vtd/formats/invalidation-descriptor.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import type { Iommu } from '../../vtd/unit/iommu.ts';
import { Offset, queueAddress } from '../../vtd/unit/registers.ts';
import type { PageFrames } from '../page-frames.ts';
import { holds } from '../version-rules.ts';
import { lockupMessage, QueueErrors, type QueueHost, type Verdict } from './queue-errors.ts';

const { SID } = deviceTlbDescriptor.fields;

/** The value a finished wait descriptor leaves behind (QI_DONE). */
const DONE = 2;
const QUEUE_SLOTS = 256;
/** A CPU that does not take interrupts for so long is locked up (watchdog_thresh). */
const WATCHDOG_NS = 10e9;
/** QI_MAX_BATCHED_DESC_COUNT. */
const LARGEST_BATCH = 16;
/** Submissions that a device leaves unanswered until we take it that it never answers. */
const MOST_TRIES = 3;

export class QueuedInvalidation {
  /** Whether the unit is told where only leaves changed (IH). */
  givesHint = true;
  /** Most versions lose the hint of second-stage tables on the way to the descriptor. */
  losesHint = false;
  /** Told of each submission by the type of its first descriptor once it was waited for, and how long devices let it wait. */
  onDone: ((type: number, waitedNs: number) => void) | null = null;
  readonly errors: QueueErrors;
  private readonly unit: Iommu;
  private readonly memory: PhysicalMemory;
  private readonly host: QueueHost;
  /** A unit that can do scalable mode gets descriptors of 256 bits, whether the mode is used or not. */
  private readonly slotBytes: number;
  private readonly base: number;
  private readonly status: number;
  private tail = 0;
  private readonly batch: Int32Array[] = [];
  private isBatching = false;

  /**
   * Take memory for the queue and tell the unit of it. The unit must still be enabled.
   */
  constructor(unit: Iommu, memory: PhysicalMemory, frames: PageFrames, host: QueueHost) {
    this.unit = unit;
    this.memory = memory;
    this.host = host;
    const isWide = unit.capabilities.scalableMode;
    this.slotBytes = isWide ? 32 : 16;
    const pages = (this.slotBytes * QUEUE_SLOTS) / 4096;
    this.base = frames.allocateRun(pages);
    for (let page = 0; page < pages; page++) memory.clearPage(this.base + 4096 * page);
    this.errors = new QueueErrors(
      unit,
      {
        slots: QUEUE_SLOTS,
        slotBytes: this.slotBytes,
        wordsAt: (slot) => memory.readWords(this.base + this.slotBytes * slot, 4),
        replaceByWait: (slot, waitSlot) =>
          this.put(slot, memory.readWords(this.base + this.slotBytes * waitSlot, this.slotBytes / 4)),
      },
      host,
    );
    this.status = frames.allocate();
    memory.clearPage(this.status);
    const [low] = queueAddress.encode(isWide ? { DW: 1, QS: 1 } : {});
    unit.write32(Offset.IQT, 0);
    unit.write64(Offset.IQA, highHalf(this.base), lowHalf(this.base) | low);
  }

  /** From here to the end of the batch descriptors are waited for together, by versions that do so. */
  beginBatch(): void {
    this.isBatching = holds('batchesDeviceTlbs', this.host.version);
  }

  endBatch(): void {
    this.isBatching = false;
    this.submitBatch();
  }

  /** Put one descriptor and a wait into the queue, and wait until it is done; within a batch at its end. */
  submit(descriptor: Int32Array): void {
    this.batch.push(descriptor);
    if (!this.isBatching || this.batch.length === LARGEST_BATCH) this.submitBatch();
  }

  /** qi_submit_sync. */
  private submitBatch(): void {
    if (this.batch.length === 0) return;
    const batch = this.batch.splice(0);
    const spin = { nanoseconds: 0, isLockedUp: false };
    for (let tries = 1; this.attempt(batch, spin) === 'again'; tries++) {
      if (tries < MOST_TRIES) continue;
      if (!spin.isLockedUp) this.host.say(lockupMessage(this.host.version));
      const toDevice = batch.find((words) => (words[0] & 15) === DescriptorType.DEVICE_TLB) ?? batch[0];
      this.host.stuck((toDevice[SID.word] >>> SID.shift) & SID.mask);
      break;
    }
    this.onDone?.(batch[0][0] & 15, spin.nanoseconds);
  }

  /** Submit once, and look for errors as long as the wait is not done. */
  private attempt(
    descriptors: readonly Int32Array[],
    spin: { nanoseconds: number; isLockedUp: boolean },
  ): Verdict {
    const slot = this.tail;
    const waitSlot = (slot + descriptors.length) % QUEUE_SLOTS;
    const statusAt = this.status + 4 * waitSlot;
    for (let i = 0; i < descriptors.length; i++) this.put((slot + i) % QUEUE_SLOTS, descriptors[i]);
    this.memory.write32(statusAt, 0);
    this.put(
      waitSlot,
      waitDescriptor.encode({ type: DescriptorType.WAIT, SW: 1, STDATA: DONE, STADDR: statusAt }),
    );
    this.tail = (waitSlot + 1) % QUEUE_SLOTS;
    this.unit.write32(Offset.IQT, this.tail * this.slotBytes);
    // No unit is so fast that Linux does not look for errors once.
    let verdict = this.errors.check(slot, waitSlot);
    while (verdict === 'goes on' && this.memory.read32(statusAt) !== DONE) {
      const passed = this.host.waitForDevices();
      if (passed === 0) return 'given up';
      spin.nanoseconds += passed;
      if (spin.nanoseconds >= WATCHDOG_NS && !spin.isLockedUp) {
        spin.isLockedUp = true;
        this.host.say(lockupMessage(this.host.version));
      }
      verdict = this.errors.check(slot, waitSlot);
    }
    return verdict;
  }

  /** Invalidate all context entries. */
  contextGlobal(): void {
    this.submit(contextDescriptor.encode({ type: DescriptorType.CONTEXT, G: Granularity.GLOBAL }));
  }

  /** Invalidate what is cached of a device's context entry, tagged with a domain. */
  contextDevice(sourceId: number, did: number): void {
    this.submit(
      contextDescriptor.encode({
        type: DescriptorType.CONTEXT,
        G: Granularity.SELECTIVE,
        DID: did,
        SID: sourceId,
      }),
    );
  }

  /** Invalidate everything in the IOTLB. */
  iotlbGlobal(): void {
    this.iotlb({ G: Granularity.GLOBAL });
  }

  /** Invalidate all second-stage translations of a domain. */
  iotlbDomain(did: number): void {
    this.iotlb({ G: Granularity.DOMAIN, DID: did });
  }

  /**
   * Invalidate an aligned range of second-stage translations of a domain, or the whole domain if that is more than
   * the unit can mask.
   */
  iotlbPages(did: number, { address, mask }: PageRange, leafOnly: boolean): void {
    const { pageSelective, maxAddressMask } = this.unit.capabilities;
    if (!pageSelective || mask > maxAddressMask) return this.iotlbDomain(did);
    this.iotlb({
      G: Granularity.SELECTIVE,
      DID: did,
      AM: mask,
      IH: leafOnly && this.givesHint && !this.losesHint ? 1 : 0,
      ADDR: address,
    });
  }

  private iotlb(values: Parameters<typeof iotlbDescriptor.encode>[0]): void {
    const { readDraining, writeDraining } = this.unit.capabilities;
    this.submit(
      iotlbDescriptor.encode({
        type: DescriptorType.IOTLB,
        DW: writeDraining ? 1 : 0,
        DR: readDraining ? 1 : 0,
        ...values,
      }),
    );
  }

  /** Write a descriptor into its slot; the upper half of a wide one is zero. */
  private put(slot: number, descriptor: Int32Array): void {
    const words = new Int32Array(this.slotBytes / 4);
    words.set(descriptor);
    this.memory.writeWords(this.base + this.slotBytes * slot, words);
  }
}

/** 2^mask pages, aligned to their number. */
export type PageRange = { readonly address: number; readonly mask: number };

/** The smallest aligned power of two of pages that covers a range: calculate_psi_aligned_address of cache.c. */
export function alignedRange(iova: number, pages: number): PageRange {
  const first = iova / 4096;
  let mask = Math.ceil(Math.log2(pages));
  while (Math.floor(first / 2 ** mask) !== Math.floor((first + pages - 1) / 2 ** mask)) mask++;
  return { address: Math.floor(first / 2 ** mask) * 2 ** mask * 4096, mask };
}
