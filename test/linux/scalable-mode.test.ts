import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import { DEFAULT_VERSION, type KernelVersion } from '../../source/linux/version.ts';
import { wordsToBig } from '../../source/vtd/bits.ts';
import type { Layout } from '../../source/vtd/formats/layout.ts';
import { pasidDirectoryEntry } from '../../source/vtd/formats/pasid-directory-entry.ts';
import { pasidTableEntry } from '../../source/vtd/formats/pasid-table-entry.ts';
import { scalableContextEntry } from '../../source/vtd/formats/scalable-context-entry.ts';
import { scalableRootEntry } from '../../source/vtd/formats/scalable-root-entry.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { Offset } from '../../source/vtd/unit/registers.ts';
import { DATA, Host, id, MiB } from '../support/host.ts';
import { unitLike } from '../support/unit.ts';

const LAZY = 'intel_iommu=on,sm_on';
const STRICT = 'intel_iommu=on,sm_on iommu.strict=1';
const PASSTHROUGH = 'intel_iommu=on,sm_on iommu=pt';
const NIC = id('03:00.0');

const server = { unit: presets.server };

const did = (host: Host, sourceId = NIC): string =>
  `0x${(host.kernel.device(sourceId).attached?.did ?? 0).toString(16)}`;

function entryAt<N extends string>(host: Host, layout: Layout<N>, address: bigint | number) {
  return layout.decode(host.memory.readWords(Number(address), layout.bits / 32));
}

const contextOf = (host: Host, sourceId: number) => {
  const root = Number(wordsToBig(host.unit.read64(Offset.RTADDR)) & ~0xfffn);
  const { LCTP, UCTP } = entryAt(host, scalableRootEntry, root + 16 * (sourceId >>> 8));
  const table = (sourceId & 0x80) === 0 ? LCTP : UCTP;
  return entryAt(host, scalableContextEntry, Number(table) + 32 * (sourceId & 0x7f));
};

const pasidEntryOf = (host: Host, sourceId: number) => {
  const { SMPTBLPTR } = entryAt(host, pasidDirectoryEntry, contextOf(host, sourceId).PASIDDIRPTR);
  return entryAt(host, pasidTableEntry, SMPTBLPTR);
};

/** The fields of an entry that are not zero, without those named. */
function set(entry: Record<string, bigint>, ...left: readonly string[]): Record<string, number> {
  const found = Object.entries(entry).filter(([name, value]) => value !== 0n && !left.includes(name));
  return Object.fromEntries(found.map(([name, value]) => [name, Number(value)]));
}

test('a unit that is not to be given the hint (IH) is not given it for first-stage tables either', () => {
  const unmapped = (givesHint: boolean) => {
    const host = new Host('intel_iommu=on iommu.strict=1', { ...server, givesHint });
    const mapping = host.kernel.map(NIC, DATA, 4096, 'both');
    const [line] = host.during(() => host.kernel.unmap(NIC, mapping));
    return Number(line.split(' ')[2]) & 0x40;
  };
  expect([unmapped(true), unmapped(false)]).toEqual([0x40, 0]);
});

