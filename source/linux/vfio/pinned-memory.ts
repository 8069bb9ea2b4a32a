/** Memory that a process maps for its devices: pinned, and counted against its RLIMIT_MEMLOCK. */
import { hex } from '../../vtd/bits.ts';
import type { Segment } from '../dma-api/dma-api.ts';
import type { DeviceRecord } from '../domains/device-table.ts';
import type { PagingDomain } from '../domains/domain.ts';
import { MSI_WINDOW } from '../domains/domain-factory.ts';
import { KernelRefusal } from '../refusal.ts';
import type { UserProcess, VfioParts } from './parts.ts';
import { contiguous, mapForOwner, unmapRuns } from './user-mappings.ts';

/** Addresses from `start` to `end`, both included. */
export type Span = { readonly start: number; readonly end: number };

/**
 * The addresses that a user may map for some devices: what the domain can address without the interrupt window and
 * firmware regions that are not relaxable (vfio_iommu_iova_build_caps, IOMMU_IOAS_IOVA_RANGES).
 */
export function usableRanges(
  domain: PagingDomain,
  members: readonly DeviceRecord[],
  parts: VfioParts,
): Span[] {
  const firmware = members.flatMap(({ fn }) => fn.reserved.filter(({ relaxable }) => !relaxable));
  const reserved = [{ start: MSI_WINDOW.start, end: MSI_WINDOW.end - 1 }, ...firmware];
  const spans: Span[] = [];
  let next = 0;
  for (const { start, end } of reserved.toSorted((a, b) => a.start - b.start)) {
    if (start > next) spans.push({ start: next, end: start - 1 });
    next = Math.max(next, end + 1);
  }
  spans.push({ start: next, end: parts.domains.lastAddress(domain) });
  return spans;
}

/** Ranges that a process mapped in one address space. */
export class PinnedMemory {
  /** By first address, and how much of each lies together in memory. */
  private readonly ranges = new Map<number, { readonly bytes: number; readonly runs: readonly number[] }>();
  private readonly process: UserProcess;
  private readonly parts: VfioParts;

  constructor(process: UserProcess, parts: VfioParts) {
    this.process = process;
    this.parts = parts;
  }

  /**
   * @throws KernelRefusal EINVAL outside the usable ranges, EEXIST where something is mapped, ENOMEM past the limit
   */
  map(
    domain: PagingDomain,
    usable: readonly Span[],
    iova: number,
    pieces: readonly Segment[],
    refuses: string,
  ): void {
    const { process, parts } = this;
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    const last = iova + bytes - 1;
    if (!usable.some(({ start, end }) => start <= iova && last <= end)) {
      throw new KernelRefusal(
        'EINVAL',
        `${hex(iova)} to ${hex(last)} is not all usable: it meets a reserved region`,
      );
    }
    for (const [start, range] of this.ranges) {
      if (iova < start + range.bytes && start <= last)
        throw new KernelRefusal('EEXIST', `${hex(start)} is mapped already`);
    }
    if (process.locked + bytes > process.lockLimit) {
      if (refuses !== '') parts.say(`${refuses}: RLIMIT_MEMLOCK (${process.lockLimit}) exceeded`);
      throw new KernelRefusal(
        'ENOMEM',
        `RLIMIT_MEMLOCK lets ${process.comm} pin ${process.lockLimit} bytes, no more`,
      );
    }
    mapForOwner(domain, iova, pieces, parts.driver);
    parts.meter.charge('map');
    this.ranges.set(iova, { bytes, runs: contiguous(pieces).map((run) => run.bytes) });
    process.locked += bytes;
  }

  /** @returns bytes unmapped: all ranges that lie within */
  unmap(domain: PagingDomain, iova: number, bytes: number): number {
    const { parts, process } = this;
    let done = 0;
    for (const [start, range] of this.ranges) {
      if (start < iova || start + range.bytes > iova + bytes) continue;
      unmapRuns(domain, start, range.runs, parts.driver);
      parts.meter.charge('unmap');
      parts.meter.charge('invalidate');
      this.ranges.delete(start);
      process.locked -= range.bytes;
      done += range.bytes;
    }
    return done;
  }

  /** The address space is gone, with all that was pinned for it. */
  forget(): void {
    for (const { bytes } of this.ranges.values()) this.process.locked -= bytes;
    this.ranges.clear();
  }
}
