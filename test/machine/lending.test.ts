import { describe, expect, test } from 'vitest';
import { readKernelFile } from '../../source/commands/inspect.ts';
import type { Session } from '../../source/commands/session.ts';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import type { MachineOptions } from '../../source/machine/machine.ts';
import { previewBoot } from '../../source/machine/preview.ts';
import { GivesUp, ioctl, type MadeCall, makeCalls } from '../../source/machine/programs/vfio-calls.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { device, session, type } from '../support/session.ts';

/** A machine at rest. */
function still(boot: string, options: Partial<MachineOptions> = {}): Session {
  const run = session(boot, options);
  type(run, 'workload all stop');
  return run;
}

/** The calls that a command led to: `SET_CONTAINER`, or `SET_IOMMU EPERM` where it was refused. */
function callsOf(run: Session, command: string): string[] {
  const { calls } = run.simulation.journal;
  const before = calls.length;
  type(run, command);
  return calls
    .slice(before)
    .map(
      ({ verb, on, name, errno }) => `${verb} ${name === '' ? on : name}${errno === null ? '' : ` ${errno}`}`,
    );
}

const first = [
  'open /dev/vfio/14',
  'ioctl VFIO_GROUP_GET_STATUS',
  'open /dev/vfio/vfio',
  'ioctl VFIO_GET_API_VERSION',
  'ioctl VFIO_CHECK_EXTENSION',
  'ioctl VFIO_GROUP_SET_CONTAINER',
];
const mapping = ['ioctl VFIO_SET_IOMMU', 'ioctl VFIO_IOMMU_GET_INFO'];