describe('which mode is used', () => {
  const mode = (
    line: string,
    unit: (typeof presets)[keyof typeof presets],
    isBuiltIn = true,
    version: KernelVersion = DEFAULT_VERSION,
  ) => {
    const build = { ...defaultBuild, scalableModeDefaultOn: isBuiltIn, version };
    return (new Host(line, { unit, build }).unit.read32(Offset.RTADDR) >>> 10) & 3;
  };

  test('scalable where the unit has it, unless the command line or the build says otherwise', () => {
    expect(mode('intel_iommu=on', presets.server)).toBe(1);
    expect(mode('intel_iommu=on', presets.server, false)).toBe(0);
    expect(mode('intel_iommu=on,sm_on', presets.server, false)).toBe(1);
    expect(mode('intel_iommu=on,sm_off', presets.server)).toBe(0);
    expect(mode('intel_iommu=on,sm_on', presets.skylake)).toBe(0);
  });

  // INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON of drivers/iommu/intel/Kconfig has a default of yes since 5.15.
  test('up to 5.14 scalable mode has to be asked for', () => {
    expect(mode('intel_iommu=on', presets.server, true, '5.14')).toBe(0);
    expect(mode('intel_iommu=on,sm_on', presets.server, true, '5.14')).toBe(1);
    expect(mode('intel_iommu=on', presets.server, true, '5.15')).toBe(1);
  });

  test('a unit that could do scalable mode gets a queue of 256-bit descriptors even if it does not', () => {
    expect(new Host('intel_iommu=on,sm_off', server).unit.read32(Offset.IQA) & 0xfff).toBe(0x801);
    expect(new Host('intel_iommu=on').unit.read32(Offset.IQA) & 0xfff).toBe(0);
  });
});

describe('the tables of a device', () => {
  test('each half of a bus has a context table, and each device a PASID directory of 512 entries', () => {
    const host = new Host(LAZY, server);
    expect(set(contextOf(host, NIC), 'PASIDDIRPTR')).toEqual({ P: 1, PDTS: 2 });
    expect(set(contextOf(host, id('00:14.0')), 'PASIDDIRPTR')).toEqual({ P: 1, PDTS: 2 });
    expect(contextOf(host, id('00:14.0')).PASIDDIRPTR).not.toBe(contextOf(host, id('00:14.2')).PASIDDIRPTR);
  });

  test("the kernel's own domains use the first stage: five levels here, walks that snoop", () => {
    const host = new Host(LAZY, server);
    expect(set(pasidEntryOf(host, NIC), 'FSPTPTR')).toEqual({
      P: 1,
      AW: 3,
      PGTT: 1,
      DID: Number(did(host)),
      PWSNP: 1,
      FSPM: 1,
    });
  });

  test('four levels where the unit has no fifth', () => {
    const unit = unitLike('server', { capClear: 1n << 60n });
    const host = new Host(LAZY, { unit });
    expect(set(pasidEntryOf(host, NIC), 'FSPTPTR', 'DID')).toEqual({
      P: 1,
      AW: 2,
      PGTT: 1,
      PWSNP: 1,
    });
  });

  test('a unit without a first stage, or without a second, uses the one it has', () => {
    const second = new Host(LAZY, { unit: presets['qemu-scalable'] });
    expect(set(pasidEntryOf(second, NIC), 'SSPTPTR', 'DID')).toEqual({ P: 1, AW: 2, PGTT: 2 });
    const first = new Host(LAZY, { unit: presets['qemu-first-stage'] });
    expect(set(pasidEntryOf(first, NIC), 'FSPTPTR', 'DID')).toEqual({ P: 1, AW: 2, PGTT: 1 });
  });

  test('a unit without PASIDs takes the directory that Linux gives every device', () => {
    const host = new Host(LAZY, { unit: presets['qemu-scalable'] });
    const { address } = host.kernel.map(NIC, DATA, 4096, 'both');
    expect(host.dma('03:00.0', 'write', address)).toBe(`0x${DATA.toString(16)}`);
  });

  test('identity is pass-through with domain 1, VFIO has the second stage, and blocked is not present', () => {
    const host = new Host(PASSTHROUGH, server);
    expect(set(pasidEntryOf(host, NIC))).toEqual({ P: 1, AW: 3, PGTT: 4, DID: 1, PWSNP: 1 });
    host.kernel.bindDriver(NIC, null);
    host.kernel.claim(NIC);
    expect(set(pasidEntryOf(host, NIC))).toEqual({});
    expect(host.dma('03:00.0', 'write', DATA)).toBe('fault 0x59');
    const { table } = host.kernel.attachUnmanaged(NIC, 1);
    expect(set(pasidEntryOf(host, NIC), 'DID')).toEqual({
      P: 1,
      AW: 3,
      PGTT: 2,
      SSPTPTR: table.root,
      PWSNP: 1,
    });
    table.map(0, DATA, MiB, 3);
    expect(host.dma('03:00.0', 'write', 0x1234)).toBe(`0x${(DATA + 0x1234).toString(16)}`);
  });

  test('from Linux 6.13 on VFIO has the first stage, too', () => {
    const host = new Host(PASSTHROUGH, { ...server, build: { ...defaultBuild, version: '6.13' } });
    host.kernel.claim(NIC);
    expect(host.kernel.attachUnmanaged(NIC, 1).table.stage).toBe('first');
    expect(Number(pasidEntryOf(host, NIC).PGTT)).toBe(1);
  });

  test('a mapped buffer is reached through the first stage, and only that', () => {
    const host = new Host(STRICT, server);
    const mapping = host.kernel.map(NIC, DATA, 4096, 'toDevice');
    expect(host.dma('03:00.0', 'read', mapping.address)).toBe(`0x${DATA.toString(16)}`);
    expect(host.dma('03:00.0', 'write', mapping.address)).toBe('fault 0x85');
    expect(host.dma('03:00.0', 'read', mapping.address - 4096)).toBe('fault 0x71');
    host.kernel.unmap(NIC, mapping);
    expect(host.dma('03:00.0', 'read', mapping.address)).toBe('fault 0x71');
  });

  test('a first stage of four levels ends at half of 48 bits, where addresses are canonical as they are', () => {
    const unit = unitLike('server', { capClear: 1n << 60n });
    const host = new Host(`${STRICT} iommu.forcedac=1`, { unit });
    expect(host.kernel.map(NIC, DATA, 4096, 'both').address).toBe(2 ** 47 - 4096);
  });

  test('firmware regions are mapped 1:1 in the first stage, too', () => {
    const host = new Host(LAZY, server);
    expect(host.dma('00:14.0', 'write', 0x0e00_0010)).toBe('0xe000010');
  });
});

