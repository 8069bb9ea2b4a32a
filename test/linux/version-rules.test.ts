/** What Linux does differently by version: the rules of version-rules.ts, seen on the machine. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { kernelBuild } from '../../source/cli/kernel-options.ts';
import { defaultBuild, plainPlatform } from '../../source/linux/boot/policy.ts';
import { IovaAllocator, iovaTuningOf } from '../../source/linux/dma-api/iova.ts';
import type { KernelRefusal } from '../../source/linux/refusal.ts';
import type { KernelVersion } from '../../source/linux/version.ts';
import { NEWEST_VERSION, OLDEST_VERSION } from '../../source/linux/version.ts';
import { holds, type VersionRule, versionRules } from '../../source/linux/version-rules.ts';
import { pasidTableEntry } from '../../source/vtd/formats/pasid-table-entry.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import {
  DATA,
  HandClock,
  Host,
  type HostOptions,
  hostFunctions,
  id,
  MiB,
  pciFunction,
} from '../support/host.ts';
import { unitWith } from '../support/unit.ts';

const NIC = id('03:00.0');
const rules = Object.entries<VersionRule>(versionRules);

const boot = (version: KernelVersion, line: string, options: HostOptions = {}): Host =>
  new Host(line, { build: { ...defaultBuild, version }, ...options });

/** What differs between two versions, one after the other. */
const inBoth = <T>(
  [before, since]: readonly [KernelVersion, KernelVersion],
  see: (version: KernelVersion) => T,
) => [see(before), see(since)] as const;

describe('the table of rules', () => {
  test.each(rules)('%s names its source, and is told where it begins and ends, nowhere else', (_, rule) => {
    const borders = rule.holds
      .flatMap(({ since, before }) => [since, before])
      .filter((each) => each !== undefined);
    expect(new Set(Object.keys(rule.told))).toEqual(new Set(borders));
    expect(rule.source).toMatch(/^drivers\/.+(\.[ch]|Kconfig), \w+/);
  });

  test('is what docs/linux.md says, version by version', () => {
    const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/linux.md'), 'utf8');
    const rows = new Map(
      [...page.matchAll(/^\| (\d\.\d+) \| (.*) \|$/gm)].map(([, version, text]) => [version, text]),
    );
    for (const [, { told }] of rules) {
      for (const [version, sentence] of Object.entries(told)) expect(rows.get(version)).toContain(sentence);
    }
  });

  test('holds in spans', () => {
    const versions = [OLDEST_VERSION, '6.11', '6.12', '6.13', '6.17', NEWEST_VERSION] as const;
    expect(versions.map((version) => holds('passesHint', version))).toEqual([
      false,
      false,
      true,
      false,
      false,
      true,
    ]);
  });
});

describe('a unit with both stages, as Linux uses it in scalable mode', () => {
  const unit = presets.server;
  const stages = (version: KernelVersion) => {
    const host = boot(version, 'intel_iommu=on,sm_on', { unit });
    host.kernel.bindDriver(NIC, null);
    host.kernel.claim(NIC);
    const own = host.kernel.device(id('04:00.0')).attached;
    return [own, host.kernel.attachUnmanaged(NIC, 3)].map((domain) =>
      domain !== null && 'table' in domain ? domain.table?.stage : null,
    );
  };

  test.each([
    ['5.4', 'second', 'second'],
    ['5.6', 'first', 'first'],
    ['5.16', 'first', 'first'],
    ['5.17', 'first', 'second'],
    ['6.12', 'first', 'second'],
    ['6.13', 'first', 'first'],
  ] as const)(
    'in %s the DMA API has a %s stage, VFIO a %s one (first_level_by_default)',
    (version, own, owners) => {
      expect(stages(version)).toEqual([own, owners]);
    },
  );

  test.each([
    ['6.2', false],
    ['6.3', true],
    ['6.10', true],
    ['6.11', false],
    ['6.12', false],
  ] as const)(
    'in %s first-stage entries forbid execution: %s (intel_pasid_setup_first_level)',
    (version, forbids) => {
      const host = boot(version, 'intel_iommu=on,sm_on', { unit });
      const { address } = host.kernel.map(NIC, DATA, 4096, 'both');
      expect(host.dma('03:00.0', 'write', address)).toBe(`0x${DATA.toString(16)}`);
      const { attached } = host.kernel.device(NIC);
      const root = attached !== null && 'table' in attached ? (attached.table?.root ?? 0) : 0;
      const [, upper] = host.memory.read64(root);
      expect(upper < 0).toBe(forbids);
      expect(entryWith(host, root).NXE).toBe(forbids ? 1n : 0n);
    },
  );

  /** The PASID table entry that leads to a table. */
  function entryWith(host: Host, root: number) {
    for (let at = MiB; at < DATA; at += 64) {
      const entry = pasidTableEntry.decode(host.memory.readWords(at, 16));
      if (entry.P === 1n && entry.PGTT === 1n && Number(entry.FSPTPTR) === root) return entry;
    }
    throw new Error('no PASID table entry leads there');
  }
});

