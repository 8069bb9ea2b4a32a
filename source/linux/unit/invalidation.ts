/** What every unit can be told to drop, by its queue or by registers: `iommu->flush` of `drivers/iommu/intel/iommu.c`. */
import type { PageRange } from './queued-invalidation.ts';

/** Each waits until it is done, or is waited for at the end of its batch. */
export type Invalidation = {
  /** Invalidate all context entries. */
  contextGlobal(): void;
  /** Invalidate what is cached of a device's context entry, tagged with a domain. */
  contextDevice(sourceId: number, did: number): void;
  /** Invalidate everything in the IOTLB. */
  iotlbGlobal(): void;
  /** Invalidate all second-stage translations of a domain. */
  iotlbDomain(did: number): void;
  /**
   * Invalidate an aligned range of second-stage translations of a domain, or the whole domain if that is more than
   * the unit can mask.
   *
   * @param leafOnly no table was freed, so that the paging-structure caches may stay
   */
  iotlbPages(did: number, range: PageRange, leafOnly: boolean): void;
  /** Between these, invalidations may wait until the end, to be waited for together. */
  beginBatch(): void;
  endBatch(): void;
};
