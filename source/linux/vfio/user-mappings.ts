/** What the owner of an address space maps in it: `drivers/vfio/vfio_iommu_type1.c`, `drivers/iommu/iommufd/`. */
import { READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import type { Segment } from '../dma-api/dma-api.ts';
import type { PagingDomain } from '../domains/domain.ts';
import { Gather, mapRange, unmapRange } from '../domains/mapping.ts';
import { PAGE } from '../page-frames.ts';
import { KernelRefusal } from '../refusal.ts';
import type { UnitDriver } from '../unit/unit-driver.ts';

/** VFIO maps two pages and takes them back one by one, to see how the domain unmaps: `vfio_test_domain_fgsp`. */
export function tryPages(domain: PagingDomain, driver: UnitDriver): void {
  mapRange(domain, 0, domain.table.root, 2 * PAGE, READ | WRITE, driver);
  for (const iova of [0, PAGE]) unmapRange(domain, iova, PAGE, driver);
}

/**
 * Map memory for the owner of an address space: VFIO_IOMMU_MAP_DMA. Its pages are pinned, and runs that lie next to
 * each other in memory are mapped together, with large pages where they fit.
 *
 * @param pieces in order of addresses, each of whole pages
 * @throws KernelRefusal where something is mapped already
 */
export function mapForOwner(
  domain: PagingDomain,
  iova: number,
  pieces: readonly Segment[],
  driver: UnitDriver,
  permissions = READ | WRITE,
): void {
  let at = iova;
  for (const { physical, bytes } of contiguous(pieces)) {
    if (domain.table.lookUp(at) !== null) {
      throw new KernelRefusal('EEXIST', `0x${at.toString(16)} is mapped already`);
    }
    mapRange(domain, at, physical, bytes, permissions, driver);
    at += bytes;
  }
}

/** Pieces of memory that lie next to each other, as one. */
export function contiguous(pieces: readonly Segment[]): Segment[] {
  const runs: { physical: number; bytes: number }[] = [];
  for (const { physical, bytes } of pieces) {
    const last = runs.at(-1);
    if (last !== undefined && last.physical + last.bytes === physical) last.bytes += bytes;
    else runs.push({ physical, bytes });
  }
  return runs;
}

/**
 * Unmap for the owner: VFIO_IOMMU_UNMAP_DMA. Each run of memory goes in one request (vfio_unmap_unpin), and the
 * invalidations are gathered over all of them.
 */
export function unmapForOwner(domain: PagingDomain, iova: number, bytes: number, driver: UnitDriver): void {
  const gather = new Gather(domain, driver);
  const end = iova + bytes;
  for (let at = iova; at < end; ) {
    const run = runAt(domain, at, end);
    if (run > 0) gather.unmap(at, run);
    at += Math.max(run, PAGE);
  }
  gather.sync();
}

/** The same where it is known what lies there: runs of so many bytes, one after the other. */
export function unmapRuns(
  domain: PagingDomain,
  iova: number,
  runs: readonly number[],
  driver: UnitDriver,
): void {
  const gather = new Gather(domain, driver);
  let at = iova;
  for (const bytes of runs) {
    gather.unmap(at, bytes);
    at += bytes;
  }
  gather.sync();
}

/** Bytes from an address on that lead to memory without a break; 0 if nothing is mapped there. */
function runAt({ table }: PagingDomain, iova: number, end: number): number {
  const first = table.lookUp(iova);
  if (first === null) return 0;
  let run = PAGE;
  while (iova + run < end && table.lookUp(iova + run)?.physical === first.physical + run) run += PAGE;
  return run;
}
