/** A device taken by its own file and `/dev/iommu`, in the order of QEMU (`hw/vfio/iommufd.c`). */
import type { NestedDomain, PagingDomain } from '../../linux/domains/domain.ts';
import type { AddressSpace, Iommufd } from '../../linux/vfio/iommufd.ts';
import { hex } from '../../vtd/bits.ts';
import { type Call, close, ioctl, open } from './vfio-calls.ts';
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

export type OpenIommufd = { readonly fd: number; readonly iommufd: Iommufd; readonly space: AddressSpace };

export class IommufdTaking implements Taking {
  private readonly program: Program;
  private readonly device: TakenDevice;
  private readonly purpose: Purpose;
  private readonly isJoined: boolean;
  private readonly path: string;
  private opened: OpenIommufd | null;
  private iommufd: Iommufd | null;
  private fd: number;
  private deviceFd = -1;
  private isBound = false;

  /** @param joined an address space of the program's that has all its memory, or null */
  constructor(program: Program, device: TakenDevice, purpose: Purpose, joined: OpenIommufd | null) {
    this.program = program;
    this.device = device;
    this.purpose = purpose;
    this.isJoined = joined !== null;
    this.opened = joined;
    this.iommufd = joined?.iommufd ?? null;
    this.fd = joined?.fd ?? -1;
    this.path = program.kernel.vfio.devicePath(this.record);
  }

  /** The address space, for further devices. */
  get shared(): OpenIommufd | null {
    return this.opened;
  }

  get domain(): PagingDomain | null {
    return this.space.domain;
  }

  opening(): readonly Call[] {
    const isNew = !this.isJoined;
    return [
      ...(isNew ? [this.openIommufd()] : []),
      ...this.openDevice(),
      ...(isNew ? [this.allocateSpace()] : []),
      ...(this.purpose === 'nested' ? [this.allocateParent()] : []),
      this.onDevice('VFIO_DEVICE_ATTACH_IOMMUFD_PT', () => {
        this.ofIommufd.attach(this.record, this.space);
        return this.effect;
      }),
      ...(isNew ? this.mapMemory() : []),
    ];
  }

  closing(): readonly Call[] {
    const isLast = this.space.devices.length === 1;
    return [
      ...(isLast ? this.unmapMemory() : []),
      this.onDevice('VFIO_DEVICE_DETACH_IOMMUFD_PT', () => {
        this.ofIommufd.detach(this.record, this.space);
        return this.effect;
      }),
      close(
        this.file,
        () => this.deviceFd,
        () => {
          this.ofIommufd.unbind(this.record);
          return this.effect;
        },
      ),
      ...(isLast ? [close('iommufd', () => this.fd)] : []),
    ];
  }

  abandon(): void {
    if (this.opened?.space.devices.includes(this.record)) this.ofIommufd.detach(this.record, this.space);
    if (this.isBound) this.ofIommufd.unbind(this.record);
  }

  nesting(root: number, levels: number, done: (domain: NestedDomain) => void): readonly Call[] {
    return [
      this.onIommufd('IOMMU_HWPT_ALLOC', '{data_type=IOMMU_HWPT_DATA_VTD_S1}', () => {
        done(this.ofIommufd.nest(this.record, root, levels));
        return `the guest's first stage, its table at guest-physical ${hex(root)}`;
      }),
      this.onDevice('VFIO_DEVICE_ATTACH_IOMMUFD_PT', () => this.effect),
    ];
  }

  private openIommufd(): Call {
    const { program } = this;
    return open('iommufd', '/dev/iommu', () => {
      this.iommufd = program.kernel.vfio.openIommufd(program, program.largestLeaf);
      this.fd = program.newFd();
      return this.fd;
    });
  }

  private openDevice(): Call[] {
    const { program, record } = this;
    return [
      open(this.file, this.path, () => {
        program.kernel.vfio.openDevice(record);
        this.deviceFd = program.newFd();
        return this.deviceFd;
      }),
      this.onDevice('VFIO_DEVICE_BIND_IOMMUFD', () => {
        this.ofIommufd.bind(record);
        this.isBound = true;
        return this.effect;
      }),
    ];
  }

  private allocateSpace(): Call {
    return this.onIommufd('IOMMU_IOAS_ALLOC', '', () => {
      const iommufd = this.ofIommufd;
      this.opened = { fd: this.fd, iommufd, space: iommufd.allocate() };
      return '';
    });
  }

  private allocateParent(): Call {
    return this.onIommufd('IOMMU_HWPT_ALLOC', '{flags=IOMMU_HWPT_ALLOC_NEST_PARENT}', () => {
      this.ofIommufd.allocateParent(this.space);
      return "a second stage, for a guest's first to lie on";
    });
  }

  private mapMemory(): Call[] {
    const ranges = this.onIommufd('IOMMU_IOAS_IOVA_RANGES', '', () => usableText(this.space.usable));
    const maps = this.memory.map(({ iova, physical, bytes }) => {
      const where = `user_va=${hex(VIRTUAL_BASE + iova)}, iova=${hex(iova)}, length=${hex(bytes)}`;
      const flags = 'flags=FIXED_IOVA|READABLE|WRITEABLE';
      return this.onIommufd('IOMMU_IOAS_MAP', `{${flags}, ${where}}`, () =>
        pagesOf(this.domain, () => this.ofIommufd.map(this.space, iova, [{ physical, bytes }])),
      );
    });
    return [ranges, ...maps];
  }

  private unmapMemory(): Call[] {
    return this.memory.map(({ iova, bytes }) =>
      this.onIommufd('IOMMU_IOAS_UNMAP', `{iova=${hex(iova)}, length=${hex(bytes)}}`, () => {
        this.ofIommufd.unmap(this.space, iova, bytes);
        return '';
      }),
    );
  }

  private onDevice(name: string, action: () => string): Call {
    return ioctl(this.file, () => this.deviceFd, name, '', action);
  }

  private onIommufd(name: string, argument: string, action: () => string): Call {
    return ioctl('iommufd', () => this.fd, name, argument, action);
  }

  /** A guest behind a shadow has nothing mapped until it maps something itself. */
  private get memory(): Program['memory'] {
    return this.purpose === 'memory' || this.purpose === 'nested' ? this.program.memory : [];
  }

  /** `vfio0`. */
  private get file(): string {
    return this.path.slice(this.path.lastIndexOf('/') + 1);
  }

  private get record() {
    return this.program.kernel.device(this.device.sourceId);
  }

  private get ofIommufd(): Iommufd {
    if (this.iommufd === null) throw new RangeError('/dev/iommu is not open');
    return this.iommufd;
  }

  private get space(): AddressSpace {
    if (this.opened === null) throw new RangeError('there is no address space');
    return this.opened.space;
  }

  private get effect(): string {
    return effectOn(this.program.kernel, this.device.sourceId);
  }
}
