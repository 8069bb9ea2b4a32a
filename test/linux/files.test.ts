/** Files of sysfs and debugfs, tab by tab. */
import { describe, expect, test } from 'vitest';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import { isSince, type KernelVersion } from '../../source/linux/version.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { DATA, Host, id, MiB } from '../support/host.ts';
import { recordedHost } from '../support/recorded-machine.ts';

const nic = id('03:00.0');
const DEBUG = '/sys/kernel/debug/iommu/intel';
const LAZY = 'intel_iommu=on';

const text = (host: Host, path: string): string => {
  const found = host.kernel.files().read(path);
  if (found?.kind !== 'file') throw new Error(`${path} is no file`);
  return found.text;
};

const names = (host: Host, path: string): readonly string[] | null => {
  const found = host.kernel.files().read(path);
  return found?.kind === 'folder' ? found.names : null;
};

const ofVersion = (version: KernelVersion, line = LAZY) =>
  new Host(line, { build: { ...defaultBuild, version } });

/** Lines of drivers/iommu/intel/debugfs.c (intel-iommu-debugfs.c up to 5.7), intel_iommu_debugfs_init. */
test.each([
  ['5.4', 'dmar_translation_struct iommu_regset ir_translation_struct'],
  ['5.6', 'dmar_translation_struct domain_translation_struct iommu_regset ir_translation_struct'],
  [
    '5.8',
    'dmar_translation_struct domain_translation_struct invalidation_queue iommu_regset ir_translation_struct',
  ],
  [
    '5.14',
    'dmar_perf_latency dmar_translation_struct domain_translation_struct invalidation_queue iommu_regset ir_translation_struct',
  ],
  ['6.7', 'dmar_perf_latency dmar_translation_struct invalidation_queue iommu_regset ir_translation_struct'],
] as const)('Linux %s has %s', (version, files) => {
  const found = names(ofVersion(version), DEBUG)?.filter((name) => !name.endsWith('/'));
  expect(found).toEqual(files.split(' '));
  // Up to 5.5 they are made after the unit was put to use, since then before.
  expect(names(ofVersion(version, ''), DEBUG) === null).toBe(!isSince(version, '5.6'));
});

test('ir_translation_struct has the entries that drivers got, and none once they are gone', () => {
  const host = new Host(LAZY);
  host.kernel.bindDriver(nic, 'ixgbe');
  const entries = () =>
    text(host, `${DEBUG}/ir_translation_struct`)
      .split('\n')
      .filter((line) => line.includes(' 03:00.0 '))
      .map((line) => line.trim().split(/\s+/));
  const own = host.kernel.interrupts.of(nic);
  expect(own).toHaveLength(2);
  expect(entries().map(([index, , processor, vector]) => [index, processor, vector])).toEqual(
    own.map(({ index, at }) => [
      `${index}`,
      at.processor.toString(16).padStart(8, '0'),
      at.vector.toString(16),
    ]),
  );
  host.kernel.bindDriver(nic, null);
  expect(entries()).toEqual([]);
});

describe('on the recorded machine, the recorded text', () => {
  test.each([
    [LAZY, '9'],
    ['intel_iommu=on iommu=pt', '2'],
  ])('%s: of the unit, with %s domain ids in use', (line, used) => {
    const host = recordedHost(line);
    const of = (name: string) => text(host, `/sys/class/iommu/dmar0/intel-iommu/${name}`);
    expect(['cap', 'domains_supported', 'domains_used', 'ecap', 'version'].map(of)).toEqual([
      'd2008c222f0606\n',
      '65536\n',
      `${used}\n`,
      'f00f4a\n',
      '1:0\n',
    ]);
  });

  test('of the groups', () => {
    const host = recordedHost(LAZY);
    expect(names(host, '/sys/kernel/iommu_groups')).toEqual(['0/', '1/', '2/', '3/', '4/', '5/', '6/']);
    expect(names(host, '/sys/kernel/iommu_groups/6/devices')).toEqual([
      '0000:00:1f.0',
      '0000:00:1f.2',
      '0000:00:1f.3',
    ]);
    expect(text(host, '/sys/kernel/iommu_groups/6/reserved_regions')).toBe(
      '0x0000000000000000 0x0000000000ffffff direct-relaxable\n0x00000000fee00000 0x00000000feefffff msi\n',
    );
    expect(text(host, '/sys/kernel/iommu_groups/1/reserved_regions')).toBe(
      '0x00000000fee00000 0x00000000feefffff msi\n',
    );
    expect(text(host, '/sys/kernel/iommu_groups/1/type')).toBe('DMA-FQ\n');
  });

  test('with the IOMMU off there are no groups and no unit, though the folders are there', () => {
    const host = recordedHost('intel_iommu=off');
    expect(names(host, '/sys/kernel/iommu_groups')).toEqual([]);
    expect(names(host, '/sys/class/iommu')).toEqual([]);
  });
});

