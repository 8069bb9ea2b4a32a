/**
 * A device taken by `/dev/vfio/<group>` and `/dev/vfio/vfio`, in the order of QEMU (`hw/vfio/container.c`) and of DPDK
 * (`lib/eal/linux/eal_vfio.c`).
 */
import type { NestedDomain, PagingDomain } from '../../linux/domains/domain.ts';
import { KernelRefusal } from '../../linux/refusal.ts';
import type { Container, IommuType } from '../../linux/vfio/container.ts';
import type { GroupFile } from '../../linux/vfio/group.ts';
import { hex } from '../../vtd/bits.ts';
import { bdf } from '../../vtd/source-id.ts';
import { type Call, close, GivesUp, ioctl, open } from './vfio-calls.ts';
import {
  effectOn,
  type Program,
  type Purpose,
  pagesOf,
  type TakenDevice,
  type Taking,
  usableText,
  VIRTUAL_BASE,
} from './vfio-taking.ts';

export type OpenContainer = { readonly fd: number; readonly container: Container };

export class ContainerTaking implements Taking {
  private readonly program: Program;
  private readonly device: TakenDevice;
  private readonly purpose: Purpose;
  private readonly isNoIommu: boolean;
  private readonly isJoined: boolean;
  private readonly number: number | null;
  private opened: OpenContainer | null;
  private group: GroupFile | null = null;
  private groupFd = -1;
  private deviceFd = -1;

  /** @param joined a container of the program's that has an address space already, or null */
  constructor(program: Program, device: TakenDevice, purpose: Purpose, joined: OpenContainer | null) {
    const { vfio } = program.kernel;
    const record = program.kernel.device(device.sourceId);
    this.program = program;
    this.device = device;
    this.purpose = purpose;
    this.opened = joined;
    this.isJoined = joined !== null;
    this.isNoIommu = vfio.isNoIommu(record);
    this.number = vfio.groupNumber(record);
  }

  /** The container, for further devices. */
  get shared(): OpenContainer | null {
    return this.opened;
  }

  get domain(): PagingDomain | null {
    return this.container.domain;
  }

  opening(): readonly Call[] {
    const { isJoined, isNoIommu, purpose } = this;
    const isNew = !isJoined;
    const attaches = purpose !== 'claim';
    return [
      ...this.openGroup(),
      ...(isNew ? this.openContainer() : []),
      this.setContainer(),
      ...(isNew && attaches ? [this.setIommu()] : []),
      ...(isNew && attaches && !isNoIommu ? this.mapMemory() : []),
      ...(attaches ? [this.openDevice()] : []),
    ];
  }

  closing(): readonly Call[] {
    const { container, group, device, isNoIommu, purpose } = this;
    const isLast = container.size === 1;
    const unmaps = isLast && purpose === 'memory' && !isNoIommu;
    return [
      ...(purpose === 'claim' ? [] : [close(device.name, () => this.deviceFd)]),
      ...(unmaps ? this.unmapMemory() : []),
      this.onGroup('VFIO_GROUP_UNSET_CONTAINER', '', () => {
        group?.unsetContainer();
        return isNoIommu ? '' : this.effect;
      }),
      ...(isLast ? [close('container', () => this.opened?.fd ?? -1)] : []),
      close(
        this.nameOfGroup,
        () => this.groupFd,
        () => {
          group?.close();
          return '';
        },
      ),
    ];
  }

  abandon(): void {
    this.group?.close();
  }

  nesting(_: number, __: number, ___: (domain: NestedDomain) => void): readonly Call[] {
    throw new KernelRefusal('EINVAL', 'a container of type 1 has nothing to nest on');
  }

