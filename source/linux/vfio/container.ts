/**
 * `/dev/vfio/vfio`: one address space for the groups that a process puts into it, by the driver of type 1
 * (`drivers/vfio/container.c`, `vfio_iommu_type1.c`); or, for groups without an IOMMU, none at all.
 */
import { bdf } from '../../vtd/source-id.ts';
import type { Segment } from '../dma-api/dma-api.ts';
import type { DeviceRecord } from '../domains/device-table.ts';
import type { PagingDomain } from '../domains/domain.ts';
import { KernelRefusal } from '../refusal.ts';
import { isSince } from '../version.ts';
import { holds } from '../version-rules.ts';
import { claimOwnership, detachOwned, OWNERSHIP_SINCE, releaseOwnership } from './dma-owner.ts';
import type { UserProcess, VfioParts } from './parts.ts';
import { PinnedMemory, type Span, usableRanges } from './pinned-memory.ts';
import { tryPages } from './user-mappings.ts';

const NO_REMAPPING =
  'vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param ' +
  '"allow_unsafe_interrupts" to enable VFIO IOMMU support on this platform';

export const iommuTypes = ['VFIO_TYPE1v2_IOMMU', 'VFIO_NOIOMMU_IOMMU'] as const;
export type IommuType = (typeof iommuTypes)[number];

/** What a container knows of a group in it. */
export type ContainedGroup = { readonly record: DeviceRecord; readonly isNoIommu: boolean };

export class Container {
  /** The domain of type 1; null before SET_IOMMU, and without an IOMMU. */
  domain: PagingDomain | null = null;
  private readonly parts: VfioParts;
  private readonly groups: ContainedGroup[] = [];
  private readonly largestLeaf: number;
  private readonly pinned: PinnedMemory;
  private iommu: IommuType | null = null;

  /** @param largestLeaf level of the largest pages that the memory of the process consists of */
  constructor(process: UserProcess, largestLeaf: number, parts: VfioParts) {
    this.parts = parts;
    this.largestLeaf = largestLeaf;
    this.pinned = new PinnedMemory(process, parts);
  }

  /** Groups in it. */
  get size(): number {
    return this.groups.length;
  }

  /** SET_IOMMU was done. */
  get hasIommu(): boolean {
    return this.iommu !== null;
  }

  /** VFIO_CHECK_EXTENSION. */
  checkExtension(type: IommuType): 0 | 1 {
    const [first] = this.groups;
    if (first !== undefined && first.isNoIommu !== (type === 'VFIO_NOIOMMU_IOMMU')) return 0;
    return type === 'VFIO_TYPE1v2_IOMMU' || this.parts.unsafeNoIommuMode ? 1 : 0;
  }

  /**
   * Take a group in: VFIO_GROUP_SET_CONTAINER. Since 5.19 it is claimed here; where the container has an address space,
   * it is attached as well.
   *
   * @throws KernelRefusal as claimOwnership does; EPERM where groups with and without an IOMMU would mix
   */
  add(group: ContainedGroup): void {
    const { groups, iommu, parts } = this;
    if (groups.length > 0 && groups[0].isNoIommu !== group.isNoIommu)
      throw new KernelRefusal('EPERM', 'groups with and without an IOMMU do not share a container');
    const claims = !group.isNoIommu && isSince(parts.version, OWNERSHIP_SINCE);
    if (claims) claimOwnership(group.record, parts);
    if (iommu !== null) {
      try {
        this.attach(group);
      } catch (error) {
        if (claims) releaseOwnership(group.record, parts.devices);
        throw error;
      }
    }
    groups.push(group);
  }

  /**
   * VFIO_SET_IOMMU: make the address space and attach the groups to it.
   *
   * @throws KernelRefusal EINVAL without a group, or twice; ENODEV for a type that these groups cannot have; EPERM
   *   without interrupt remapping
   */
  setIommu(type: IommuType): void {
    const { groups, iommu } = this;
    if (groups.length === 0 || iommu !== null)
      throw new KernelRefusal(
        'EINVAL',
        'an address space needs a group, and there is one for each container',
      );
    if (this.checkExtension(type) === 0) throw new KernelRefusal('ENODEV', `${type} is not for these groups`);
    for (const group of groups) this.attach(group);
    this.iommu = type;
  }

  /** What VFIO_IOMMU_GET_INFO lists. */
  get usable(): readonly Span[] {
    const { domain, parts } = this;
    return domain === null ? [] : usableRanges(domain, this.members, parts);
  }

  /** VFIO_IOMMU_MAP_DMA. @throws KernelRefusal ENOTTY without an IOMMU, EINVAL before SET_IOMMU; as PinnedMemory.map */
  mapDma(iova: number, pieces: readonly Segment[]): void {
    this.pinned.map(this.addressSpace, this.usable, iova, pieces, 'vfio_pin_pages_remote');
  }

  /** VFIO_IOMMU_UNMAP_DMA. @returns bytes unmapped */
  unmapDma(iova: number, bytes: number): number {
    return this.pinned.unmap(this.addressSpace, iova, bytes);
  }

  /** VFIO_GROUP_UNSET_CONTAINER, or the last close of the group: its default domain comes back. */
  remove(group: ContainedGroup): void {
    const { groups, parts } = this;
    groups.splice(groups.indexOf(group), 1);
    if (!group.isNoIommu) {
      const { record } = group;
      if (record.claimed) {
        detachOwned(record, parts.devices, parts.domains);
        releaseOwnership(record, parts.devices);
      }
    }
    if (groups.length > 0) return;
    this.pinned.forget();
    this.domain = null;
    this.iommu = null;
  }

  private get members(): DeviceRecord[] {
    return this.groups.flatMap(({ record }) => this.parts.devices.groupOf(record));
  }

  private get addressSpace(): PagingDomain {
    const { domain, iommu } = this;
    if (iommu === null) throw new KernelRefusal('EINVAL', 'the container has no address space yet');
    if (domain === null) throw new KernelRefusal('ENOTTY', 'without an IOMMU there is nothing to map in');
    return domain;
  }

  private attach({ record, isNoIommu }: ContainedGroup): void {
    if (isNoIommu) return;
    const { parts, largestLeaf } = this;
    if (!record.claimed) claimOwnership(record, parts);
    this.domain = attachGroup(record, largestLeaf, this.domain, parts);
  }
}

/**
 * vfio_iommu_type1_attach_group: a new domain is attached first; only then VFIO looks for interrupt remapping, and
 * whether a domain that the container has already does as well.
 *
 * @returns the domain that the group is then attached to
 * @throws KernelRefusal EPERM without interrupt remapping
 */
export function attachGroup(
  record: DeviceRecord,
  largestLeaf: number,
  existing: PagingDomain | null,
  parts: VfioParts,
): PagingDomain {
  const { devices, domains, driver } = parts;
  if (!record.claimed) throw new KernelRefusal('EINVAL', `${bdf(record.fn.sourceId)} is not claimed`);
  const members = devices.groupOf(record);
  const domain = domains.newUnmanaged(largestLeaf, false);
  for (const member of members) devices.attach(member, domain);
  if (!parts.interruptRemapping && !parts.allowUnsafeInterrupts) {
    detachOwned(record, devices, domains);
    parts.say(NO_REMAPPING);
    throw new KernelRefusal('EPERM', 'interrupt remapping is off: VFIO refuses to assign devices');
  }
  if (existing === null) {
    if (holds('triesPages', parts.version)) tryPages(domain, driver);
    return domain;
  }
  detachOwned(record, devices, domains);
  for (const member of members) devices.attach(member, existing);
  return existing;
}
