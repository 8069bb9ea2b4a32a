/** `/dev/iommu`: address spaces, and devices that are attached to them (`drivers/iommu/iommufd/`, `drivers/vfio/iommufd.c`). */
import { bdf } from '../../vtd/source-id.ts';
import type { Segment } from '../dma-api/dma-api.ts';
import { type DeviceRecord, pciAddress } from '../domains/device-table.ts';
import type { NestedDomain, PagingDomain } from '../domains/domain.ts';
import { KernelRefusal } from '../refusal.ts';
import type { KernelVersion } from '../version.ts';
import { claimOwnership, detachOwned, releaseOwnership } from './dma-owner.ts';
import type { UserProcess, VfioParts } from './parts.ts';
import { PinnedMemory, type Span, usableRanges } from './pinned-memory.ts';

/** Since when there is /dev/iommu, files of devices for it, and a guest's first stage for VT-d. */
export const IOMMUFD_SINCE: KernelVersion = '6.2';
export const DEVICE_FILES_SINCE: KernelVersion = '6.6';
export const NESTING_SINCE: KernelVersion = '6.8';

const UNSAFE_INTERRUPTS =
  'MSI interrupts are not secure, they cannot be isolated by the platform. Check that platform features like ' +
  'interrupt remapping are enabled. Use the "allow_unsafe_interrupts" module parameter to override';

/** An address space of a process (IOAS), and the domain (HWPT) that carries it out. */
export class AddressSpace {
  domain: PagingDomain | null = null;
  readonly devices: DeviceRecord[] = [];
  readonly pinned: PinnedMemory;
  private readonly parts: VfioParts;

  constructor(process: UserProcess, parts: VfioParts) {
    this.parts = parts;
    this.pinned = new PinnedMemory(process, parts);
  }

  /** IOMMU_IOAS_IOVA_RANGES. */
  get usable(): readonly Span[] {
    const { domain, devices, parts } = this;
    const members = devices.flatMap((record) => parts.devices.groupOf(record));
    return domain === null ? [] : usableRanges(domain, members, parts);
  }
}

export class Iommufd {
  private readonly parts: VfioParts;
  private readonly process: UserProcess;
  private readonly largestLeaf: number;

  /** @param largestLeaf level of the largest pages that the memory of the process consists of */
  constructor(process: UserProcess, largestLeaf: number, parts: VfioParts) {
    this.process = process;
    this.largestLeaf = largestLeaf;
    this.parts = parts;
  }

  /**
   * VFIO_DEVICE_BIND_IOMMUFD: claim a device's group.
   *
   * @throws KernelRefusal EPERM without interrupt remapping, silently; as claimOwnership does
   */
  bind(record: DeviceRecord): void {
    const { parts } = this;
    if (!parts.interruptRemapping) {
      if (!parts.allowUnsafeInterruptsOfIommufd)
        throw new KernelRefusal('EPERM', 'interrupt remapping is off: iommufd refuses to bind devices');
      parts.say(`vfio-pci ${pciAddress(record.fn.sourceId)}: ${UNSAFE_INTERRUPTS}`);
    }
    claimOwnership(record, parts);
  }

  /** IOMMU_IOAS_ALLOC. */
  allocate(): AddressSpace {
    return new AddressSpace(this.process, this.parts);
  }

  /** IOMMU_HWPT_ALLOC with IOMMU_HWPT_ALLOC_NEST_PARENT: a second stage for an address space. */
  allocateParent(space: AddressSpace): void {
    space.domain = this.parts.domains.newUnmanaged(this.largestLeaf, true);
  }

  /** VFIO_DEVICE_ATTACH_IOMMUFD_PT; the domain of an address space is made for its first device. */
  attach(record: DeviceRecord, space: AddressSpace): void {
    const { devices, domains } = this.parts;
    if (!record.claimed) throw new KernelRefusal('EINVAL', `${bdf(record.fn.sourceId)} is not bound`);
    space.domain ??= domains.newUnmanaged(this.largestLeaf, false);
    for (const member of devices.groupOf(record)) devices.attach(member, space.domain);
    space.devices.push(record);
  }

  /** IOMMU_IOAS_MAP at a fixed address. @throws KernelRefusal as PinnedMemory.map */
  map(space: AddressSpace, iova: number, pieces: readonly Segment[]): void {
    if (space.domain === null) throw new KernelRefusal('EINVAL', 'nothing is attached to the address space');
    space.pinned.map(space.domain, space.usable, iova, pieces, '');
  }

  /** IOMMU_IOAS_UNMAP. @returns bytes unmapped */
  unmap(space: AddressSpace, iova: number, bytes: number): number {
    return space.domain === null ? 0 : space.pinned.unmap(space.domain, iova, bytes);
  }

  /**
   * Put a guest's first stage on an address space and attach the device to it: IOMMU_HWPT_ALLOC and
   * VFIO_DEVICE_ATTACH_IOMMUFD_PT, `drivers/iommu/intel/nested.c`.
   *
   * @param root guest-physical address of the guest's top table
   */
  nest(record: DeviceRecord, root: number, levels: number): NestedDomain {
    return attachNested(record, root, levels, this.parts);
  }

  /** VFIO_DEVICE_DETACH_IOMMUFD_PT: back to the blocking domain. */
  detach(record: DeviceRecord, space: AddressSpace): void {
    const { devices, domains } = this.parts;
    space.devices.splice(space.devices.indexOf(record), 1);
    detachOwned(record, devices, domains);
    if (space.devices.length > 0) return;
    space.pinned.forget();
    space.domain = null;
  }

  /** The device's file is closed: its default domain comes back. */
  unbind(record: DeviceRecord): void {
    releaseOwnership(record, this.parts.devices);
  }
}

/** @throws KernelRefusal EINVAL without a second stage below */
export function attachNested(
  record: DeviceRecord,
  root: number,
  levels: number,
  { devices }: Pick<VfioParts, 'devices'>,
): NestedDomain {
  const parent = record.attached;
  if (parent === null || parent.type !== 'unmanaged' || parent.table.stage !== 'second')
    throw new KernelRefusal('EINVAL', `${bdf(record.fn.sourceId)} has no second stage to nest on`);
  const domain: NestedDomain = { type: 'nested', did: 0, users: 0, root, levels, parent };
  for (const member of devices.groupOf(record)) {
    devices.detach(member);
    devices.attach(member, domain);
  }
  return domain;
}