test('the type of a group shows its default domain while VFIO owns it', () => {
  const host = new Host('intel_iommu=on iommu=pt');
  host.kernel.claim(nic);
  host.kernel.attachUnmanaged(nic, 1);
  expect(text(host, '/sys/kernel/iommu_groups/1/type')).toBe('identity\n');
});

test('a device of a group is a link to where it hangs', () => {
  expect(new Host(LAZY).kernel.files().read('/sys/kernel/iommu_groups/1/devices/0000:03:00.0/')).toEqual({
    kind: 'link',
    target: '../../../../devices/pci0000:00/0000:03:00.0',
  });
});

describe('dmar_translation_struct', () => {
  test('has the present entries of legacy mode, without a PASID', () => {
    const host = new Host('intel_iommu=on iommu=pt');
    const lines = text(host, `${DEBUG}/dmar_translation_struct`).split('\n');
    expect(lines[0]).toMatch(/^IOMMU dmar0: Root Table Address: 0x[0-9a-f]+$/);
    expect(lines[1]).toBe('B.D.F\tRoot_entry\t\t\t\tContext_entry\t\t\t\tPASID\tPASID_table_entry');
    expect(lines[2]).toMatch(
      /^00:14\.0\t0x0000000000000000:0x[0-9a-f]{13}001\t0x0000000000000102:0x0000000000000009\t-1 {4}\t0x0{16}:0x0{16}:0x0{16}$/,
    );
    expect(lines).toHaveLength(2 + 6 + 2);
  });

  test('says that remapping is off', () => {
    expect(text(new Host(''), `${DEBUG}/dmar_translation_struct`)).toBe(
      'DMA Remapping is not enabled on dmar0\n',
    );
  });

  test('is not there with iommu=off', () => {
    expect(names(new Host('iommu=off'), DEBUG)).toBeNull();
  });
});

describe('domain_translation_struct', () => {
  const mapped = (version: KernelVersion) => {
    const host = new Host(LAZY, { build: { ...defaultBuild, version } });
    host.kernel.map(nic, DATA, 4096, 'fromDevice');
    host.kernel.map(nic, DATA + 2 * MiB, 2 * MiB, 'both');
    return host;
  };

  test('lists each leaf with the entries that lead to it', () => {
    const lines = text(mapped('6.12'), `${DEBUG}/0000:03:00.0/domain_translation_struct`).split('\n');
    expect(lines[0]).toMatch(/^Device 0000:03:00\.0 @0x[0-9a-f]+000$/);
    expect(lines[1]).toBe(
      'IOVA_PFN         \tPML5E             \tPML4E             \tPDPE              \tPDE               \tPTE',
    );
    // Since 6.7 the columns below a large page are left out (dump_page_info).
    expect(lines[2]).toMatch(
      /^0x00000000ffc00 \|\t0x0{16}\t0x[0-9a-f]{13}003\t0x[0-9a-f]{13}003\t0x0000000001200083$/,
    );
    expect(lines[3]).toMatch(/^0x00000000fffff \|\t0x0{16}(\t0x[0-9a-f]{13}003){3}\t0x0000000001000003$/);
  });

  test('is one file for all devices before 6.7, with all columns of a large page', () => {
    const host = mapped('6.6');
    expect(names(host, DEBUG)).not.toContain('0000:03:00.0/');
    expect(text(host, `${DEBUG}/domain_translation_struct`)).toMatch(
      /IOVA_PFN\t\tPML5E\t\t\tPML4E\t\t\tPDPE\t\t\tPDE\t\t\tPTE\n0x00000000ffc00 \|\t(0x[0-9a-f]{16}\t){4}0x0{16}\n/,
    );
  });

  test.each([
    // Each device, with the PASID that auxiliary domains had.
    ['5.17', /^Device 0000:(\S+) with pasid 0 @0x[0-9a-f]+000$/, ['00:14.0', '00:14.2']],
    ['5.19', /^Device 0000:(\S+) @0x[0-9a-f]+000$/, ['00:14.0', '00:14.2']],
    // The first device of a group, once for each of its members.
    ['6.0', /^Device 0000:(\S+) @0x[0-9a-f]+000$/, ['00:14.0', '00:14.0']],
  ] as const)('Linux %s heads each table with %s', (version, heading, group) => {
    const lines = text(mapped(version), `${DEBUG}/domain_translation_struct`).split('\n');
    const headings = lines.filter((line) => line.startsWith('Device'));
    expect(headings.map((line) => heading.exec(line)?.[1])).toEqual([
      ...group,
      '03:00.0',
      '04:00.0',
      '05:00.0',
      '07:00.0',
    ]);
  });

  test.each([
    // Linux does not look at TT and walks page 0 of memory, in which nothing is present here.
    ['6.12', /^Device 0000:03:00\.0 @0x0\nIOVA_PFN.*PTE\n$/],
    ['6.17', /^Device 0000:03:00\.0 @0x0\nIOVA_PFN.*PTE\n$/],
    ['6.18', /^$/],
  ] as const)('Linux %s shows no page of a device that is passed through', (version, shown) => {
    const host = ofVersion(version, 'intel_iommu=on iommu=pt');
    expect(text(host, `${DEBUG}/0000:03:00.0/domain_translation_struct`)).toMatch(shown);
  });

  test('in scalable mode names the PASID', () => {
    const host = new Host(LAZY, { unit: presets.server });
    host.kernel.map(nic, DATA, 4096, 'both');
    expect(text(host, `${DEBUG}/0000:03:00.0/domain_translation_struct`)).toMatch(
      /^Device 0000:03:00\.0 with pasid 0 @0x[0-9a-f]+000\n/,
    );
  });
});

