/** Ranges of a domain's address space: `drivers/iommu/iommu.c`, iommu_map and iommu_unmap. */
import type { PagingDomain } from './domain.ts';
import { PAGE } from './page-frames.ts';
import type { Invalidates } from './translation-mode.ts';

/**
 * Map a range, with the invalidation that some maps need: large pages that took the place of tables, a unit in
 * caching mode.
 *
 * @param iova, physical, bytes multiples of 4 KiB
 */
export function mapRange(
  domain: PagingDomain,
  iova: number,
  physical: number,
  bytes: number,
  permissions: number,
  driver: Invalidates,
): void {
  const replaced = domain.table.map(iova, physical, bytes, permissions);
  if (replaced && domain.users > 0) driver.mode.flushPages(domain, iova, bytes / PAGE, false);
}

/**
 * Unmap a range and invalidate it. Each run of pages of one size is one invalidation, as the gather structure of
 * the kernel has only one size (iommu_iotlb_gather_add_page).
 */
export function unmapRange(domain: PagingDomain, iova: number, bytes: number, driver: Invalidates): void {
  const { table, users } = domain;
  for (let done = 0; done < bytes; ) {
    const piece = runLength(iova + done, bytes - done, table.largestLeaf);
    const tables = table.unmap(iova + done, piece);
    if (users > 0) driver.mode.flushPages(domain, iova + done, piece / PAGE, tables.length === 0);
    table.release(tables);
    done += piece;
  }
}

/** Bytes from an address on that go in pages of one size (iommu_pgsize). */
function runLength(address: number, bytes: number, largestLeaf: number): number {
  let level = largestLeaf;
  while (level > 1 && (address % reach(level) !== 0 || bytes < reach(level))) level--;
  if (level === largestLeaf) return bytes - (bytes % reach(level));
  const next = reach(level + 1);
  const toNext = next - (address % next);
  return toNext + next <= bytes ? toNext : bytes - (bytes % reach(level));
}

/** Bytes that a leaf of a level maps. */
const reach = (level: number): number => PAGE * 512 ** (level - 1);
