/** What the two ways to take a device through VFIO have in common. */
import type { NestedDomain, PagingDomain } from '../../linux/domains/domain.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { UserProcess } from '../../linux/vfio/parts.ts';
import type { Span } from '../../linux/vfio/pinned-memory.ts';
import { hex } from '../../vtd/bits.ts';
import { leafBytes } from '../../vtd/caches/iotlb.ts';
import type { Call } from './vfio-calls.ts';

/** Memory of a program that its devices are to reach. */
export type ProgramMemory = {
  /** The address by which a device asks for it. */
  readonly iova: number;
  readonly physical: number;
  readonly bytes: number;
};

/** A program as the calls see it. */
export type Program = UserProcess & {
  readonly kernel: Kernel;
  /** Level of the largest pages that its memory consists of. */
  readonly largestLeaf: number;
  /** Pieces of memory, in order of address. */
  readonly memory: readonly ProgramMemory[];
  /** It looks for `/dev/vfio/noiommu-<group>`; QEMU knows no other file than `/dev/vfio/<group>`. */
  readonly knowsNoIommu: boolean;
  /** The number of the next file that it opens. */
  newFd(): number;
};

/**
 * What a device is taken for: DMA to all memory of the program; to what an emulated IOMMU maps later, shadowed or nested;
 * or nothing yet, so that its group is claimed and no more.
 */
export type Purpose = 'memory' | 'shadow' | 'nested' | 'claim';

export type TakenDevice = { readonly name: string; readonly sourceId: number };

/** A device on its way to a program, held by it, and on its way back. */
export type Taking = {
  /** What it is attached to; null where nothing is. */
  readonly domain: PagingDomain | null;
  opening(): readonly Call[];
  closing(): readonly Call[];
  /** The program ends in the middle of opening: whatever is open is closed. */
  abandon(): void;
  /**
   * Put a guest's first stage on its second one.
   *
   * @param root guest-physical address of the guest's top table
   * @param done gets the domain
   */
  nesting(root: number, levels: number, done: (domain: NestedDomain) => void): readonly Call[];
};

/** Where a program sees its memory. */
export const VIRTUAL_BASE = 0x7f00_0000_0000;

/** `usable 0x0-0xfedfffff, 0xfef00000-0x7fffffffff`. */
export const usableText = (usable: readonly Span[]): string =>
  `usable ${usable.map(({ start, end }) => `${hex(start)}-${hex(end)}`).join(', ')}`;

/** What a device is attached to now, and where it is blocked, what the unit finds of it in memory. */
export function effectOn(kernel: Kernel, sourceId: number): string {
  const { attached, claimed } = kernel.device(sourceId);
  if (attached === null) return `blocking domain, ${kernel.isScalable ? 'PASID entry' : 'context entry'} P=0`;
  return `${claimed ? '' : 'default domain back: '}${attached.type} domain, DID ${attached.did}`;
}

/** Map, and tell by which pages: `pinned: 287 of 2 MiB, 320 of 4 KiB`. */
export function pagesOf(domain: PagingDomain | null, map: () => void): string {
  const before = domain?.table.leaves.slice() ?? [];
  map();
  const kinds = (domain?.table.leaves ?? [])
    .map((leaves, level) => ({ leaves: leaves - (before[level] ?? 0), level }))
    .filter(({ leaves, level }) => level > 0 && leaves > 0)
    .toReversed();
  return `pinned: ${kinds.map(({ leaves, level }) => `${leaves} of ${sizeText(leafBytes(level))}`).join(', ')}`;
}

function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = Math.floor(Math.log2(bytes) / 10);
  return `${bytes / 2 ** (10 * power)} ${units[power]}`;
}