describe('what is invalidated', () => {
  test('a strict unmap of a first stage: page-selective in PASID 0, leaves only', () => {
    const host = new Host(STRICT, server);
    const mapping = host.kernel.map(NIC, DATA, 4096, 'both');
    expect(host.during(() => host.kernel.unmap(NIC, mapping))).toEqual([
      `p-iotlb ${did(host)}0036 0x${(mapping.address + 0x40).toString(16)}`,
    ]);
  });

  test('the flush of a lazy domain takes all of its PASID', () => {
    const host = new Host(LAZY, server);
    host.kernel.unmap(NIC, host.kernel.map(NIC, DATA, 4096, 'both'));
    expect(host.during(() => host.clock.advance(10e6))).toEqual([`p-iotlb ${did(host)}0026 0x0`]);
  });

  test('taking a domain away clears the entry, then the PASID cache, then what was cached of its PASID', () => {
    const host = new Host(LAZY, server);
    const before = did(host);
    expect(host.during(() => host.kernel.claim(NIC))).toEqual([
      `pasid-cache ${before}0017 0x0`,
      `p-iotlb ${before}0026 0x0`,
    ]);
  });

  test('a unit in caching mode is told of every entry, for it may have cached that there was none', () => {
    const host = new Host(PASSTHROUGH, { unit: unitLike('server', { capSet: 1n << 7n }) });
    host.kernel.claim(NIC);
    host.kernel.release(NIC);
    expect(host.written.filter((line) => line.startsWith('context 0x300')).length).toBe(1);
    expect(host.written.filter((line) => !line.startsWith('wait')).slice(-2)).toEqual([
      'pasid-cache 0x10017 0x0',
      'p-iotlb 0x10026 0x0',
    ]);
  });

  test('a unit that invalidates on SRTP is not asked to again', () => {
    const written = new Host(LAZY, server).written.filter((line) => !/^(gcmd|wait|iec)/.test(line));
    expect(written).toEqual([]);
  });
});