describe('a device on its way to a guest', () => {
  test('goes through the calls of QEMU, each of which is in the event list', () => {
    const run = still('intel_iommu=on');
    type(run, 'device gpu0 host; workload gpu0 stop');
    expect(callsOf(run, 'device nic0 guest A')).toEqual([
      ...first,
      ...mapping,
      'ioctl VFIO_IOMMU_MAP_DMA',
      'ioctl VFIO_IOMMU_MAP_DMA',
      'ioctl VFIO_GROUP_GET_DEVICE_FD',
    ]);
    const told = run.simulation.journal.events.filter(({ kind }) => kind === 'call').slice(-11);
    expect(told.map(({ actor }) => actor)).toEqual(Array(11).fill('qemu A'));
    expect(told[5].result).toBe('VFIO_GROUP_SET_CONTAINER: blocking domain, context entry P=0');
    expect(told[8].result).toBe('VFIO_IOMMU_MAP_DMA: pinned: 160 of 4 KiB');
    expect(told[9].result).toBe('VFIO_IOMMU_MAP_DMA: pinned: 287 of 2 MiB, 320 of 4 KiB');
  });

  test('shares the address space of the guest with the devices that it has', () => {
    const run = still('intel_iommu=on');
    expect(callsOf(run, 'device nic0 guest A')).toEqual([
      'open /dev/vfio/14',
      'ioctl VFIO_GROUP_GET_STATUS',
      'ioctl VFIO_GROUP_SET_CONTAINER',
      'ioctl VFIO_GROUP_GET_DEVICE_FD',
    ]);
    expect(device(run, 'nic0').did).toBe(device(run, 'gpu0').did);
    type(run, 'device gpu0 host; workload gpu0 stop');
    expect(type(run, 'dma nic0 write 0x1000').text).toContain('0xa0001000 (guest A RAM)');
  });

  test('reaches all RAM of the guest, and not the VGA window', () => {
    const run = still('intel_iommu=on');
    for (const address of ['0x0', '0x9f000', '0xc0000', '0x15fff000'])
      expect(type(run, `dma hba1 write ${address}`).text).toContain('guest B RAM');
    for (const address of ['0xa0000', '0xbf000', '0x16000000'])
      expect(type(run, `dma hba1 write ${address}`).text).toContain('fault 0x05');
  });

  test('goes by iommufd where that is asked for', () => {
    const run = still('intel_iommu=on');
    expect(callsOf(run, 'device nic0 guest A iommufd')).toEqual([
      'open /dev/iommu',
      'open /dev/vfio/devices/vfio2',
      'ioctl VFIO_DEVICE_BIND_IOMMUFD',
      'ioctl IOMMU_IOAS_ALLOC',
      'ioctl VFIO_DEVICE_ATTACH_IOMMUFD_PT',
      'ioctl IOMMU_IOAS_IOVA_RANGES',
      'ioctl IOMMU_IOAS_MAP',
      'ioctl IOMMU_IOAS_MAP',
    ]);
    expect(callsOf(run, 'device nic0 host')).toEqual([
      'ioctl IOMMU_IOAS_UNMAP',
      'ioctl IOMMU_IOAS_UNMAP',
      'ioctl VFIO_DEVICE_DETACH_IOMMUFD_PT',
      'close vfio2',
      'close iommufd',
    ]);
    expect(device(run, 'nic0')).toMatchObject({ owner: 'host', driver: 'ixgbe', attachedDomain: 'DMA-FQ' });
  });

  test('comes back in the order in which QEMU lets go', () => {
    const run = still('intel_iommu=on');
    expect(callsOf(run, 'device hba1 host')).toEqual([
      'close hba1',
      'ioctl VFIO_IOMMU_UNMAP_DMA',
      'ioctl VFIO_IOMMU_UNMAP_DMA',
      'ioctl VFIO_GROUP_UNSET_CONTAINER',
      'close container',
      'close group 16',
    ]);
  });

  test('with an IOMMU that the guest sees is nested by iommufd, or shadowed in a container', () => {
    const server = still('intel_iommu=on', { unit: presets.server });
    expect(callsOf(server, 'device nic0 guest A viommu')).toEqual([
      'open /dev/iommu',
      'open /dev/vfio/devices/vfio2',
      'ioctl VFIO_DEVICE_BIND_IOMMUFD',
      'ioctl IOMMU_IOAS_ALLOC',
      'ioctl IOMMU_HWPT_ALLOC',
      'ioctl VFIO_DEVICE_ATTACH_IOMMUFD_PT',
      'ioctl IOMMU_IOAS_IOVA_RANGES',
      'ioctl IOMMU_IOAS_MAP',
      'ioctl IOMMU_IOAS_MAP',
      'ioctl IOMMU_HWPT_ALLOC',
      'ioctl VFIO_DEVICE_ATTACH_IOMMUFD_PT',
    ]);
    type(server, 'device nic0 guest A viommu container');
    expect(device(server, 'nic0').virtualIommu).toBe('shadow');
    const run = still('intel_iommu=on');
    expect(callsOf(run, 'device nic0 guest A viommu')).toEqual([
      ...first,
      ...mapping,
      'ioctl VFIO_GROUP_GET_DEVICE_FD',
    ]);
  });
});

describe('a refusal', () => {
  test.each([
    ['intel_iommu=on intremap=off', 'device nic0 guest A', 'ioctl VFIO_SET_IOMMU EPERM'],
    ['intel_iommu=on intremap=off', 'device nic0 guest A iommufd', 'ioctl VFIO_DEVICE_BIND_IOMMUFD EPERM'],
    ['vfio.enable_unsafe_noiommu_mode=1', 'device nic0 guest A', 'open /dev/vfio/0 ENOENT'],
  ])('with "%s" of "%s" is at %s, and the host has the device again', (boot, command, call) => {
    const run = still(boot);
    const before = device(run, 'nic0');
    expect(callsOf(run, command).at(-1)).toBe(call);
    expect(device(run, 'nic0')).toEqual(before);
  });

  test('of memory to pin is at MAP_DMA', () => {
    const run = still('intel_iommu=on', { parameters: { 'vfio.memlockMiB': 100 } });
    expect(callsOf(run, 'device nic0 guest A').slice(-2)).toEqual([
      'ioctl VFIO_IOMMU_MAP_DMA',
      'ioctl VFIO_IOMMU_MAP_DMA ENOMEM',
    ]);
    expect(run.simulation.machine.kernel.log.lines.at(-1)).toContain(
      'vfio_pin_pages_remote: RLIMIT_MEMLOCK (104857600) exceeded',
    );
    expect(device(run, 'gpu0')).toMatchObject({ owner: 'host', emulated: true });
  });

  test('after another guest gave it up leaves the device with the host, and nothing of the guest', () => {
    const run = still('intel_iommu=on');
    type(run, 'device usb0 guest A');
    run.simulation.machine.kernel.bindDriver(0xa2, 'thermal');
    expect(type(run, 'device usb0 guest B').ok).toBe(false);
    expect(device(run, 'usb0')).toMatchObject({
      owner: 'host',
      driver: 'xhci_hcd',
      attachedDomain: 'DMA-FQ',
    });
    expect(type(run, 'dma usb0 write 0x1000').text).toContain('fault 0x05');
  });

  test('before 6.6 there is no file of a device for iommufd', () => {
    const run = still('intel_iommu=on', { build: { ...defaultBuild, version: '6.5' } });
    expect(callsOf(run, 'device nic0 guest A iommufd').at(-1)).toBe('open /dev/vfio/devices/vfio2 ENOENT');
  });
});

