import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import type { PagingDomain } from '../../source/linux/domains/domain.ts';
import { PageFrames } from '../../source/linux/page-frames.ts';
import { UnitDriver } from '../../source/linux/unit/unit-driver.ts';
import { DEFAULT_VERSION } from '../../source/linux/version.ts';
import { PhysicalMemory } from '../../source/vtd/memory.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { Iommu } from '../../source/vtd/unit/iommu.ts';
import { DATA, Host, hostFunctions, id, listenTo, MiB } from '../support/host.ts';
import { unitLike, unitWith } from '../support/unit.ts';

const LAZY = 'intel_iommu=on';
const STRICT = 'intel_iommu=on iommu.strict=1';
const PASSTHROUGH = 'intel_iommu=on iommu=pt';

const did = (host: Host, bdf: string): string =>
  `0x${(host.kernel.device(id(bdf)).attached?.did ?? 0).toString(16)}`;

/** The descriptor by which a driver on its own invalidates pages of domain 5. */
function flush(preset: keyof typeof presets, iova: number, pages: number): string {
  const memory = new PhysicalMemory(MiB);
  const unit = new Iommu(memory, presets[preset], () => {});
  const driver = new UnitDriver(unit, memory, new PageFrames(0, MiB), {
    version: DEFAULT_VERSION,
    say: () => {},
    waitForDevices: () => 0,
    isPresent: () => true,
    stuck: () => {},
  });
  driver.enableQueue();
  driver.setRoot(false);
  const written = listenTo(unit, memory);
  driver.mode.flushPages({ did: 5 } as PagingDomain, iova, pages, true);
  return written[0];
}

describe('the worked descriptors of the reference', () => {
  test('attaching a device whose entry was not present invalidates nothing; VFIO then tries two pages', () => {
    const host = new Host(PASSTHROUGH);
    host.kernel.bindDriver(id('03:00.0'), null);
    host.kernel.claim(id('03:00.0'));
    const written = host.during(() => host.kernel.attachUnmanaged(id('03:00.0'), 1));
    const domain = did(host, '03:00.0');
    expect(written).toEqual([`iotlb ${domain}00f2 0x40`, `iotlb ${domain}00f2 0x1040`]);
  });

  test('mapping writes table entries and no descriptor', () => {
    const host = new Host(STRICT);
    expect(host.during(() => host.kernel.map(id('03:00.0'), DATA, 4096, 'both'))).toEqual([]);
  });

  test('a strict unmap of one page: page-selective, draining, mask 0, leaves only', () => {
    const host = new Host(STRICT);
    const mapping = host.kernel.map(id('03:00.0'), DATA, 4096, 'both');
    expect(mapping.address).toBe(0xffff_f000);
    expect(host.during(() => host.kernel.unmap(id('03:00.0'), mapping))).toEqual([
      `iotlb ${did(host, '03:00.0')}00f2 0xfffff040`,
    ]);
  });

  test('a strict unmap of three pages is rounded up to four', () => {
    const host = new Host(STRICT);
    const mapping = host.kernel.map(id('03:00.0'), DATA, 3 * 4096, 'both');
    expect(mapping.address).toBe(0xffff_c000);
    expect(host.during(() => host.kernel.unmap(id('03:00.0'), mapping))).toEqual([
      `iotlb ${did(host, '03:00.0')}00f2 0xffffc042`,
    ]);
  });

  test('a range that no single aligned mask fits gets the smallest that covers it', () => {
    // Ranges astride a boundary: the DMA API never asks for these, but an owner of an address space may.
    expect(flush('skylake', 0xffff_d000, 3)).toBe('iotlb 0x500f2 0xffffc042');
    expect(flush('qemu', 0x0000_f000, 2)).toBe('iotlb 0x500f2 0x45');
    expect(flush('qemu', 0x7fff_f000, 2)).toBe('iotlb 0x500e2 0x0');
  });

  test('more pages than the unit can mask become a domain-selective invalidation', () => {
    expect(flush('qemu', 0, 2 ** 18)).toBe('iotlb 0x500f2 0x52');
    expect(flush('qemu', 0, 2 ** 18 + 1)).toBe('iotlb 0x500e2 0x0');
  });

  test('a lazy unmap writes nothing, and its flush is one domain-selective invalidation', () => {
    const host = new Host(LAZY);
    const mapping = host.kernel.map(id('03:00.0'), DATA, 4096, 'both');
    expect(host.during(() => host.kernel.unmap(id('03:00.0'), mapping))).toEqual([]);
    expect(host.during(() => host.clock.advance(10e6))).toEqual([`iotlb ${did(host, '03:00.0')}00e2 0x0`]);
  });

  test('detaching clears the entry, then invalidates the context of the device and the IOTLB of the domain', () => {
    const host = new Host(STRICT);
    const before = did(host, '03:00.0');
    host.kernel.bindDriver(id('03:00.0'), null);
    expect(host.during(() => host.kernel.claim(id('03:00.0')))).toEqual([
      `context 0x300${before.slice(2).padStart(4, '0')}0031 0x0`,
      `iotlb ${before}00e2 0x0`,
    ]);
    expect(host.context('03:00.0')).toEqual(['0x0', '0x0']);
  });

  test('an unmap that frees tables asks for the paging-structure caches to go as well: IH = 0', () => {
    const host = new Host(`${STRICT} intel_iommu=sp_off`);
    const mapping = host.kernel.map(id('03:00.0'), DATA, 2 * MiB, 'both');
    expect(host.during(() => host.kernel.unmap(id('03:00.0'), mapping))).toEqual([
      `iotlb ${did(host, '03:00.0')}00f2 0xffe00009`,
    ]);
  });

  test('a unit that cannot drain is not asked to', () => {
    const unit = unitLike('skylake', { capClear: (1n << 54n) | (1n << 55n) });
    const host = new Host(STRICT, { unit });
    const mapping = host.kernel.map(id('03:00.0'), DATA, 4096, 'both');
    expect(host.during(() => host.kernel.unmap(id('03:00.0'), mapping))).toEqual([
      `iotlb ${did(host, '03:00.0')}0032 0xfffff040`,
    ]);
  });

  test('a unit that cannot select pages gets domain-selective invalidations', () => {
    const host = new Host(STRICT, { unit: unitWith('skylake', 'cap.PSI=0 cap.MAMV=0') });
    const mapping = host.kernel.map(id('03:00.0'), DATA, 4096, 'both');
    expect(host.during(() => host.kernel.unmap(id('03:00.0'), mapping))).toEqual([
      `iotlb ${did(host, '03:00.0')}00e2 0x0`,
    ]);
  });

  test('a unit that invalidates on SRTP is not asked to again', () => {
    const unit = unitLike('skylake', { capSet: 1n << 63n });
    expect(new Host(LAZY, { unit }).written.filter((line) => /^(context|iotlb)/.test(line))).toEqual([]);
  });

  test('every descriptor is followed by a wait that writes 2, its status word one slot further each time', () => {
    const host = new Host(STRICT);
    for (let i = 0; i < 300; i++) {
      const mapping = host.kernel.map(id('03:00.0'), DATA, 4096, 'both');
      host.kernel.unmap(id('03:00.0'), mapping);
    }
    const descriptors = host.written.filter((line) => !line.startsWith('gcmd'));
    const waits = descriptors.filter((_, i) => i % 2 === 1).map((line) => line.split(' '));
    expect(waits.every(([kind, low]) => kind === 'wait' && low === '0x200000025')).toBe(true);
    const status = waits.map(([, , high]) => Number(high) % 4096);
    expect(status.slice(0, 3)).toEqual([4, 12, 20]);
    expect(Math.max(...status)).toBe(4 * 255);
  });
});