describe('what Linux wrote in the recorded run', () => {
  const recorded = readFixture();
  const recordedUnit = { unit: presets['qemu-scalable'] };
  /** Without what differs between two machines: domain, addresses. PASID-cache descriptors were not traced. */
  const shape = (lines: readonly string[]) =>
    lines
      .filter((line) => !/^(iqa|rtaddr)/.test(line))
      .map((line) => {
        const [kind, low, high] = line.split(' ');
        if (kind === 'gcmd' || kind === 'iec' || kind === 'untraced') return line;
        if (kind === 'pasid-cache') return 'untraced';
        const flags = BigInt(low) & (kind === 'wait' ? ~0n : 0xffffn);
        return `${kind} ${flags.toString(16)} ${kind === 'iotlb' ? (BigInt(high) & 0xfffn).toString(16) : '-'}`;
      });
  const writtenBy = (host: Host, action: () => void) => {
    const before = host.written.length;
    action();
    return host.written.slice(before);
  };
  const claimed = () => {
    const host = new Host(LAZY, recordedUnit);
    host.kernel.claim(NIC);
    return host;
  };

  const actions: Record<string, () => string[]> = {
    boot: () => new Host(LAZY, recordedUnit).written,
    'vfio-bind': () => {
      const host = new Host(LAZY, recordedUnit);
      return writtenBy(host, () => host.kernel.claim(NIC));
    },
    'vfio-set-iommu': () => {
      const host = claimed();
      return writtenBy(host, () => host.kernel.attachUnmanaged(NIC, 1));
    },
    'vfio-close': () => {
      const host = claimed();
      host.kernel.attachUnmanaged(NIC, 1);
      return writtenBy(host, () => host.kernel.release(NIC));
    },
    'type-identity': () => {
      const host = new Host(LAZY, recordedUnit);
      return writtenBy(host, () => host.kernel.setGroupType(NIC, 'identity'));
    },
    'type-dma': () => {
      const host = new Host(PASSTHROUGH, recordedUnit);
      return writtenBy(host, () => host.kernel.setGroupType(NIC, 'DMA'));
    },
  };

  test.each(Object.keys(actions))('%s: the same commands and descriptors in the same order', (action) => {
    expect(shape(actions[action]())).toEqual(shape(recorded[`sm-on ${action}`]));
  });

  test('queue and root table have the recorded size, width and mode', () => {
    const { unit } = new Host(LAZY, recordedUnit);
    const value = (name: string) =>
      Number(recorded['sm-on boot'].find((line) => line.startsWith(name))?.split(' ')[1]) & 0xfff;
    expect(unit.read32(Offset.IQA) & 0xfff).toBe(value('iqa'));
    expect(unit.read32(Offset.RTADDR) & 0xfff).toBe(value('rtaddr'));
  });

  test('status words are as far apart as recorded, one slot of four bytes each', () => {
    const waits = (lines: readonly string[]) =>
      lines.filter((line) => line.startsWith('wait')).map((line) => Number(line.split(' ')[2]));
    const steps = (list: readonly number[]) => list.slice(1).map((at, i) => at - list[i]);
    expect(steps(waits(actions['vfio-close']()))).toEqual(steps(waits(recorded['sm-on vfio-close'])));
  });

  test('a device without PASIDs has the recorded context entry: one page of directory', () => {
    // vtd_iotlb_cc_update of the recording: low 0x1a5a401, high 0x0.
    const host = new Host(LAZY, recordedUnit);
    const { PASIDDIRPTR, ...rest } = contextOf(host, NIC);
    expect(set(rest)).toEqual(
      set(scalableContextEntry.decode([0x1a5_a401, 0, 0, 0, 0, 0, 0, 0]), 'PASIDDIRPTR'),
    );
  });
});

function readFixture(): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  let current: string[] = [];
  for (const line of readFileSync('fixtures/linux-6.12/descriptors-scalable.txt', 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    if (/^sm-on/.test(line)) groups[line] = current = [];
    else current.push(line);
  }
  return groups;
}
