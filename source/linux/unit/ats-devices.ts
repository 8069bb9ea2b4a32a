/**
 * Devices whose ATS the kernel has enabled: `drivers/iommu/intel/iommu.c` (iommu_enable_pci_ats) and `cache.c`. What
 * the unit drops, they have to drop after it, or they would go on with translations that memory no longer has.
 */
import { bigToWords } from '../../vtd/bits.ts';
import { DescriptorType, deviceTlbDescriptor } from '../../vtd/formats/invalidation-descriptor.ts';
import type { Domain } from '../domains/domain.ts';
import type { PciFunction } from '../pci.ts';
import type { PageRange, QueuedInvalidation } from './queued-invalidation.ts';

/** Pages of everything, as a power of two: MAX_AGAW_PFN_WIDTH. */
const ALL_PAGES = 52;

export class AtsDevices {
  private readonly enabled = new Set<number>();
  private readonly domains = new Map<number, Domain>();
  private readonly queue: QueuedInvalidation;

  constructor(queue: QueuedInvalidation) {
    this.queue = queue;
  }

  /**
   * Enable ATS of a device if it has it, the unit knows device TLBs, and the device is trusted: it could reach all
   * memory with addresses that it says were translated (pci_ats_supported).
   *
   * @param deviceTlb ECAP.DT
   */
  probe({ sourceId, ats, untrusted }: PciFunction, deviceTlb: boolean, allowed: boolean): void {
    if (ats && deviceTlb && !untrusted && allowed) this.enabled.add(sourceId);
  }

  has(sourceId: number): boolean {
    return this.enabled.has(sourceId);
  }

  attach(sourceId: number, domain: Domain): void {
    if (this.has(sourceId)) this.domains.set(sourceId, domain);
  }

  /** A device lost its domain, and its entry in the tables is gone. */
  detach(sourceId: number): void {
    if (this.domains.delete(sourceId)) this.invalidate(sourceId, { address: 0, mask: ALL_PAGES });
  }

  /** Let the devices of a domain drop a range, or everything. */
  flush(domain: Domain, range: PageRange = { address: 0, mask: ALL_PAGES }): void {
    for (const [sourceId, attached] of this.domains) {
      const isNested = attached.type === 'nested' && attached.parent === domain;
      if (attached === domain || isNested) this.invalidate(sourceId, range);
    }
  }

  /** qi_flush_dev_iotlb: the size is told by the lowest 0 of the page address. */
  private invalidate(sourceId: number, { address, mask }: PageRange): void {
    const ones = mask === 0 ? 0n : (1n << BigInt(12 + mask - 1)) - 1n;
    const words = deviceTlbDescriptor.encode({ type: DescriptorType.DEVICE_TLB, SID: sourceId });
    const S = mask === 0 ? 0n : 1n;
    words.set(bigToWords(((BigInt(address) | ones) & ~0xfffn) | S, 2), 2);
    this.queue.submit(words);
  }
}