describe('what Linux wrote in the recorded runs', () => {
  const recorded = readFixture();
  /** Without what differs between two machines: domain, device, address. Kept: type, granularity, flags, mask. */
  const shape = (lines: readonly string[]) =>
    lines.map((line) => {
      const [kind, low, high] = line.split(' ');
      // The indices of the pins are the same, too.
      if (kind === 'gcmd' || kind === 'iec') return line;
      const flags = BigInt(low) & (kind === 'wait' ? ~0n : 0xffffn);
      return `${kind} ${flags.toString(16)} ${kind === 'iotlb' ? (BigInt(high) & 0xfffn).toString(16) : '-'}`;
    });
  const everything = (host: Host, action: () => void) => {
    const before = host.written.length;
    action();
    return host.written.slice(before);
  };
  /** The unit of the recording, so that draining and widths are the same. */
  const recordedUnit = { unit: presets.qemu };

  const actions: Record<string, () => string[]> = {
    'on boot': () => new Host(LAZY, recordedUnit).written,
    'on lazy-flush': () => {
      const host = new Host(LAZY, recordedUnit);
      host.kernel.unmap(id('03:00.0'), host.kernel.map(id('03:00.0'), DATA, 4096, 'both'));
      return everything(host, () => host.clock.advance(10e6));
    },
    'on vfio-bind': () => {
      const host = new Host(LAZY, recordedUnit);
      return everything(host, () => host.kernel.claim(id('03:00.0')));
    },
    'on vfio-set-iommu': () => {
      const host = new Host(LAZY, recordedUnit);
      host.kernel.claim(id('03:00.0'));
      return everything(host, () => host.kernel.attachUnmanaged(id('03:00.0'), 1));
    },
    'on vfio-close': () => {
      const host = new Host(LAZY, recordedUnit);
      host.kernel.claim(id('03:00.0'));
      host.kernel.attachUnmanaged(id('03:00.0'), 1).table.map(0, DATA, MiB, 3);
      return everything(host, () => host.kernel.release(id('03:00.0')));
    },
    'on type-identity': () => {
      const host = new Host(LAZY, recordedUnit);
      return everything(host, () => host.kernel.setGroupType(id('03:00.0'), 'identity'));
    },
    'on type-dma': () => {
      const host = new Host(PASSTHROUGH, recordedUnit);
      return everything(host, () => host.kernel.setGroupType(id('03:00.0'), 'DMA'));
    },
    'on-strict unmap-1-page': () => {
      const host = new Host(STRICT, recordedUnit);
      const mapping = host.kernel.map(id('03:00.0'), DATA, 4096, 'both');
      return everything(host, () => host.kernel.unmap(id('03:00.0'), mapping));
    },
    'on-strict unmap-16-pages': () => {
      const host = new Host(STRICT, recordedUnit);
      const mapping = host.kernel.map(id('03:00.0'), DATA, 16 * 4096, 'both');
      return everything(host, () => host.kernel.unmap(id('03:00.0'), mapping));
    },
    'on-pt vfio-bind': () => {
      const host = new Host(PASSTHROUGH, recordedUnit);
      return everything(host, () => host.kernel.claim(id('03:00.0')));
    },
    'on-pt vfio-close': () => {
      const host = new Host(PASSTHROUGH, recordedUnit);
      host.kernel.claim(id('03:00.0'));
      host.kernel.attachUnmanaged(id('03:00.0'), 1);
      return everything(host, () => host.kernel.release(id('03:00.0')));
    },
  };

  test.each(Object.keys(actions))('%s: the same commands and descriptors in the same order', (action) => {
    expect(shape(actions[action]())).toEqual(shape(recorded[action]));
  });

  test('the first identity domain that VFIO finds has id 1, as recorded', () => {
    expect(actions['on-pt vfio-bind']()[0]).toBe('context 0x30000010031 0x0');
    expect(recorded['on-pt vfio-bind'][0]).toBe('context 0x4000010031 0x0');
  });

  test('a domain has an id only while a device is attached, and takes the lowest that is free', () => {
    // Recorded: the device's own domain had id 7, and so had the domain that VFIO then gave it.
    const host = new Host(LAZY, recordedUnit);
    const before = did(host, '03:00.0');
    host.kernel.claim(id('03:00.0'));
    host.kernel.attachUnmanaged(id('03:00.0'), 1);
    expect(did(host, '03:00.0')).toBe(before);
  });
});