describe('a unit that can force snooping', () => {
  /** The low bits of the leaf entry of the first page of a domain. */
  const leaf = (host: Host, table: { lookUp(iova: number): { physical: number } | null; root: number }) => {
    let [lo, hi] = [table.root, 0];
    for (const shift of [39, 30, 21, 12]) {
      const index = Math.floor(DATA / 2 ** shift) % 512;
      [lo, hi] = host.memory.read64((lo & ~0xfff) + 8 * index);
    }
    expect(hi).toBe(0);
    return lo & 0xfff;
  };
  const owned = (version: KernelVersion) => {
    const host = boot(version, 'intel_iommu=on');
    host.kernel.bindDriver(NIC, null);
    host.kernel.claim(NIC);
    const domain = host.kernel.attachUnmanaged(NIC, 1);
    host.kernel.mapForOwner(domain, DATA, [{ physical: DATA, bytes: 4096 }]);
    return leaf(host, domain.table);
  };

  test('does so for all that VFIO maps: SNP, by enforce_cache_coherency of 6.12, by IOMMU_CACHE of 5.4', () => {
    expect(inBoth(['5.4', '6.12'], owned)).toEqual([0x803, 0x803]);
  });

  test('leaves it to the request where it cannot', () => {
    const unit = unitWith('skylake', 'ecap.SC=0');
    const host = boot('6.12', 'intel_iommu=on', { unit });
    host.kernel.bindDriver(NIC, null);
    host.kernel.claim(NIC);
    const domain = host.kernel.attachUnmanaged(NIC, 1);
    host.kernel.mapForOwner(domain, DATA, [{ physical: DATA, bytes: 4096 }]);
    expect(leaf(host, domain.table)).toBe(3);
  });

  test.each([
    ['5.10', 0],
    ['5.11', 0x800],
    ['5.18', 0x800],
    ['5.19', 0],
    ['6.12', 0],
  ] as const)('in %s entries of the DMA API have SNP 0x%x (intel_iommu_map)', (version, snoop) => {
    const host = boot(version, 'intel_iommu=on', {
      functions: [pciFunction('03:00.0', { dmaMask: DATA + 4095 })],
    });
    expect(host.kernel.map(NIC, DATA, 4096, 'both').address).toBe(DATA);
    const { attached } = host.kernel.device(NIC);
    if (attached === null || !('table' in attached) || attached.table === null) throw new Error('no tables');
    expect(leaf(host, attached.table)).toBe(3 | snoop);
  });
});

describe('domain ids', () => {
  const used = (version: KernelVersion, line = 'intel_iommu=on', options: HostOptions = {}) => {
    const host = boot(version, line, options);
    const file = host.kernel.files().read('/sys/class/iommu/dmar0/intel-iommu/domains_used');
    return [
      host.kernel.device(hostFunctions[0].sourceId).attached?.did,
      file !== null && 'text' in file ? Number(file.text) : null,
    ];
  };

  test('start at 1 up to 6.10 and at 2 since 6.11: iommu_init_domains', () => {
    expect(inBoth(['6.10', '6.11'], used)).toEqual([
      [1, 6],
      [2, 7],
    ]);
  });

  test('start at 2 in scalable mode, whatever the version', () => {
    const scalable = (version: KernelVersion) =>
      used(version, 'intel_iommu=on,sm_on', { unit: presets.server });
    expect(inBoth(['6.10', '6.11'], scalable)).toEqual([
      [2, 7],
      [2, 7],
    ]);
  });

  test('that are reserved are not counted since 6.16: domains_used_show', () => {
    expect(inBoth(['6.15', '6.16'], used)).toEqual([
      [2, 7],
      [2, 5],
    ]);
  });
});