describe('a process that drives a device from user space', () => {
  test('behind the IOMMU reaches its own memory and nothing else', () => {
    const run = still('intel_iommu=on iommu=pt');
    expect(callsOf(run, 'device nic0 process')).toEqual([
      ...first,
      ...mapping,
      'ioctl VFIO_IOMMU_MAP_DMA',
      'ioctl VFIO_GROUP_GET_DEVICE_FD',
    ]);
    expect(device(run, 'nic0')).toMatchObject({
      owner: 'process',
      attachedDomain: 'unmanaged',
      lane: 'guest',
    });
    expect(type(run, 'dma nic0 write 0x100200000').text).toContain('(testpmd huge pages)');
    expect(type(run, 'dma nic0 write 0x1000000').text).toContain('fault 0x05');
    run.advance(run.simulation.now + 1e6);
    expect(run.simulation.journal.corruptedPages.size).toBe(0);
  });

  test('without one is refused, unless the unsafe mode is on', () => {
    expect(type(still(''), 'device nic0 process')).toMatchObject({
      ok: false,
      text: expect.stringMatching(/EINVAL/),
    });
  });

  test('in the unsafe mode reaches whatever it names, and the unit never sees a request', () => {
    const run = still('vfio.enable_unsafe_noiommu_mode=1');
    expect(callsOf(run, 'device nic0 process')).toEqual([
      'open /dev/vfio/noiommu-0',
      ...first.slice(1),
      'ioctl VFIO_SET_IOMMU',
      'ioctl VFIO_GROUP_GET_DEVICE_FD',
    ]);
    expect(device(run, 'nic0')).toMatchObject({ owner: 'process', lane: 'off', attachedDomain: 'none' });
    run.advance(run.simulation.now + 1e6);
    expect(device(run, 'nic0').counts.requests).toBeGreaterThan(0);
    expect(run.simulation.journal.corruptedPages.size).toBe(0);
    expect(type(run, 'dma nic0 write 0x1000000').text).toContain('landed at 0x1000000 (kernel text)');
    expect(type(run, 'expect iommu_requests = 0').ok).toBe(true);
    expect(type(run, 'device nic0 host').ok).toBe(true);
    expect(device(run, 'nic0')).toMatchObject({ owner: 'host', driver: 'ixgbe' });
  });
});

