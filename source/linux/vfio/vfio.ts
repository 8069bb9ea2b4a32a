/**
 * Devices lent to a user, such as the process of a virtual machine: `drivers/vfio/vfio_iommu_type1.c` and the
 * DMA ownership of `drivers/iommu/iommu.c`.
 */
import { READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import { bdf } from '../../vtd/source-id.ts';
import type { Segment } from '../dma-api/dma-api.ts';
import { type DeviceRecord, type DeviceTable, pciAddress } from '../domains/device-table.ts';
import type { NestedDomain, PagingDomain } from '../domains/domain.ts';
import type { DomainFactory } from '../domains/domain-factory.ts';
import { Gather, mapRange, unmapRange } from '../domains/mapping.ts';
import { PAGE } from '../page-frames.ts';
import { KernelRefusal } from '../refusal.ts';
import type { UnitDriver } from '../unit/unit-driver.ts';

const NO_REMAPPING =
  'vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param ' +
  '"allow_unsafe_interrupts" to enable VFIO IOMMU support on this platform';

const NEEDS_DIRECT =
  'Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a ' +
  '1:1 mapping. Contact your platform vendor.';

export type Lender = {
  readonly translation: boolean;
  readonly interruptRemapping: boolean;
  /** `allow_unsafe_interrupts` of vfio_iommu_type1. */
  readonly allowUnsafeInterrupts: boolean;
  /** `enable_unsafe_noiommu_mode` of vfio. */
  readonly unsafeNoIommuMode: boolean;
  say(text: string): void;
};

/**
 * Bind vfio-pci and claim the group's DMA ownership: its devices go to the blocking domain.
 *
 * @throws KernelRefusal without an IOMMU or interrupt remapping, for a device whose firmware region must stay
 *   mapped, or while another driver is bound in the group
 */
export function claim(record: DeviceRecord, devices: DeviceTable, lender: Lender): void {
  const { sourceId, reserved } = record.fn;
  const name = bdf(sourceId);
  if (!lender.translation && lender.unsafeNoIommuMode) {
    // User space gets the device with no protection at all; what a hypervisor needs, SET_IOMMU of type 1, is not there.
    lender.say(`vfio-pci ${pciAddress(sourceId)}: Adding kernel taint for vfio-noiommu group on device`);
    throw new KernelRefusal(
      'EINVAL',
      `${name} could be driven from user space, with nothing to hold its DMA back: no guest can be given that`,
    );
  }
  if (!lender.translation) {
    lender.say(`vfio-pci ${pciAddress(sourceId)}: probe with driver vfio-pci failed with error -22`);
    throw new KernelRefusal(
      'EINVAL',
      `${name} has no IOMMU group, because the IOMMU is off: VFIO refuses it`,
    );
  }
  if (!lender.interruptRemapping && !lender.allowUnsafeInterrupts) {
    lender.say(NO_REMAPPING);
    throw new KernelRefusal('EPERM', 'interrupt remapping is off: VFIO refuses to assign devices');
  }
  if (reserved.some(({ relaxable }) => !relaxable)) {
    lender.say(`vfio-pci ${pciAddress(sourceId)}: ${NEEDS_DIRECT}`);
    throw new KernelRefusal('EINVAL', `${name} has a firmware region that must stay mapped 1:1`);
  }
  const members = devices.groupOf(record);
  const other = members.find((member) => member !== record && member.driver !== null && !member.claimed);
  if (other !== undefined) {
    const why = `${other.driver} is bound to ${bdf(other.fn.sourceId)}`;
    // VFIO_GROUP_SET_CONTAINER, VFIO_DEVICE_BIND_IOMMUFD: the claim finds an owner (iommu_group_claim_dma_owner).
    throw new KernelRefusal('EPERM', `group ${record.group} is not viable: ${why}`);
  }
  record.driver = 'vfio-pci';
  for (const member of members) {
    member.claimed = true;
    devices.detach(member);
  }
}

/**
 * Attach a new domain to a claimed group. Its owner maps what it likes.
 *
 * @param largestLeaf level of the largest pages to use
 * @param nests a guest's first stage is to lie on it
 */
export function attachUnmanaged(
  record: DeviceRecord,
  largestLeaf: number,
  nests: boolean,
  devices: DeviceTable,
  domains: DomainFactory,
  driver: UnitDriver,
): PagingDomain {
  if (!record.claimed) throw new KernelRefusal('EINVAL', `${bdf(record.fn.sourceId)} is not claimed`);
  const domain = domains.newUnmanaged(largestLeaf, nests);
  for (const member of devices.groupOf(record)) devices.attach(member, domain);
  tryPages(domain, driver);
  return domain;
}

/**
 * Attach a claimed group to the address space that its owner has already: the groups of a container share one domain
 * where the unit is the same, `vfio_iommu_type1_attach_group`.
 */
export function attachShared(record: DeviceRecord, domain: PagingDomain, devices: DeviceTable): void {
  if (!record.claimed) throw new KernelRefusal('EINVAL', `${bdf(record.fn.sourceId)} is not claimed`);
  for (const member of devices.groupOf(record)) devices.attach(member, domain);
}

/**
 * Put a guest's first-stage tables on the address space of a claimed group: IOMMU_HWPT_ALLOC of iommufd,
 * `drivers/iommu/intel/nested.c`.
 *
 * @param root guest-physical address of the guest's top table
 */
export function attachNested(
  record: DeviceRecord,
  root: number,
  levels: number,
  devices: DeviceTable,
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

/** VFIO maps two pages and takes them back one by one, to see how the domain unmaps: `vfio_test_domain_fgsp`. */
function tryPages(domain: PagingDomain, driver: UnitDriver): void {
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
function contiguous(pieces: readonly Segment[]): Segment[] {
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

/** Bytes from an address on that lead to memory without a break; 0 if nothing is mapped there. */
function runAt({ table }: PagingDomain, iova: number, end: number): number {
  const first = table.lookUp(iova);
  if (first === null) return 0;
  let run = PAGE;
  while (iova + run < end && table.lookUp(iova + run)?.physical === first.physical + run) run += PAGE;
  return run;
}

/** Give up ownership: vfio-pci is unbound, and the default domain comes back. */
export function release(record: DeviceRecord, devices: DeviceTable, domains: DomainFactory): void {
  const owned = record.attached;
  for (const member of devices.groupOf(record)) {
    if (!member.claimed) continue;
    devices.detach(member);
    member.claimed = false;
    if (member.driver === 'vfio-pci') member.driver = null;
    if (member.defaultDomain !== null) devices.attach(member, member.defaultDomain);
  }
  if (owned?.type === 'unmanaged' || owned?.type === 'nested') domains.free(owned);
}
