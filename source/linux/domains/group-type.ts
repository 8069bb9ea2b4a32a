/** Changing a group's default domain through `/sys/kernel/iommu_groups/<group>/type`: `drivers/iommu/iommu.c`. */
import { bdf } from '../../vtd/source-id.ts';
import { type DefaultType, demandedType, type Policy } from '../boot/policy.ts';
import { KernelRefusal } from '../refusal.ts';
import { isSince, type KernelVersion } from '../version.ts';
import { type DeviceRecord, type DeviceTable, pciAddress } from './device-table.ts';
import type { DomainFactory } from './domain-factory.ts';

/** What may be written to the file, with the versions since which it may be. */
const writable: Readonly<Record<string, KernelVersion>> = {
  identity: '5.11',
  DMA: '5.11',
  'DMA-FQ': '5.15',
  auto: '5.11',
};

export type Writing = {
  readonly devices: DeviceTable;
  readonly domains: DomainFactory;
  readonly policy: Policy;
  readonly version: KernelVersion;
  /** ECAP.PT. */
  readonly passThrough: boolean;
  say(text: string): void;
};

/**
 * Write a group's type.
 *
 * @throws KernelRefusal: ENOENT without an IOMMU; EACCES where the file cannot be written yet; EINVAL for another
 *   word, or a type that a device cannot have; EPERM while a driver is bound or VFIO owns the group, unless DMA goes
 *   to DMA-FQ. Before 6.4 EBUSY for the last, and EINVAL for a group of more than one device.
 */
export function setGroupType(record: DeviceRecord, word: string, writing: Writing): void {
  const { version } = writing;
  const { group } = record;
  if (group === null) {
    throw new KernelRefusal('ENOENT', `${bdf(record.fn.sourceId)} has no group: the IOMMU is off`);
  }
  if (!isSince(version, '5.11')) {
    throw new KernelRefusal('EACCES', `the type of a group cannot be written in Linux ${version}`);
  }
  if (!Object.hasOwn(writable, word) || !isSince(version, writable[word])) {
    const words = Object.keys(writable).filter((each) => isSince(version, writable[each]));
    throw new KernelRefusal('EINVAL', `a group's type is one of ${words.join(', ')}`);
  }
  const type = word === 'auto' ? null : (word as DefaultType);
  if (isSince(version, '6.4')) write(record, type, writing);
  else writeBefore64(record, type, writing);
}

/** What the file shows: before 5.15 lazy domains had no type of their own. */
export const shownType = (type: DefaultType, version: KernelVersion): string =>
  type === 'DMA-FQ' && !isSince(version, '5.15') ? 'DMA' : type;

/** iommu_group_store_type as it is since 6.4. */
function write(record: DeviceRecord, type: DefaultType | null, writing: Writing): void {
  const { devices, domains, policy, passThrough, version, say } = writing;
  const members = devices.groupOf(record);
  if (type === 'DMA-FQ' && record.defaultType === 'DMA') return goLazy(members, domains);
  const owned = members.find(({ claimed }) => claimed);
  if (owned !== undefined) throw new KernelRefusal('EPERM', `group ${record.group} belongs to VFIO`);
  refuseBound(members, 'EPERM');
  const demanding = members.find(({ fn }) => demandedType(fn, policy, passThrough, version) !== null);
  const demanded = demanding === undefined ? null : demandedType(demanding.fn, policy, passThrough, version);
  if (type !== null && demanded !== null && type !== demanded) {
    // 6.4 names the first device of the group, 6.5 and 6.6 the one that demands, later versions none.
    if (!isSince(version, '6.7')) say(cannotBe(isSince(version, '6.5') ? demanding : members[0], type));
    throw new KernelRefusal('EINVAL', `${bdf(record.fn.sourceId)} ${whyDemanded(members)}`);
  }
  const target = type ?? demanded ?? policy.defaultType;
  // Since 6.5 a domain of the same type is still a new one.
  if (!isSince(version, '6.5') && target === record.defaultType) return;
  change(members, target, writing);
}

/** The message of a device that cannot have a type, with the name of its driver or, without one, of its bus. */
const cannotBe = (record: DeviceRecord | undefined, type: DefaultType): string =>
  `${nameOf(record)}: Device cannot be in ${type === 'identity' ? 'Passthrough' : 'Translated'} domain`;

const nameOf = (record: DeviceRecord | undefined): string =>
  record === undefined ? '' : `${record.driver ?? 'pci'} ${pciAddress(record.fn.sourceId)}`;

/** iommu_change_dev_def_domain of Linux 5.11 to 6.3. */
function writeBefore64(record: DeviceRecord, type: DefaultType | null, writing: Writing): void {
  const { devices, domains, policy, passThrough, version, say } = writing;
  const members = devices.groupOf(record);
  if (members.length !== 1) {
    say('iommu: Cannot change default domain: Group has more than one device');
    throw new KernelRefusal('EINVAL', `group ${record.group} has ${members.length} devices`);
  }
  const goesLive = type === 'DMA-FQ' && record.defaultType === 'DMA';
  if (record.driver !== null && !goesLive) {
    say('iommu: Device is still bound to driver');
    refuseBound(members, 'EBUSY');
  }
  if (record.claimed) {
    say(`${nameOf(record)}: Group not assigned to default domain`);
    throw new KernelRefusal('EBUSY', `group ${record.group} belongs to VFIO`);
  }
  const demanded = demandedType(record.fn, policy, passThrough, version);
  if (type !== null && demanded !== null && type !== demanded) {
    say(cannotBe(record, type));
    throw new KernelRefusal('EINVAL', `${bdf(record.fn.sourceId)} ${whyDemanded(members)}`);
  }
  let target = type ?? demanded ?? policy.defaultType;
  // Before 5.15 DMA says nothing of how it is invalidated: that is the same for all that are trusted.
  if (target === 'DMA' && demanded === null && !isSince(version, '5.15') && !policy.strict) target = 'DMA-FQ';
  if (target === record.defaultType) return;
  if (goesLive) return goLazy(members, domains);
  change(members, target, writing);
}

function refuseBound(members: readonly DeviceRecord[], errno: string): void {
  const bound = members.find(({ driver }) => driver !== null);
  if (bound === undefined) return;
  throw new KernelRefusal(errno, `${bound.driver} is bound to ${bdf(bound.fn.sourceId)}: unbind it first`);
}

const whyDemanded = (members: readonly DeviceRecord[]): string =>
  members.some(({ fn }) => fn.untrusted)
    ? 'is untrusted (behind an external port): it stays translated'
    : 'must keep the type that it has by its unit, its firmware region or its class';

/**
 * Give a group another default domain; identity for identity changes nothing, as there is one such domain.
 *
 * @throws KernelRefusal where the new domain cannot be attached; the old one is then back (err_revert of
 *   __iommu_group_set_domain_internal)
 */
function change(
  members: readonly DeviceRecord[],
  type: DefaultType,
  { devices, domains }: Pick<Writing, 'devices' | 'domains'>,
): void {
  const [{ defaultDomain: old }] = members;
  const functions = members.map(({ fn }) => fn);
  const domain = domains.newDefault(functions, type);
  if (domain === old) return;
  try {
    for (const member of members) {
      devices.detach(member);
      devices.attach(member, domain);
    }
  } catch (error) {
    for (const member of members) {
      if (member.attached === old || old === null) continue;
      devices.detach(member);
      devices.attach(member, old);
    }
    domains.free(domain);
    throw error;
  }
  for (const member of members) {
    member.defaultType = type;
    member.defaultDomain = domain;
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
