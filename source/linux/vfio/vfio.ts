/** vfio-pci and the files by which processes take its devices: `drivers/vfio/`. */
import { bdf } from '../../vtd/source-id.ts';
import { type DeviceRecord, pciAddress } from '../domains/device-table.ts';
import { KernelRefusal } from '../refusal.ts';
import { isSince } from '../version.ts';
import { holds } from '../version-rules.ts';
import { Container } from './container.ts';
import { GroupFile } from './group.ts';
import { DEVICE_FILES_SINCE, IOMMUFD_SINCE, Iommufd } from './iommufd.ts';
import type { UserProcess, VfioParts } from './parts.ts';

export class Vfio {
  /** A device was put into a group without an IOMMU: TAINT_USER. */
  isTainted = false;
  private readonly parts: VfioParts;
  /** Devices that vfio-pci has, by the number of their file. */
  private readonly bound: (DeviceRecord | undefined)[] = [];
  /** Groups without an IOMMU, by number: one for each device. */
  private readonly noIommuGroups: (DeviceRecord | undefined)[] = [];
  private readonly openGroups = new Set<string>();

  constructor(parts: VfioParts) {
    this.parts = parts;
  }

  /**
   * vfio-pci is bound to a device, which needs a group: vfio_group_find_or_alloc.
   *
   * @throws KernelRefusal EINVAL without an IOMMU, unless the mode for that is enabled
   */
  bind(record: DeviceRecord): void {
    const { parts } = this;
    const { sourceId } = record.fn;
    const name = `vfio-pci ${pciAddress(sourceId)}`;
    if (record.group === null) {
      if (!parts.unsafeNoIommuMode) {
        const isOld = holds('saysFailedProbeOfDriver', parts.version);
        const old = `vfio-pci: probe of ${pciAddress(sourceId)} failed with error -22`;
        parts.say(isOld ? old : `${name}: probe with driver vfio-pci failed with error -22`);
        const why = 'has no IOMMU group, as no IOMMU translates for it: VFIO refuses it';
        throw new KernelRefusal('EINVAL', `${bdf(sourceId)} ${why}`);
      }
      take(this.noIommuGroups, record);
      this.isTainted = true;
      parts.say(`${name}: Adding kernel taint for vfio-noiommu group on device`);
    }
    take(this.bound, record);
    record.driver = 'vfio-pci';
  }

  /** vfio-pci is unbound. Its files must be closed. */
  unbind(record: DeviceRecord): void {
    record.driver = null;
    for (const list of [this.bound, this.noIommuGroups]) {
      const at = list.indexOf(record);
      if (at >= 0) list[at] = undefined;
    }
  }

  /** Whether a device's group is one without an IOMMU. */
  isNoIommu(record: DeviceRecord): boolean {
    return this.noIommuGroups.includes(record);
  }

  /** The file of a device's group: `/dev/vfio/16`, `/dev/vfio/noiommu-0`. */
  groupPath(record: DeviceRecord): string {
    const noIommu = this.noIommuGroups.indexOf(record);
    return `/dev/vfio/${noIommu >= 0 ? `noiommu-${noIommu}` : record.group}`;
  }

  /** The number of the group that sysfs links a device to. */
  groupNumber(record: DeviceRecord): number | null {
    const noIommu = this.noIommuGroups.indexOf(record);
    return noIommu >= 0 ? noIommu : record.group;
  }

  /** The file of a device itself. */
  devicePath(record: DeviceRecord): string {
    return `/dev/vfio/devices/vfio${this.bound.indexOf(record)}`;
  }

  /**
   * Open the file of a group.
   *
   * @throws KernelRefusal ENOENT where there is no such file; EBUSY while it is open
   */
  openGroup(path: string, record: DeviceRecord, process: UserProcess): GroupFile {
    const real = this.groupPath(record);
    if (path !== real) {
      const why = `the group of ${bdf(record.fn.sourceId)} has no IOMMU, and its file is ${real}`;
      throw new KernelRefusal('ENOENT', `there is no ${path}: ${why}`);
    }
    if (this.openGroups.has(path)) throw new KernelRefusal('EBUSY', `${path} is open already`);
    this.openGroups.add(path);
    return new GroupFile(record, this.isNoIommu(record), process, this.parts, () =>
      this.openGroups.delete(path),
    );
  }

  /** Open `/dev/vfio/vfio`. @param largestLeaf level of the largest pages that its memory consists of */
  openContainer(process: UserProcess, largestLeaf: number): Container {
    return new Container(process, largestLeaf, this.parts);
  }

  /** Open `/dev/iommu`. @throws KernelRefusal ENOENT before 6.2 */
  openIommufd(process: UserProcess, largestLeaf: number): Iommufd {
    const { version } = this.parts;
    if (!isSince(version, IOMMUFD_SINCE))
      throw new KernelRefusal(
        'ENOENT',
        `Linux ${version} has no /dev/iommu, which came with ${IOMMUFD_SINCE}`,
      );
    return new Iommufd(process, largestLeaf, this.parts);
  }

  /** Open the file of a device. @throws KernelRefusal ENOENT before 6.6 */
  openDevice(record: DeviceRecord): void {
    const { version } = this.parts;
    if (!isSince(version, DEVICE_FILES_SINCE) || !this.bound.includes(record)) {
      const why = `Linux ${version} has no ${this.devicePath(record)}; files of devices came with ${DEVICE_FILES_SINCE}`;
      throw new KernelRefusal('ENOENT', why);
    }
  }
}

/** Put a device at the first free number. */
function take(list: (DeviceRecord | undefined)[], record: DeviceRecord): void {
  const free = list.indexOf(undefined);
  list[free < 0 ? list.length : free] = record;
}
