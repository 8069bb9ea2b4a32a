import { describe, expect, test } from 'vitest';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import type { KernelVersion } from '../../source/linux/version.ts';
import type { UserProcess } from '../../source/linux/vfio/parts.ts';
import { DATA, errno, Host, id, MiB } from '../support/host.ts';

const nic = id('03:00.0');
const disk = id('04:00.0');
const usb = id('00:14.0');
const held = id('05:00.0');
const PAGE = 4096;

/** A host whose vfio-pci has some devices, and a process that may pin 64 MiB. */
function bench(line: string, devices: readonly number[] = [nic], version: KernelVersion = '6.12') {
  const host = new Host(line, { build: { ...defaultBuild, version } });
  for (const device of devices) host.kernel.bindDriver(device, 'vfio-pci');
  const process: UserProcess = { comm: 'vmm', pid: 7, lockLimit: 64 * MiB, locked: 0 };
  const { vfio } = host.kernel;
  const group = (device: number) =>
    vfio.openGroup(vfio.groupPath(host.kernel.device(device)), host.kernel.device(device), process);
  const container = () => vfio.openContainer(process, 2);
  return { host, vfio, process, group, container };
}

/** Up to SET_IOMMU. */
function attached(line = 'intel_iommu=on') {
  const made = bench(line);
  const [group, container] = [made.group(nic), made.container()];
  group.setContainer(container);
  container.setIommu('VFIO_TYPE1v2_IOMMU');
  return { ...made, group, container };
}

describe('binding vfio-pci', () => {
  test('changes nothing for the domain', () => {
    const { host } = bench('intel_iommu=on iommu=pt');
    expect(host.kernel.device(nic)).toMatchObject({ driver: 'vfio-pci', claimed: false });
    expect(host.dma('03:00.0', 'write', DATA)).toBe('0x1000000');
  });

  test('is EINVAL without an IOMMU, and leaves no driver', () => {
    const host = new Host('');
    expect(errno(() => host.kernel.bindDriver(nic, 'vfio-pci'))).toBe('EINVAL');
    expect(host.kernel.device(nic).driver).toBeNull();
    expect(host.log.at(-1)).toBe('vfio-pci 0000:03:00.0: probe with driver vfio-pci failed with error -22');
    const old = new Host('', { build: { ...defaultBuild, version: '6.9' } });
    expect(errno(() => old.kernel.bindDriver(nic, 'vfio-pci'))).toBe('EINVAL');
    expect(old.log.at(-1)).toBe('vfio-pci: probe of 0000:03:00.0 failed with error -22');
  });
});

