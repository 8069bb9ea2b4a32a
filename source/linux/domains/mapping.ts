/** Ranges of a domain's address space: `drivers/iommu/iommu.c`, iommu_map and iommu_unmap. */

import { PAGE } from '../page-frames.ts';
import type { Invalidates } from '../unit/translation-mode.ts';
import type { PagingDomain } from './domain.ts';

/**
 * Map a range, with the invalidation that some maps need: large pages that took the place of tables, a
 * unit in caching mode.
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
  if (domain.users === 0) return;
  if (replaced) driver.mode.flushPages(domain, iova, bytes / PAGE, false);
  driver.mapped(domain, iova, bytes / PAGE);
}

/** Unmap a range and invalidate it. */
export function unmapRange(domain: PagingDomain, iova: number, bytes: number, driver: Invalidates): void {
  const gather = new Gather(domain, driver);
  gather.unmap(iova, bytes);
  gather.sync();
}

/**
 * What was unmapped and is not invalidated yet, `struct iommu_iotlb_gather`. It holds one run of addresses with one
 * size of requests: another size, or an address elsewhere, is invalidated on its own (iommu_iotlb_gather_add_page).
 */
export class Gather {
  private readonly domain: PagingDomain;
  private readonly driver: Invalidates;
  private start = 0;
  private end = 0;
  private size = 0;
  private tables: readonly number[] = [];

  constructor(domain: PagingDomain, driver: Invalidates) {
    this.domain = domain;
    this.driver = driver;
  }

  /** Clear a range in the tables, in runs of pages of one size (iommu_pgsize). */
  unmap(iova: number, bytes: number): void {
    const { table } = this.domain;
    for (let done = 0; done < bytes; ) {
      const run = runLength(iova + done, bytes - done, table.largestLeaf);
      const tables = table.unmap(iova + done, run);
      // Before the range itself, as in intel_iommu_unmap: an invalidation of what came before counts them too.
      if (tables.length > 0) this.tables = [...this.tables, ...tables];
      this.add(iova + done, run);
      done += run;
    }
  }

  /** Invalidate what was gathered, and give its tables back. */
  sync(): void {
    const { domain, start, end, tables } = this;
    if (end === start) return;
    if (domain.users > 0)
      this.driver.mode.flushPages(domain, start, (end - start) / PAGE, tables.length === 0);
    domain.table.release(tables);
    this.start = this.end = this.size = 0;
    this.tables = [];
  }

  private add(iova: number, bytes: number): void {
    const isDisjoint = this.end > this.start && (iova > this.end || iova + bytes < this.start);
    if (isDisjoint || (this.size !== 0 && this.size !== bytes)) this.sync();
    if (this.size === 0) {
      this.start = iova;
      this.end = iova + bytes;
    } else {
      this.start = Math.min(this.start, iova);
      this.end = Math.max(this.end, iova + bytes);
    }
    this.size = bytes;
  }
}

/** Bytes from an address on that go in pages of one size. */
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