describe('invalidation', () => {
  const ENDPOINT = id('02:00.0');
  const functions = [...hostFunctions, pciFunction('02:00.0', { ats: true })];
  const kindsOf = (written: readonly string[]) => written.map((line) => line.split(' ')[0]);

  test.each([
    ['intel_iommu=on,sm_on', 'p-iotlb'],
    ['intel_iommu=on,sm_off', 'iotlb'],
  ])(
    'with "%s" a strict unmap waits once for %s and device TLB since 6.12 (qi_batch_flush_descs), before for each',
    (line, iotlb) => {
      const unmap = (version: KernelVersion) => {
        const host = boot(version, `${line} iommu.strict=1`, { unit: presets.server, functions });
        const mapping = host.kernel.map(ENDPOINT, DATA, 4096, 'both');
        const before = host.written.length;
        host.kernel.unmap(ENDPOINT, mapping);
        return kindsOf(host.written.slice(before));
      };
      const device = 'device-tlb';
      expect(inBoth(['6.11', '6.12'], unmap)).toEqual([
        [iotlb, 'wait', device, 'wait'],
        [iotlb, device, 'wait'],
      ]);
    },
  );

  test('in caching mode a map is invalidated in the unit, and in no device: cache_tag_flush_range_np of 6.12', () => {
    const unit = unitWith('server', 'cap.CM=1');
    const host = boot('6.12', 'intel_iommu=on,sm_off', { unit, functions });
    const before = host.written.length;
    host.kernel.map(ENDPOINT, DATA, 4096, 'both');
    expect(kindsOf(host.written.slice(before))).toEqual(['iotlb', 'wait']);
  });

  test('a lazy flush waits once, too, and so does one of a device without a device TLB', () => {
    const flush = (sourceId: number) => {
      const host = boot('6.12', 'intel_iommu=on,sm_off', { unit: presets.server, functions });
      const mapping = host.kernel.map(sourceId, DATA, 4096, 'both');
      host.kernel.unmap(sourceId, mapping);
      const before = host.written.length;
      host.clock.advance(10e6);
      return kindsOf(host.written.slice(before));
    };
    expect(flush(ENDPOINT)).toEqual(['iotlb', 'device-tlb', 'wait']);
    expect(flush(NIC)).toEqual(['iotlb', 'wait']);
  });

  test.each([
    ['5.4', '0xfffff000'],
    ['6.1', '0xfffff000'],
    ['6.11', '0xfffff000'],
    ['6.12', '0xfffff040'],
    ['6.14', '0xfffff000'],
    ['6.18', '0xfffff040'],
  ] as const)(
    'in %s a strict unmap of a page tells the unit %s: IH (qi_desc_iotlb; 6.12 as 6.12.95)',
    (version, high) => {
      const host = boot(version, 'intel_iommu=on iommu.strict=1 intel_iommu=strict');
      const mapping = host.kernel.map(NIC, DATA, 4096, 'both');
      const written = host.during(() => host.kernel.unmap(NIC, mapping));
      expect(written.map((line) => line.split(' ')[2])).toEqual([high]);
    },
  );
});

describe('addresses', () => {
  const LOWEST = 0x1000_0000;
  /** An address space with so many free pages, and what is handed out of it for each size, in pages above the lowest. */
  const handedOut = (version: KernelVersion, free: number, sizes: readonly number[]) => {
    const reserved = [
      { start: 0, end: LOWEST },
      { start: LOWEST + free * 4096, end: 2 ** 32 },
    ];
    const tuning = { ...iovaTuningOf(version), cpus: 1, clock: new HandClock() };
    const iova = new IovaAllocator(reserved, 2 ** 32 - 1, tuning);
    return sizes.map((pages) => {
      const address = iova.allocate(pages, 2 ** 32 - 1, true, 0);
      return address === null ? null : (address - LOWEST) / 4096;
    });
  };

  test('are searched from the top once more since 5.11: __alloc_and_insert_iova_range', () => {
    // What is handed out first lies at the bottom, because of its alignment.
    expect(inBoth(['5.10', '5.11'], (version) => handedOut(version, 96, [64, 32]))).toEqual([
      [0, null],
      [0, 64],
    ]);
  });

  test('of 33 pages take 64 up to 5.10 (intel_alloc_iova), and 33 since 5.11 (iommu_dma_alloc_iova)', () => {
    expect(iovaTuningOf('5.10').rounds).toBe(true);
    // Only with the room above it could one of 16 pages be served.
    expect(handedOut('5.11', 64, [33, 16])).toEqual([0, 48]);
    expect(handedOut('5.11', 64, [64, 16])).toEqual([0, null]);
    expect(handedOut('5.10', 64, [33, 16])).toEqual([0, null]);
  });

  test.each([
    ['5.10', 'skylake', 'fault 0x06'],
    ['5.10', 'skylake cap.ZLR=0', '0x1000000'],
    ['5.11', 'skylake cap.ZLR=0', 'fault 0x06'],
  ] as const)(
    'in %s a device of %s reads what it was given to write: %s (__intel_map_single)',
    (version, unit, read) => {
      const [, change] = unit.split(' ');
      const host = boot(version, 'intel_iommu=on', {
        unit: change === undefined ? presets.skylake : unitWith('skylake', change),
      });
      const { address } = host.kernel.map(NIC, DATA, 4096, 'fromDevice');
      expect(host.dma('03:00.0', 'read', address)).toBe(read);
    },
  );
});