describe('a container', () => {
  test('claims a group at SET_CONTAINER and attaches it at SET_IOMMU', () => {
    const { host, group, container } = bench('intel_iommu=on iommu=pt');
    const [file, made] = [group(nic), container()];
    expect(file.isViable).toBe(true);
    expect(host.during(() => file.setContainer(made))).toEqual([
      'context 0x30000010031 0x0',
      'iotlb 0x100e2 0x0',
    ]);
    expect(host.dma('03:00.0', 'write', DATA)).toBe('fault 0x02');
    made.setIommu('VFIO_TYPE1v2_IOMMU');
    expect(host.kernel.device(nic).attached?.type).toBe('unmanaged');
    expect(host.dma('03:00.0', 'write', DATA)).toBe('fault 0x05');
  });

  test('before Linux 5.19 leaves the default domain until SET_IOMMU', () => {
    const { host, group, container } = bench('intel_iommu=on iommu=pt', [nic], '5.18');
    const [file, made] = [group(nic), container()];
    file.setContainer(made);
    expect(host.dma('03:00.0', 'write', DATA)).toBe('0x1000000');
    made.setIommu('VFIO_TYPE1v2_IOMMU');
    expect(host.dma('03:00.0', 'write', DATA)).toBe('fault 0x05');
  });

  test('is refused without interrupt remapping at SET_IOMMU, after the domain was attached and taken back', () => {
    const { host, group, container } = bench('intel_iommu=on intremap=off');
    const [file, made] = [group(nic), container()];
    file.setContainer(made);
    const written = host.during(() => expect(errno(() => made.setIommu('VFIO_TYPE1v2_IOMMU'))).toBe('EPERM'));
    expect(written.map((line) => line.split(' ')[0])).toEqual(['context', 'iotlb']);
    expect(host.log.at(-1)).toBe(
      'vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param "allow_unsafe_interrupts" to enable VFIO IOMMU support on this platform',
    );
    expect(host.kernel.device(nic)).toMatchObject({ claimed: true, attached: null });
    file.close();
    expect(host.kernel.device(nic)).toMatchObject({ claimed: false, attached: { type: 'DMA-FQ' } });
  });

  test('does without interrupt remapping where unsafe interrupts are allowed', () => {
    const { group, container } = bench(
      'intel_iommu=on intremap=off vfio_iommu_type1.allow_unsafe_interrupts=1',
    );
    const [file, made] = [group(nic), container()];
    file.setContainer(made);
    expect(errno(() => made.setIommu('VFIO_TYPE1v2_IOMMU'))).toBe('ok');
  });

  test('wants its calls in order', () => {
    const { group, container } = bench('intel_iommu=on');
    const [file, made] = [group(nic), container()];
    expect(errno(() => made.setIommu('VFIO_TYPE1v2_IOMMU'))).toBe('EINVAL');
    expect(errno(() => file.openDevice())).toBe('EINVAL');
    expect(errno(() => made.mapDma(0, [{ physical: DATA, bytes: PAGE }]))).toBe('EINVAL');
    file.setContainer(made);
    expect(errno(() => file.setContainer(made))).toBe('EINVAL');
    expect(errno(() => made.setIommu('VFIO_NOIOMMU_IOMMU'))).toBe('ENODEV');
    made.setIommu('VFIO_TYPE1v2_IOMMU');
    expect(errno(() => made.setIommu('VFIO_TYPE1v2_IOMMU'))).toBe('EINVAL');
    expect(errno(() => file.openDevice())).toBe('ok');
    expect(errno(() => group(nic))).toBe('EBUSY');
  });

  test('refuses a group with a firmware region that must stay, and one in which a host driver is bound', () => {
    const { host, group, container } = bench('intel_iommu=on', [held, usb]);
    expect(errno(() => group(held).setContainer(container()))).toBe('EINVAL');
    host.kernel.bindDriver(id('00:14.2'), 'thermal');
    const file = group(usb);
    expect(file.isViable).toBe(false);
    expect(errno(() => file.setContainer(container()))).toBe('EPERM');
  });

  test('maps what is asked for with large pages where memory lies together, and nothing twice', () => {
    const { host, container } = attached();
    container.mapDma(0, [
      { physical: DATA, bytes: 2 * MiB },
      { physical: DATA + 2 * MiB, bytes: 2 * MiB },
      { physical: DATA + 6 * MiB, bytes: PAGE },
    ]);
    expect(container.domain?.table.leaves.slice(1, 3)).toEqual([1, 2]);
    expect(host.dma('03:00.0', 'write', 4 * MiB)).toBe('0x1600000');
    expect(errno(() => container.mapDma(MiB, [{ physical: DATA, bytes: PAGE }]))).toBe('EEXIST');
  });

  test('has no addresses in the interrupt window, nor beyond what the domain has', () => {
    const { container } = attached();
    expect(container.usable).toEqual([
      { start: 0, end: 0xfedf_ffff },
      { start: 0xfef0_0000, end: 2 ** 39 - 1 },
    ]);
    const page = [{ physical: DATA, bytes: 2 * PAGE }];
    for (const iova of [0xfedf_f000, 0xfee0_0000, 2 ** 39 - PAGE])
      expect(errno(() => container.mapDma(iova, page))).toBe('EINVAL');
    expect(errno(() => container.mapDma(0xfef0_0000, page))).toBe('ok');
  });

  test('pins no more than RLIMIT_MEMLOCK, and counts down what is unmapped', () => {
    const { host, process, container } = attached();
    container.mapDma(0, [{ physical: DATA, bytes: 48 * MiB }]);
    expect(errno(() => container.mapDma(64 * MiB, [{ physical: DATA, bytes: 17 * MiB }]))).toBe('ENOMEM');
    expect(host.log.at(-1)).toBe('vfio_pin_pages_remote: RLIMIT_MEMLOCK (67108864) exceeded');
    expect(container.unmapDma(0, 48 * MiB)).toBe(48 * MiB);
    expect(process.locked).toBe(0);
    expect(host.dma('03:00.0', 'write', 0)).toBe('fault 0x05');
    expect(errno(() => container.mapDma(64 * MiB, [{ physical: DATA, bytes: 17 * MiB }]))).toBe('ok');
  });

  test('has one domain for all its groups, which goes with the last', () => {
    const { host, group, container } = bench('intel_iommu=on', [nic, disk]);
    const made = container();
    const files = [nic, disk].map(group);
    files[0].setContainer(made);
    made.setIommu('VFIO_TYPE1v2_IOMMU');
    made.mapDma(0, [{ physical: DATA, bytes: MiB }]);
    files[1].setContainer(made);
    expect(host.kernel.device(disk).attached).toBe(host.kernel.device(nic).attached);
    expect(host.dma('04:00.0', 'write', 0x1234)).toBe('0x1001234');
    files[0].close();
    expect(host.dma('04:00.0', 'write', 0x1234)).toBe('0x1001234');
    files[1].close();
    expect(host.dma('04:00.0', 'write', 0x1234)).toBe('fault 0x05');
    expect(host.kernel.device(disk).attached?.type).toBe('DMA-FQ');
  });
});

