/** The kernel's side of the invalidation queue: `drivers/iommu/intel/dmar.c`, qi_submit_sync. */
import { highHalf, lowHalf } from '../../vtd/bits.ts';
import {
  contextDescriptor,
  DescriptorType,
  Granularity,
  iotlbDescriptor,
  waitDescriptor,
} from '../../vtd/formats/invalidation-descriptor.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import type { Iommu } from '../../vtd/unit/iommu.ts';
import { faultStatus, Offset, queueAddress } from '../../vtd/unit/registers.ts';
import type { PageFrames } from '../page-frames.ts';

/** The value a finished wait descriptor leaves behind (QI_DONE). */
const DONE = 2;
const QUEUE_SLOTS = 256;
const QUEUE_STOPPED = faultStatus.fields.IQE.mask << faultStatus.fields.IQE.shift;

export class QueuedInvalidation {
  /** Whether the unit is told where only leaves changed (IH); Linux 6.0 loses it on the way (qi_flush_iotlb). */
  givesHint = true;
  /** Told of each descriptor by its type, once it was waited for. */
  onDone: ((type: number) => void) | null = null;
  private readonly unit: Iommu;
  private readonly memory: PhysicalMemory;
  private readonly onError: (reason: number) => void;
  /** A unit that can do scalable mode gets descriptors of 256 bits, whether the mode is used or not. */
  private readonly slotBytes: number;
  private readonly base: number;
  private readonly status: number;
  private tail = 0;

  /**
   * Take memory for the queue and tell the unit of it. The unit must still be enabled.
   *
   * @param onError told why the queue stopped, each time it does
   */
  constructor(unit: Iommu, memory: PhysicalMemory, frames: PageFrames, onError: (reason: number) => void) {
    this.unit = unit;
    this.memory = memory;
    this.onError = onError;
    const isWide = unit.capabilities.scalableMode;
    this.slotBytes = isWide ? 32 : 16;
    const pages = (this.slotBytes * QUEUE_SLOTS) / 4096;
    this.base = frames.allocateRun(pages);
    for (let page = 0; page < pages; page++) memory.clearPage(this.base + 4096 * page);
    this.status = frames.allocate();
    memory.clearPage(this.status);
    const [low] = queueAddress.encode(isWide ? { DW: 1, QS: 1 } : {});
    unit.write32(Offset.IQT, 0);
    unit.write64(Offset.IQA, highHalf(this.base), lowHalf(this.base) | low);
  }

  /** Put one descriptor and a wait into the queue, and wait until it is done. */
  submit(descriptor: Int32Array): void {
    this.put(this.tail, descriptor);
    const slot = (this.tail + 1) % QUEUE_SLOTS;
    const statusAt = this.status + 4 * slot;
    this.memory.write32(statusAt, 0);
    this.put(
      slot,
      waitDescriptor.encode({ type: DescriptorType.WAIT, SW: 1, STDATA: DONE, STADDR: statusAt }),
    );
    this.tail = (slot + 1) % QUEUE_SLOTS;
    this.unit.write32(Offset.IQT, this.tail * this.slotBytes);
    if (this.memory.read32(statusAt) !== DONE) this.recover();
    this.onDone?.(descriptor[0] & 15);
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
      IH: leafOnly && this.givesHint ? 1 : 0,
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
    this.memory.writeWords(this.base + this.slotBytes * slot, descriptor);
  }

  /**
   * The queue stopped at a descriptor it does not understand, because something wrote over it: put a wait in
   * its place and let the queue go on, as qi_check_fault does.
   */
  private recover(): void {
    for (
      let tries = 0;
      tries < QUEUE_SLOTS && (this.unit.read32(Offset.FSTS) & QUEUE_STOPPED) !== 0;
      tries++
    ) {
      const head = this.unit.read32(Offset.IQH);
      this.onError(this.unit.read32(Offset.IQERCD));
      const skip = waitDescriptor.encode({
        type: DescriptorType.WAIT,
        SW: 1,
        STDATA: DONE,
        STADDR: this.status,
      });
      this.put(head / this.slotBytes, new Int32Array(this.slotBytes / 4));
      this.put(head / this.slotBytes, skip);
      this.unit.write32(Offset.FSTS, QUEUE_STOPPED);
    }
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
