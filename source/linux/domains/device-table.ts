/** What the kernel keeps of each device: its group, its driver, and the domain it is attached to. */
import { bdf } from '../../vtd/source-id.ts';
import type { DefaultType } from '../boot/policy.ts';
import type { PciFunction } from '../pci.ts';
import { KernelRefusal } from '../refusal.ts';
import type { UnitDriver } from '../unit/unit-driver.ts';
import type { DefaultDomain, Domain } from './domain.ts';

/** `struct iommu_group` and `struct device` as far as they matter here. */
export type DeviceRecord = {
  readonly fn: PciFunction;
  /** Source ids of its DMA, its own first. */
  readonly aliases: readonly number[];
  /** Null while the IOMMU is off, or where its driver gave up: then there are no groups. */
  group: number | null;
  driver: string | null;
  /** What `/sys/kernel/iommu_groups/<group>/type` shows, also while VFIO owns the group. */
  defaultType: DefaultType | null;
  /** The domain of that type. */
  defaultDomain: DefaultDomain | null;
  /** Domain attached now; null: none (the IOMMU is off), or blocked. */
  attached: Domain | null;
  /** DMA ownership was claimed through VFIO. */
  claimed: boolean;
  /** Addresses below 4 GiB are tried first (pci_32bit_workaround); a device that finds none left stops trying. */
  tries32Bit: boolean;
};

/** `0000:03:00.0`. */
export const pciAddress = (sourceId: number): string => `0000:${bdf(sourceId)}`;

/** Which domain ids are given out: from the first one on, those below being reserved. */
export type DomainIds = { readonly first: number; readonly countsReserved: boolean };

export class DeviceTable {
  private readonly records = new Map<number, DeviceRecord>();
  private readonly driver: UnitDriver;
  private readonly tries32Bit: boolean;
  private readonly say: (text: string) => void;
  private readonly dids: DomainIds;
  private readonly didsInUse = new Set<number>();

  /** @param tries32Bit devices try addresses below 4 GiB first: no forcedac on the command line */
  constructor(driver: UnitDriver, tries32Bit: boolean, dids: DomainIds, say: (text: string) => void) {
    this.driver = driver;
    this.dids = dids;
    this.say = say;
    this.tries32Bit = tries32Bit;
  }

  /** Enumerate a function; it has no domain yet. @param aliases source ids of its DMA, its own first */
  add(fn: PciFunction, group: number | null, aliases: readonly number[] = [fn.sourceId]): DeviceRecord {
    const record: DeviceRecord = {
      fn,
      aliases,
      group,
      driver: null,
      defaultType: null,
      defaultDomain: null,
      attached: null,
      claimed: false,
      tries32Bit: this.tries32Bit,
    };
    this.records.set(fn.sourceId, record);
    return record;
  }

  /** The record of a device. A source id that was not enumerated throws a RangeError. */
  of(sourceId: number): DeviceRecord {
    const record = this.records.get(sourceId);
    if (record === undefined) throw new RangeError(`no device at ${bdf(sourceId)}`);
    return record;
  }

  /** The devices that share a group, in order of enumeration; a device without a group is alone. */
  groupOf(record: DeviceRecord): DeviceRecord[] {
    if (record.group === null) return [record];
    return [...this.records.values()].filter(({ group }) => group === record.group);
  }

  /**
   * Give a device a domain; it must have none.
   *
   * @throws KernelRefusal: ENOSPC where the unit has no domain id for it
   */
  attach(record: DeviceRecord, domain: Domain): void {
    if (!hasFixedId(domain)) {
      if (domain.users === 0) domain.did = this.takeDid();
      domain.users++;
    }
    this.driver.mode.attach(record.aliases, domain);
    this.driver.attached();
    record.attached = domain;
  }

  /** Leave a device without a domain: all its DMA is refused. */
  detach(record: DeviceRecord): void {
    if (record.attached === null) return;
    const domain = record.attached;
    this.driver.mode.detach(record.aliases, domain);
    record.attached = null;
    if (hasFixedId(domain) || --domain.users > 0) return;
    this.didsInUse.delete(domain.did);
    domain.did = 0;
  }

  /** The driver of the unit lets go of a device: it has no group any more, and none of its DMA passes. */
  remove(record: DeviceRecord): void {
    this.detach(record);
    this.driver.mode.remove(record.aliases);
    record.group = record.defaultType = record.defaultDomain = null;
  }

  /** Domain ids in use: `domains_used` in sysfs. */
  get domainsUsed(): number {
    const { first, countsReserved } = this.dids;
    return this.didsInUse.size + (countsReserved ? first : 0);
  }

  /** All devices, in order of enumeration. */
  all(): readonly DeviceRecord[] {
    return [...this.records.values()];
  }

  /** The lowest domain id of the unit that is free: `domain_attach_iommu`. */
  private takeDid(): number {
    const { domains } = this.driver.unit.capabilities;
    for (let did = this.dids.first; did < domains; did++) {
      if (this.didsInUse.has(did)) continue;
      this.didsInUse.add(did);
      return did;
    }
    this.say('DMAR: dmar0: No free domain ids');
    throw new KernelRefusal('ENOSPC', `all ${domains} domain ids of the unit are in use`);
  }
}

const hasFixedId = (domain: Domain): boolean => domain.type === 'identity' && domain.hasFixedId;
