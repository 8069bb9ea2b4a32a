/** The DMA API: memory made reachable for a device, and taken back. `drivers/iommu/dma-iommu.c`. */
import { READ, WRITE } from '../vtd/paging-entry.ts';
import { bdf } from '../vtd/source-id.ts';
import type { CpuMeter } from './cpu-cost.ts';
import type { DeviceRecord } from './device-table.ts';
import type { Domain } from './domain.ts';
import { PAGE } from './page-frames.ts';
import { KernelRefusal } from './refusal.ts';
import type { UnitDriver } from './unit-driver.ts';

const PERMISSIONS = { toDevice: READ, fromDevice: WRITE, both: READ | WRITE } as const;

/** Which way the data goes: DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL. */
export type Direction = keyof typeof PERMISSIONS;

/** One buffer mapped for a device. */
export type Mapping = {
  /** What the device is told: an iova, or the physical address. */
  readonly address: number;
  readonly bytes: number;
  readonly domain: Domain | null;
};

/** Whole pages around a byte range. */
function pagesOf(address: number, bytes: number): { first: number; pages: number } {
  const offset = address % PAGE;
  return { first: address - offset, pages: Math.ceil((offset + bytes) / PAGE) };
}

/**
 * Map memory. The granule is a page: the rest of the first and the last page becomes reachable too.
 *
 * @param physical first byte; need not be page-aligned
 * @throws KernelRefusal if VFIO owns the device, or no address is left
 */
export function mapBuffer(
  { attached, fn }: DeviceRecord,
  physical: number,
  bytes: number,
  direction: Direction,
  meter: CpuMeter,
): Mapping {
  if (attached === null || attached.type === 'identity')
    return { address: physical, bytes, domain: attached };
  if (attached.iova === null) {
    throw new KernelRefusal('EBUSY', `${bdf(fn.sourceId)} belongs to VFIO, not to the DMA API`);
  }
  const { first, pages } = pagesOf(physical, bytes);
  const iova = attached.iova.allocate(pages);
  if (iova === null)
    throw new KernelRefusal('ENOMEM', `${bdf(fn.sourceId)}: no iova left for ${pages} pages`);
  attached.table.map(iova, first, pages * PAGE, PERMISSIONS[direction]);
  meter.charge('map');
  return { address: iova + physical - first, bytes, domain: attached };
}

/** Unmap: at once in strict mode, later in lazy mode. Returns which, or null if nothing was mapped. */
export function unmapBuffer(
  { address, bytes, domain }: Mapping,
  driver: UnitDriver,
  meter: CpuMeter,
): 'strict' | 'lazy' | null {
  if (domain === null || domain.type === 'identity') return null;
  const { first, pages } = pagesOf(address, bytes);
  const freedTables = domain.table.unmap(first, pages * PAGE);
  meter.charge('unmap');
  // A table that was freed may be in use by the unit until it is flushed; its frame must not wait in a queue.
  if (domain.flushQueue !== null && !freedTables) {
    meter.charge('defer');
    domain.flushQueue.add(first, pages);
    return 'lazy';
  }
  driver.flushPages(domain.did, first, pages, !freedTables);
  meter.charge('invalidate');
  domain.iova?.free(first, pages);
  return 'strict';
}
