/** `/dev/vfio/<group>`: the file of a group whose devices vfio-pci has (`drivers/vfio/group.c`). */

import { type DeviceRecord, pciAddress } from '../domains/device-table.ts';
import { KernelRefusal } from '../refusal.ts';
import { isSince } from '../version.ts';
import type { ContainedGroup, Container } from './container.ts';
import { hostDriven, OWNERSHIP_SINCE } from './dma-owner.ts';
import type { UserProcess, VfioParts } from './parts.ts';

export class GroupFile implements ContainedGroup {
  readonly record: DeviceRecord;
  readonly isNoIommu: boolean;
  private readonly parts: VfioParts;
  private readonly process: UserProcess;
  private readonly closed: () => void;
  private container: Container | null = null;

  constructor(
    record: DeviceRecord,
    isNoIommu: boolean,
    process: UserProcess,
    parts: VfioParts,
    closed: () => void,
  ) {
    this.record = record;
    this.isNoIommu = isNoIommu;
    this.process = process;
    this.parts = parts;
    this.closed = closed;
  }

  /** VFIO_GROUP_GET_STATUS: whether nobody else uses its devices. */
  get isViable(): boolean {
    if (this.container !== null) return true;
    const members = this.parts.devices.groupOf(this.record);
    return hostDriven(members) === undefined && members.every(({ claimed }) => !claimed);
  }

  /** VFIO_GROUP_SET_CONTAINER. @throws KernelRefusal EINVAL twice; as Container.add */
  setContainer(container: Container): void {
    if (this.container !== null) throw new KernelRefusal('EINVAL', 'the group is in a container already');
    container.add(this);
    this.container = container;
  }

  /** VFIO_GROUP_GET_DEVICE_FD. @throws KernelRefusal EINVAL before SET_IOMMU */
  openDevice(): void {
    const { container, record, isNoIommu, process, parts } = this;
    const viable = isSince(parts.version, OWNERSHIP_SINCE) || this.isViable;
    if (container === null || !container.hasIommu || !viable)
      throw new KernelRefusal('EINVAL', 'the group has no address space yet');
    if (!isNoIommu) return;
    const name = `vfio-pci ${pciAddress(record.fn.sourceId)}`;
    parts.say(`${name}: vfio-noiommu device opened by user (${process.comm}:${process.pid})`);
  }

  /** VFIO_GROUP_UNSET_CONTAINER. @throws KernelRefusal EINVAL without one */
  unsetContainer(): void {
    if (this.container === null) throw new KernelRefusal('EINVAL', 'the group is in no container');
    this.container.remove(this);
    this.container = null;
  }

  /** The last close takes it out of its container. */
  close(): void {
    if (this.container !== null) this.unsetContainer();
    this.closed();
  }
}