describe('iommufd', () => {
  const open = (line: string, version: KernelVersion = '6.12', device = nic) => {
    const made = bench(line, [device], version);
    return {
      ...made,
      iommufd: made.vfio.openIommufd(made.process, 2),
      record: made.host.kernel.device(device),
    };
  };

  test('claims at BIND and attaches at ATTACH; what is mapped is reachable', () => {
    const { host, vfio, iommufd, record } = open('intel_iommu=on iommu=pt');
    vfio.openDevice(record);
    iommufd.bind(record);
    expect(host.dma('03:00.0', 'write', DATA)).toBe('fault 0x02');
    const space = iommufd.allocate();
    iommufd.attach(record, space);
    iommufd.map(space, 0, [{ physical: DATA, bytes: 2 * MiB }]);
    expect(host.dma('03:00.0', 'write', 0x1234)).toBe('0x1001234');
    expect(iommufd.unmap(space, 0, 2 * MiB)).toBe(2 * MiB);
    expect(host.dma('03:00.0', 'write', 0x1234)).toBe('fault 0x05');
    iommufd.detach(record, space);
    expect(host.dma('03:00.0', 'write', DATA)).toBe('fault 0x02');
    iommufd.unbind(record);
    expect(host.dma('03:00.0', 'write', DATA)).toBe('0x1000000');
  });

  test('without interrupt remapping is refused at BIND, before anything is claimed and without a word', () => {
    const { host, iommufd, record } = open(
      'intel_iommu=on intremap=off vfio_iommu_type1.allow_unsafe_interrupts=1',
    );
    const said = host.log.length;
    expect(errno(() => iommufd.bind(record))).toBe('EPERM');
    expect(host.log).toHaveLength(said);
    expect(record.claimed).toBe(false);
  });

  test('has a module parameter of its own for that', () => {
    const { host, iommufd, record } = open('intel_iommu=on intremap=off iommufd.allow_unsafe_interrupts=1');
    expect(errno(() => iommufd.bind(record))).toBe('ok');
    expect(host.log.at(-1)).toMatch(/^vfio-pci 0000:03:00.0: MSI interrupts are not secure/);
  });

  test('came with Linux 6.2, and the files of devices with 6.6', () => {
    expect(errno(() => open('intel_iommu=on', '6.1'))).toBe('ENOENT');
    const { vfio, record } = open('intel_iommu=on', '6.2');
    expect(errno(() => vfio.openDevice(record))).toBe('ENOENT');
  });

  test('refuses what a container refuses', () => {
    const { iommufd, record } = open('intel_iommu=on');
    iommufd.bind(record);
    const space = iommufd.allocate();
    expect(errno(() => iommufd.map(space, 0, [{ physical: DATA, bytes: PAGE }]))).toBe('EINVAL');
    iommufd.attach(record, space);
    expect(errno(() => iommufd.map(space, 0xfee0_0000, [{ physical: DATA, bytes: PAGE }]))).toBe('EINVAL');
    expect(errno(() => iommufd.map(space, 0, [{ physical: DATA, bytes: 65 * MiB }]))).toBe('ENOMEM');
    const kept = open('intel_iommu=on', '6.12', held);
    expect(errno(() => kept.iommufd.bind(kept.record))).toBe('EINVAL');
  });
});

describe('without an IOMMU, in the unsafe mode for that', () => {
  const unsafe = 'vfio.enable_unsafe_noiommu_mode=1';

  test('binding taints the kernel and makes a group that says so by its name', () => {
    const { host, vfio } = bench(unsafe, [disk, nic]);
    expect(vfio.isTainted).toBe(true);
    expect(host.log.at(-1)).toBe(
      'vfio-pci 0000:03:00.0: Adding kernel taint for vfio-noiommu group on device',
    );
    expect(vfio.groupPath(host.kernel.device(nic))).toBe('/dev/vfio/noiommu-1');
  });

  test('the file that QEMU looks for is not there', () => {
    const { host, vfio, process } = bench(unsafe);
    expect(errno(() => vfio.openGroup('/dev/vfio/0', host.kernel.device(nic), process))).toBe('ENOENT');
  });

  test('a process gets the device and nothing to map in; type 1 is not to be had', () => {
    const { host, group, container } = bench(unsafe);
    const [file, made] = [group(nic), container()];
    file.setContainer(made);
    expect(made.checkExtension('VFIO_TYPE1v2_IOMMU')).toBe(0);
    expect(errno(() => made.setIommu('VFIO_TYPE1v2_IOMMU'))).toBe('ENODEV');
    made.setIommu('VFIO_NOIOMMU_IOMMU');
    expect(errno(() => made.mapDma(0, [{ physical: DATA, bytes: PAGE }]))).toBe('ENOTTY');
    file.openDevice();
    expect(host.log.at(-1)).toBe('vfio-pci 0000:03:00.0: vfio-noiommu device opened by user (vmm:7)');
    expect(host.dma('03:00.0', 'write', DATA)).toBe('0x1000000');
    file.close();
    expect(errno(() => group(nic))).toBe('ok');
  });

  test('the parameter makes no difference while the IOMMU is on', () => {
    const { host, vfio } = bench(`intel_iommu=on ${unsafe}`);
    expect(vfio.isTainted).toBe(false);
    expect(vfio.groupPath(host.kernel.device(nic))).toBe('/dev/vfio/1');
  });
});