  private openGroup(): Call[] {
    const { program, device, number, nameOfGroup } = this;
    const { kernel } = program;
    const { vfio } = kernel;
    const record = kernel.device(device.sourceId);
    const path = program.knowsNoIommu ? vfio.groupPath(record) : `/dev/vfio/${number}`;
    return [
      open(nameOfGroup, path, () => {
        this.group = vfio.openGroup(path, record, program);
        this.groupFd = program.newFd();
        return this.groupFd;
      }),
      this.onGroup(
        'VFIO_GROUP_GET_STATUS',
        () => `{flags=${this.group?.isViable ? 'VFIO_GROUP_FLAGS_VIABLE' : '0'}}`,
        () => {
          if (this.group?.isViable) return '';
          // If it went on, SET_CONTAINER would return this.
          const why = 'a driver of the host has one of its devices';
          throw new GivesUp('EPERM', `group ${number} is not viable: ${why}`);
        },
      ),
    ];
  }

  private openContainer(): Call[] {
    const { program, type } = this;
    return [
      open('container', '/dev/vfio/vfio', () => {
        const container = program.kernel.vfio.openContainer(program, program.largestLeaf);
        this.opened = { fd: program.newFd(), container };
        return this.opened.fd;
      }),
      this.onContainer('VFIO_GET_API_VERSION', '', () => ''),
      {
        ...this.onContainer('VFIO_CHECK_EXTENSION', type, () => ''),
        make: () => ({ returned: this.container.checkExtension(type), effect: '' }),
      },
    ];
  }

  private setContainer(): Call {
    return this.onGroup('VFIO_GROUP_SET_CONTAINER', '[container]', () => {
      const { group, container, isNoIommu, program, device } = this;
      group?.setContainer(container);
      if (isNoIommu) return 'no IOMMU: nothing to claim';
      return program.kernel.device(device.sourceId).claimed ? this.effect : '';
    });
  }

  private setIommu(): Call {
    const { type, isNoIommu } = this;
    return this.onContainer('VFIO_SET_IOMMU', type, () => {
      this.container.setIommu(type);
      return isNoIommu ? 'no address space: nothing translates, and nothing refuses' : this.effect;
    });
  }

  private mapMemory(): Call[] {
    const info = this.onContainer('VFIO_IOMMU_GET_INFO', '', () => usableText(this.container.usable));
    if (this.purpose !== 'memory') return [info];
    const maps = this.program.memory.map(({ iova, physical, bytes }) => {
      const where = `vaddr=${hex(VIRTUAL_BASE + iova)}, iova=${hex(iova)}, size=${hex(bytes)}`;
      return this.onContainer('VFIO_IOMMU_MAP_DMA', `{flags=READ|WRITE, ${where}}`, () =>
        pagesOf(this.domain, () => this.container.mapDma(iova, [{ physical, bytes }])),
      );
    });
    return [info, ...maps];
  }

  private unmapMemory(): Call[] {
    return this.program.memory.map(({ iova, bytes }) =>
      this.onContainer('VFIO_IOMMU_UNMAP_DMA', `{iova=${hex(iova)}, size=${hex(bytes)}}`, () => {
        this.container.unmapDma(iova, bytes);
        return '';
      }),
    );
  }

  private openDevice(): Call {
    const { device, isNoIommu, program } = this;
    const call = this.onGroup('VFIO_GROUP_GET_DEVICE_FD', `"0000:${bdf(device.sourceId)}"`, () => '');
    return {
      ...call,
      make: () => {
        this.group?.openDevice();
        this.deviceFd = program.newFd();
        const effect = isNoIommu ? 'its DMA goes by physical addresses, wherever they lead' : '';
        return { returned: this.deviceFd, effect };
      },
    };
  }

  private onGroup(name: string, argument: string | (() => string), action: () => string): Call {
    return ioctl(this.nameOfGroup, () => this.groupFd, name, argument, action);
  }

  private onContainer(name: string, argument: string, action: () => string): Call {
    return ioctl('container', () => this.opened?.fd ?? -1, name, argument, action);
  }

  private get nameOfGroup(): string {
    return `group ${this.number}`;
  }

  private get type(): IommuType {
    return this.isNoIommu ? 'VFIO_NOIOMMU_IOMMU' : 'VFIO_TYPE1v2_IOMMU';
  }

  private get container(): Container {
    if (this.opened === null) throw new RangeError('the container is not open');
    return this.opened.container;
  }

  private get effect(): string {
    return effectOn(this.program.kernel, this.device.sourceId);
  }
}