function readFixture(): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  let current: string[] = [];
  for (const line of readFileSync('fixtures/linux-6.12/descriptors.txt', 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    if (/^on/.test(line)) groups[line] = current = [];
    else current.push(line);
  }
  return groups;
}

// drivers/iommu/intel/iommu.h, qi_desc_iotlb: the address without its lower bits was all that was left of the hint.
test.each([
  ['5.4', 0],
  ['6.11', 0],
  ['6.12', 0x40],
  ['6.13', 0],
  ['6.17', 0],
  ['6.18', 0x40],
] as const)(
  'Linux %s tells the unit of second-stage tables that only leaves changed: IH %i',
  (version, hint) => {
    const host = new Host('intel_iommu=on,strict', { build: { ...defaultBuild, version } });
    const mapping = host.kernel.map(id('03:00.0'), DATA, 4096, 'both');
    const [line] = host.during(() => host.kernel.unmap(id('03:00.0'), mapping));
    expect(Number(line.split(' ')[2]) & 0x40).toBe(hint);
  },
);

describe('registers and context entries', () => {
  test.each([
    ['intel_iommu=on', '0xc7000000'],
    ['intel_iommu=on iommu=pt', '0xc7000000'],
    ['intel_iommu=off', '0x7000000'],
    ['', '0x7000000'],
    ['intel_iommu=on intremap=off', '0xc4000000'],
  ])('with "%s" GSTS reads %s', (line, gsts) => {
    expect(new Host(line).gsts).toBe(gsts);
  });

  test.each([
    ['skylake', '0x102'],
    ['qemu-39', '0x101'],
    ['qemu', '0x102'],
  ] as const)('on the %s unit a pass-through entry has the largest width and domain 1', (preset, high) => {
    const host = new Host(PASSTHROUGH, { unit: presets[preset] });
    expect(host.context('03:00.0')).toEqual(['0x9', high]);
    expect(host.context('04:00.0')).toEqual(['0x9', high]);
  });

  test('translated devices get their own domain ids from 2 on, and a group shares one', () => {
    const host = new Host(LAZY);
    const highs = hostFunctions.map(({ sourceId }) => host.kernel.device(sourceId).attached?.did);
    expect(highs).toEqual([2, 2, 3, 4, 5, 6]);
    const [low, high] = host.context('03:00.0');
    expect(high).toBe('0x302');
    expect(BigInt(low) & 0xfffn).toBe(1n);
  });

  test('with translation off no table is set up', () => {
    const host = new Host('');
    expect(host.unit.read64(0x20)).toEqual([0, 0]);
    expect(host.written.filter((line) => /^(context|iotlb)/.test(line))).toEqual([]);
  });
});