test('invalidation_queue has the descriptors as they lie in memory', () => {
  const host = new Host('intel_iommu=on iommu.strict=1');
  host.kernel.unmap(nic, host.kernel.map(nic, DATA, 4096, 'both'));
  const lines = text(host, `${DEBUG}/invalidation_queue`).split('\n');
  expect(lines[0]).toBe('Invalidation queue on IOMMU: dmar0');
  expect(lines[1]).toMatch(/^ Base: 0x[0-9a-f]+\tHead: 16\tTail: 16$/);
  expect(lines[2]).toBe('Index\t\tqw0\t\t\tqw1\t\t\tstatus');
  expect(lines[17]).toMatch(/^ {3}14\t00000000000300f2\t00000000fffff040\t0{16}$/);
  expect(lines).toHaveLength(3 + 256 + 2);
});

test('iommu_regset has names, offsets and contents', () => {
  const lines = text(new Host(LAZY), `${DEBUG}/iommu_regset`).split('\n');
  expect(lines.slice(0, 3)).toEqual([
    'IOMMU: dmar0 Register Base Address: fed91000',
    'Name\t\t\tOffset\t\tContents',
    'VER             \t0x00\t\t0x0000000000000010',
  ]);
  expect(lines).toContain('GSTS            \t0x1c\t\t0x00000000c7000000');
  expect(lines).toContain('CAP             \t0x08\t\t0x00d2008c40660462');
  expect(lines).toContain('MTRR_PHYSMASK9  \t0x218\t\t0x0000000000000000');
});

describe('the registers that iommu_regset lists', () => {
  const listed = (version: KernelVersion) => {
    const lines = text(ofVersion(version), `${DEBUG}/iommu_regset`).split('\n').slice(2, -2);
    return lines.map((line) => line.replace(/ *\t.*/, ''));
  };
  const places = (version: KernelVersion) =>
    text(ofVersion(version), `${DEBUG}/iommu_regset`)
      .split('\n')
      .filter((line) => line.startsWith('VC'))
      .map((line) => line.split(/\s+/).slice(0, 2).join(' '));

  test('up to 5.5 one list, read as 64 bits each', () => {
    expect(listed('5.5').slice(0, 13)).toEqual(
      'VER CAP ECAP GCMD GSTS RTADDR CCMD FSTS FECTL FEDATA FEADDR FEUADDR AFLOG'.split(' '),
    );
    const lines = text(ofVersion('5.4'), `${DEBUG}/iommu_regset`).split('\n');
    // GCMD reads as zero, and GSTS comes behind it.
    expect(lines).toContain('GCMD            \t0x18\t\t0xc700000000000000');
  });

  test('since 5.6 those of 32 bits, then those of 64', () => {
    expect(listed('5.6').slice(0, 4)).toEqual(['VER', 'GCMD', 'GSTS', 'FSTS']);
    expect(listed('6.12').slice(16, 22)).toEqual(['PEUADDR', 'CAP', 'ECAP', 'RTADDR', 'CCMD', 'AFLOG']);
    expect([...listed('5.5')].sort()).toEqual([...listed('5.6')].sort());
  });

  test('virtual commands up to 6.7, until 5.14 in the wrong place', () => {
    expect(places('5.14')).toEqual(['VCCAP 0xe00', 'VCMD 0xe10', 'VCRSP 0xe20']);
    expect(places('6.7')).toEqual(['VCCAP 0xe30', 'VCMD 0xe00', 'VCRSP 0xe10']);
    expect(places('6.8')).toEqual([]);
  });

  test('no CCMD and AFLOG since 6.18', () => {
    expect(listed('6.17').filter((name) => !listed('6.18').includes(name))).toEqual(['CCMD', 'AFLOG']);
  });
});

test('a path may have dots, and slashes more than it needs', () => {
  const tree = new Host(LAZY).kernel.files();
  const type = tree.read('/sys/kernel/iommu_groups/1/type');
  expect(type).not.toBeNull();
  for (const path of ['//sys/./kernel/iommu_groups/2/../1/type', '../sys/kernel/iommu_groups/1/type/'])
    expect(tree.read(path), path).toEqual(type);
});

test('what is not there is null, and every path that is listed can be read', () => {
  const tree = new Host(LAZY).kernel.files();
  expect(tree.read('/sys/kernel/iommu_groups/99')).toBeNull();
  expect(tree.read('/sys/__proto__')).toBeNull();
  for (const path of tree.paths) expect(tree.read(path), path).not.toBeNull();
});
