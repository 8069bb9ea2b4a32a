/** Who may do DMA with the devices of a group, the kernel or one user: DMA ownership of `drivers/iommu/iommu.c`. */
import { bdf } from '../../vtd/source-id.ts';
import { type DeviceRecord, type DeviceTable, pciAddress } from '../domains/device-table.ts';
import type { DomainFactory } from '../domains/domain-factory.ts';
import { KernelRefusal } from '../refusal.ts';
import type { KernelVersion } from '../version.ts';
import { holds } from '../version-rules.ts';

/** Since then a user claims a group before it attaches anything; before, the default domain stays until it attaches. */
export const OWNERSHIP_SINCE: KernelVersion = '5.19';

/** Who keeps the DMA API out of it (driver_managed_dma), so that the group can be a user's meanwhile. */
const managesDma = (driver: string): boolean => driver === 'vfio-pci' || driver === 'pcieport';

const NEEDS_DIRECT =
  'Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a ' +
  '1:1 mapping. Contact your platform vendor.';
/** The words of the driver of the unit until 6.5, when it attached another domain. */
const LOCKED_BY_RMRR =
  'Device is ineligible for IOMMU domain attach due to platform RMRR requirement.  Contact your platform vendor.';

export type Owning = {
  readonly devices: DeviceTable;
  readonly version: KernelVersion;
  say(text: string): void;
};

/** The member of a group whose driver uses the DMA API, so that no user can have the group; undefined if there is none. */
export const hostDriven = (members: readonly DeviceRecord[]): DeviceRecord | undefined =>
  members.find(({ driver, claimed }) => driver !== null && !claimed && !managesDma(driver));

/**
 * Claim a group for a user: its devices go to the blocking domain.
 *
 * @throws KernelRefusal EPERM while it has an owner; EINVAL for a device whose firmware region must stay mapped (EPERM
 *   before 6.6)
 */
export function claimOwnership(record: DeviceRecord, { devices, version, say }: Owning): void {
  const members = devices.groupOf(record);
  const bound = hostDriven(members);
  if (bound !== undefined || members.some(({ claimed }) => claimed)) {
    const why =
      bound === undefined ? 'it has an owner' : `${bound.driver} is bound to ${bdf(bound.fn.sourceId)}`;
    throw new KernelRefusal('EPERM', `group ${record.group} is not viable: ${why}`);
  }
  const held = members.find(({ fn }) => fn.reserved.some(({ relaxable }) => !relaxable));
  if (held !== undefined) {
    const isNew = holds('refusesDirectInCore', version);
    const name = `${held.driver ?? 'pci'} ${pciAddress(held.fn.sourceId)}`;
    say(`${name}: ${isNew ? NEEDS_DIRECT : LOCKED_BY_RMRR}`);
    const why = `${bdf(held.fn.sourceId)} has a firmware region that must stay mapped 1:1`;
    throw new KernelRefusal(isNew ? 'EINVAL' : 'EPERM', why);
  }
  for (const member of members) {
    member.claimed = true;
    devices.detach(member);
  }
}

/** Leave a claimed group in the blocking domain again; what it was attached to is freed if nobody uses it. */
export function detachOwned(record: DeviceRecord, devices: DeviceTable, domains: DomainFactory): void {
  const owned = record.attached;
  for (const member of devices.groupOf(record)) devices.detach(member);
  if (owned?.type === 'unmanaged' || owned?.type === 'nested') if (owned.users === 0) domains.free(owned);
}

/** Give up ownership: the default domain comes back. */
export function releaseOwnership(record: DeviceRecord, devices: DeviceTable): void {
  for (const member of devices.groupOf(record)) {
    if (!member.claimed) continue;
    devices.detach(member);
    member.claimed = false;
    if (member.defaultDomain !== null) devices.attach(member, member.defaultDomain);
  }
}
