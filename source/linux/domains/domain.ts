/** Address spaces the kernel gives to devices: `drivers/iommu/iommu.c`, IOMMU_DOMAIN_*. */
import type { FlushQueue } from '../dma-api/flush-queue.ts';
import type { IovaAllocator } from '../dma-api/iova.ts';
import type { PageTable } from '../page-tables/page-table.ts';
import type { KernelVersion } from '../version.ts';
import { holds } from '../version-rules.ts';

/** DMA address = physical address. One for all devices. */
export type IdentityDomain = {
  readonly type: 'identity';
  did: number;
  users: number;
  /** Since 6.12 it has domain id 1 for good; before, in legacy mode, one that is taken like those of others. */
  readonly hasFixedId: boolean;
  /**
   * Null where the unit passes requests through (TT = 10b, PGTT = 100b). Before 6.12, on a unit without ECAP.PT, tables
   * that map all memory to itself (si_domain).
   */
  readonly table: PageTable | null;
};

/** Translated by tables: for the kernel's DMA API, or for whoever owns the device. */
export type PagingDomain = {
  type: 'DMA' | 'DMA-FQ' | 'unmanaged';
  /** Taken when the first device is attached, given back with the last; 0 between. */
  did: number;
  /** Devices attached. */
  users: number;
  readonly table: PageTable;
  /** Null where the owner chooses addresses: unmanaged. */
  readonly iova: IovaAllocator | null;
  /** Present in DMA-FQ domains. */
  flushQueue: FlushQueue | null;
};

/** A guest's first-stage tables, in its memory, over a second stage of the host's (IOMMU_DOMAIN_NESTED). */
export type NestedDomain = {
  readonly type: 'nested';
  did: number;
  users: number;
  /** Guest-physical address of the guest's top table. */
  readonly root: number;
  readonly levels: number;
  /** Guest-physical to host-physical. */
  readonly parent: PagingDomain;
};

/** What a device has by default. */
export type DefaultDomain = IdentityDomain | PagingDomain;

export type Domain = DefaultDomain | NestedDomain;

/** The domain id of a fixed identity domain (FLPT_DEFAULT_DID). */
export const IDENTITY_DID = 1;

/**
 * The first domain id that is free for others: 0 is kept for entries that caching mode caches as not present, and 1
 * for identity (NUM_RESERVED_DID), up to 6.10 only where scalable mode is in use.
 */
export const firstDid = (isScalable: boolean, version: KernelVersion): number =>
  isScalable || holds('reservesIdentityId', version) ? IDENTITY_DID + 1 : IDENTITY_DID;