test('a kernel is built strict since 5.15: before, --default-domain strict is refused (IOMMU_DEFAULT_DMA_STRICT)', () => {
  const build = (kernel: KernelVersion) =>
    kernelBuild({ kernel, defaultDomain: 'strict', platform: plainPlatform }).defaultDomain;
  expect(build('5.15')).toBe('strict');
  expect(() => build('5.14')).toThrow(/expected lazy or passthrough/);
});

describe('default domains and VFIO', () => {
  const GRAPHICS = '01:00.0';
  const HELD = id('05:00.0');
  const functions = [...hostFunctions, pciFunction(GRAPHICS, { pciClass: 'display' })];

  test('igfx_off passes every graphics card through up to 6.9 (IDENTMAP_GFX)', () => {
    const type = (version: KernelVersion) =>
      boot(version, 'intel_iommu=on,igfx_off', { functions }).kernel.device(id(GRAPHICS)).defaultType;
    expect(inBoth(['6.9', '6.10'], type)).toEqual(['identity', 'DMA-FQ']);
    expect(boot('6.9', 'intel_iommu=on', { functions }).kernel.device(id(GRAPHICS)).defaultType).toBe(
      'DMA-FQ',
    );
  });

  test('a device with a firmware region that must stay is translated in 5.4 and 5.5, with iommu=pt too (device_is_rmrr_locked)', () => {
    const type = (version: KernelVersion) =>
      boot(version, 'intel_iommu=on iommu=pt').kernel.device(HELD).defaultType;
    expect(inBoth(['5.5', '5.6'], type)).toEqual(['DMA', 'identity']);
  });

  test('VFIO is refused such a device by the driver of the unit up to 6.5, by the core since 6.6', () => {
    const refusal = (version: KernelVersion) => {
      const host = boot(version, 'intel_iommu=on');
      try {
        host.kernel.claim(HELD);
      } catch (error) {
        return [
          (error as KernelRefusal).errno,
          host.log.at(-1)?.replace('pci 0000:05:00.0: ', '').slice(0, 20),
        ];
      }
    };
    expect(inBoth(['6.5', '6.6'], refusal)).toEqual([
      ['EPERM', 'Device is ineligible'],
      ['EINVAL', 'Firmware has request'],
    ]);
  });

  test('VFIO tries two pages up to 6.15 (vfio_test_domain_fgsp), and none since 6.16', () => {
    const written = (version: KernelVersion) => {
      const host = boot(version, 'intel_iommu=on');
      host.kernel.bindDriver(NIC, null);
      host.kernel.claim(NIC);
      return host.during(() => host.kernel.attachUnmanaged(NIC, 1)).length;
    };
    expect(inBoth(['6.15', '6.16'], written)).toEqual([2, 0]);
  });

  test('groups that are given up are named up to 6.3 (iommu_release_device)', () => {
    const unit = unitWith('skylake', 'cap.ND=0');
    const many = Array.from({ length: 16 }, (_, i) =>
      pciFunction(`${(i + 1).toString(16).padStart(2, '0')}:00.0`),
    );
    const said = (version: KernelVersion) =>
      boot(version, 'intel_iommu=on', { unit, functions: many }).log.filter((line) =>
        line.includes('Removing from'),
      );
    expect(said('6.3')[2]).toBe('pci 0000:03:00.0: Removing from iommu group 2');
    expect(said('6.4')).toEqual([]);
  });
});
