/** Changing a group's default domain through `/sys/kernel/iommu_groups/<group>/type`: `drivers/iommu/iommu.c`. */
import { bdf } from '../vtd/source-id.ts';
import type { DeviceRecord, DeviceTable } from './device-table.ts';
import type { DomainFactory } from './domain-factory.ts';
import type { DefaultType } from './policy.ts';
import { KernelRefusal } from './refusal.ts';

/**
 * Write a group's type.
 *
 * @throws KernelRefusal: ENOENT without an IOMMU, EBUSY while VFIO owns the group, EINVAL for an untrusted
 *   device, EPERM while a driver is bound; only DMA to DMA-FQ goes with drivers bound
 */
export function setGroupType(
  record: DeviceRecord,
  type: DefaultType,
  devices: DeviceTable,
  domains: DomainFactory,
): void {
  const name = bdf(record.fn.sourceId);
  const members = devices.groupOf(record);
  if (record.group === null) throw new KernelRefusal('ENOENT', `${name} has no group: the IOMMU is off`);
  if (record.claimed) throw new KernelRefusal('EBUSY', `group ${record.group} belongs to VFIO`);
  if (type !== 'DMA' && members.some(({ fn }) => fn.untrusted)) {
    throw new KernelRefusal(
      'EINVAL',
      `${name} is untrusted (behind an external port): it stays translated and strict`,
    );
  }
  if (record.defaultType === type) return;
  if (record.defaultType === 'DMA' && type === 'DMA-FQ') return goLazy(members, domains);
  const bound = members.find(({ driver }) => driver !== null);
  if (bound !== undefined) {
    throw new KernelRefusal(
      'EPERM',
      `${bound.driver} is bound to ${bdf(bound.fn.sourceId)}: unbind it first`,
    );
  }
  const old = record.defaultDomain;
  const domain = domains.newDefault(record.fn, type);
  for (const member of members) {
    devices.detach(member);
    member.defaultType = type;
    member.defaultDomain = domain;
    devices.attach(member, domain);
  }
  if (old !== null) domains.free(old);
}

/** Only the way of invalidating changes; the tables and the context entry stay. */
function goLazy(members: readonly DeviceRecord[], domains: DomainFactory): void {
  for (const member of members) {
    member.defaultType = 'DMA-FQ';
    if (member.defaultDomain !== null && member.defaultDomain.type !== 'identity')
      domains.goLazy(member.defaultDomain);
  }
}