test('strace has what the programs did since boot, each call with what came of it', () => {
  const run = still('intel_iommu=on');
  const lines = readKernelFile(run.simulation.machine, '/tmp/qemu-A.strace').trimEnd().split('\n');
  expect(lines.filter((line) => !line.startsWith(' '))).toHaveLength(11);
  const at = lines.indexOf('ioctl(11, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) = 0');
  expect(lines[at + 1]).toMatch(/^ {4}# unmanaged domain, DID \d+$/);
});

test('before Linux 5.19 a group cannot be held in the blocking domain', () => {
  const run = still('intel_iommu=on', { build: { ...defaultBuild, version: '5.18' } });
  expect(type(run, 'device nic0 blocked').ok).toBe(false);
  expect(device(run, 'nic0')).toMatchObject({ owner: 'host', attachedDomain: 'DMA-FQ' });
});

test('a unit that cannot remap interrupts gets no device to a guest, and the preview of a boot line says so', () => {
  for (const boot of ['intel_iommu=on', 'intel_iommu=on vfio_iommu_type1.allow_unsafe_interrupts=1']) {
    const run = session(boot, { parameters: { 'ecap.IR': 0, 'ecap.EIM': 0, 'cap.PI': 0 } });
    const { machine, devices } = run.snapshot();
    const real = devices.map(({ name, lane, attachedDomain }) => `${name} ${lane} ${attachedDomain}`);
    const seen = previewBoot(boot, machine).devices.map(
      ({ name, lane, domain }) => `${name} ${lane} ${domain}`,
    );
    expect(seen).toEqual(real);
    expect(device(run, 'gpu0').owner).toBe(boot.includes('unsafe') ? 'guest A' : 'host');
  }
});

test('a buffer that cannot be mapped is given back, however often a driver tries', () => {
  const run = still('intel_iommu=on iommu=pt swiotlb=force');
  // Of 2 MiB each, from memory of 440 MiB; bounce buffers have no room for them in a row.
  for (let i = 0; i < 300; i++) expect(type(run, 'map nic0 1 2097152').text).toMatch(/SWIOTLB/);
});

describe('a PC with a PCI bus', () => {
  const legacy = (boot: string) => session(boot, { parameters: { 'pc.pciBus': 'yes' } });

  test('has a sound card that reaches 256 MiB: bounced in passthrough, and not where it is translated', () => {
    for (const [boot, landed] of [
      ['intel_iommu=on iommu=pt', 'bounce buffers'],
      ['', 'bounce buffers'],
      ['intel_iommu=on', 'snd0 buffer'],
    ] as const) {
      const run = legacy(boot);
      run.advance(run.simulation.now + 5e6);
      expect(device(run, 'snd0').counts).toMatchObject({ faults: 0 });
      expect(device(run, 'snd0').counts.requests).toBeGreaterThan(10);
      const last = run.simulation.journal.transactionsOf('snd0')[0];
      expect(last.landed).toBe(landed);
      expect(Number(last.address)).toBeLessThan(2 ** 28);
    }
  });

  test('faults there are of the bridge, in the list as in the log of the kernel', () => {
    const run = legacy('intel_iommu=on');
    type(run, 'workload all stop; dma snd0 write 0x1000');
    const [group] = run.snapshot().faults;
    expect(group).toMatchObject({ device: 'snd0', bdf: '09:00.0', reason: 5 });
    expect(group.dmesg).toContain('Request device [09:00.0]');
    type(run, 'entry snd0 context P=0');
    expect(type(run, 'dma snd0 write 0x1000').text).toContain('fault 0x02');
  });

  test('its cards go to a guest together, and the preview of a boot line has them', () => {
    const run = legacy('intel_iommu=on');
    type(run, 'device snd0 guest A; workload all stop');
    expect(type(run, 'dma snd0 write 0x200000').text).toContain('guest A RAM');
    const { kernel } = run.simulation.machine;
    expect(kernel.device(0x0910).attached).toBe(kernel.device(0x0908).attached);
    const { machine } = run.snapshot();
    expect(previewBoot('intel_iommu=on iommu=pt', machine).devices.at(-1)).toMatchObject({
      name: 'snd0',
      domain: 'identity',
    });
  });

  test('another PC says what would have such a card', () => {
    expect(type(session(''), 'dma snd0 write 0x1000').text).toContain('pc.pciBus=yes');
  });
});

test('a call that returns well may be why a program goes no further: the group is not viable', () => {
  const told: MadeCall[] = [];
  const status = ioctl(
    'group 14',
    () => 13,
    'VFIO_GROUP_GET_STATUS',
    () => '{flags=0}',
    () => {
      throw new GivesUp('EPERM', 'group 14 is not viable');
    },
  );
  expect(() => makeCalls('qemu A', 'nic0', [status], (made) => told.push(made))).toThrow('not viable');
  expect(told).toMatchObject([
    {
      text: 'ioctl(13, VFIO_GROUP_GET_STATUS, {flags=0}) = 0',
      errno: null,
      effect: 'group 14 is not viable',
    },
  ]);
});
