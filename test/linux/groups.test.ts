import { describe, expect, test } from 'vitest';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import {
  Acs,
  dmaAliases,
  FULL_ACS,
  formGroups,
  isRoutedToPeer,
  type PciFunction,
  requesterIdOf,
} from '../../source/linux/pci.ts';
import type { KernelVersion } from '../../source/linux/version.ts';
import { functions as functionsOfPc } from '../../source/machine/topology.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import {
  DATA,
  errno,
  FAULT_DELAY_NS,
  Host,
  type HostOptions,
  id,
  MiB,
  pciFunction,
  REGION,
} from '../support/host.ts';
import { unitLike } from '../support/unit.ts';

const nic = id('03:00.0');
const usb = id('00:14.0');
const stranger = id('07:00.0');
const held = id('05:00.0');
const PAGE = 4096;

const old = (line: string, version: KernelVersion, options: HostOptions = {}) =>
  new Host(line, { ...options, build: { ...defaultBuild, version } });

describe('groups', () => {
  test('functions of a slot without access control share a group', () => {
    const slot = { multifunction: true, acs: 0 };
    const groups = formGroups([
      pciFunction('00:14.0', slot),
      pciFunction('00:14.2', slot),
      pciFunction('00:16.0'),
    ]);
    expect([...groups.values()]).toEqual([0, 0, 1]);
  });

  test('functions of a slot with access control have a group each', () => {
    const slot = { multifunction: true, acs: FULL_ACS };
    expect([...formGroups([pciFunction('00:14.0', slot), pciFunction('00:14.2', slot)]).values()]).toEqual([
      0, 1,
    ]);
  });

  test('everything below a bridge without access control shares its group', () => {
    const bridge = pciFunction('00:1c.0', { kind: 'port', acs: 0 });
    const below = ['03:00.0', '03:01.0'].map((bdf) => pciFunction(bdf, { bridge: bridge.sourceId }));
    expect([...formGroups([bridge, ...below]).values()]).toEqual([0, 0, 0]);
  });

  test('a bridge with access control keeps what is below it apart', () => {
    const bridge = pciFunction('00:1c.0', { kind: 'port' });
    const below = ['03:00.0', '04:00.0'].map((bdf) => pciFunction(bdf, { bridge: bridge.sourceId }));
    expect([...formGroups([bridge, ...below]).values()]).toEqual([0, 1, 2]);
  });

  test('a port that lacks one of the four controls keeps nothing apart', () => {
    for (const bit of Object.values(Acs)) {
      const bridge = pciFunction('00:1c.0', { kind: 'port', acs: FULL_ACS & ~bit });
      const below = pciFunction('03:00.0', { bridge: bridge.sourceId });
      expect([...formGroups([bridge, below]).values()]).toEqual([0, 0]);
    }
  });

  test('a bridge to a PCI bus keeps nothing apart, and a port above it does', () => {
    const port = pciFunction('00:1c.0', { kind: 'port' });
    const bridge = pciFunction('02:00.0', { kind: 'PCI bridge', bridge: port.sourceId });
    const below = ['03:00.0', '03:01.0'].map((bdf) => pciFunction(bdf, { bridge: bridge.sourceId }));
    const functions = [port, bridge, ...below];
    expect([...formGroups(functions).values()]).toEqual([0, 1, 1, 1]);
    expect(isRoutedToPeer(functions, below[0].sourceId, below[1].sourceId)).toBe(true);
  });

  test('a port without access control shares the group of what is below it, and no more', () => {
    const port = pciFunction('00:1c.0', { kind: 'port', acs: 0 });
    const other = pciFunction('00:1d.0', { kind: 'port' });
    const below = pciFunction('03:00.0', { bridge: port.sourceId });
    expect([...formGroups([port, other, below]).values()]).toEqual([0, 1, 0]);
  });

  test('without an IOMMU there are none', () => {
    expect(new Host('').kernel.device(nic).group).toBeNull();
  });
});

describe('devices on a PCI bus below a bridge of PCI Express', () => {
  const port = pciFunction('00:1c.5', { kind: 'port' });
  const bridge = pciFunction('08:00.0', { kind: 'PCIe-to-PCI bridge', bridge: port.sourceId });
  const cards = ['09:01.0', '09:02.0'].map((bdf) => pciFunction(bdf, { bridge: bridge.sourceId }));
  const functions = [port, bridge, ...cards];
  const [sound] = cards.map(({ sourceId }) => sourceId);

  test('send requests as device 0 of their bus; another bridge sends them under its own id', () => {
    expect(dmaAliases(functions, sound)).toEqual([sound, id('09:00.0')]);
    expect(requesterIdOf(functions, sound)).toBe(id('09:00.0'));
    const old = pciFunction('00:1e.0', { kind: 'PCI bridge' });
    const card = pciFunction('02:03.0', { bridge: old.sourceId });
    expect(dmaAliases([old, card], card.sourceId)).toEqual([card.sourceId, old.sourceId]);
    expect(dmaAliases(functions, bridge.sourceId)).toEqual([bridge.sourceId]);
  });

  test('are one group with the bridge', () => {
    expect([...formGroups(functions).values()]).toEqual([0, 1, 1, 1]);
  });

  test.each(['intel_iommu=on', 'intel_iommu=on iommu=pt'])(
    '%s: have a context entry each, and one for what their requests come with',
    (line) => {
      const host = new Host(line, { functions });
      const { address } = host.kernel.map(sound, DATA, PAGE, 'both');
      expect(host.context('09:00.0')).toEqual(host.context('09:01.0'));
      expect(host.context('09:00.0')).toEqual(host.context('09:02.0'));
      expect(host.dma('09:00.0', 'write', address)).toBe(`0x${DATA.toString(16)}`);
    },
  );

  test('fault under the id of the bridge, which is what the kernel prints', () => {
    const host = new Host('intel_iommu=on', { functions });
    host.kernel.claim(sound);
    expect(host.dma('09:00.0', 'write', DATA)).toBe('fault 0x02');
    host.clock.advance(FAULT_DELAY_NS);
    expect(host.log.at(-1)).toMatch(/Request device \[09:00\.0\] fault addr 0x1000000 \[fault reason 0x02\]/);
  });

  test('go to a new owner together, and come back together', () => {
    const host = new Host('intel_iommu=on iommu=pt', { functions });
    host.kernel.claim(sound);
    host.kernel.attachUnmanaged(sound, 1).table.map(0, DATA, PAGE, 3);
    expect(host.dma('09:00.0', 'write', 0x123)).toBe('0x1000123');
    expect(host.context('09:02.0')).toEqual(host.context('09:00.0'));
    host.kernel.release(sound);
    expect(host.dma('09:00.0', 'write', DATA)).toBe('0x1000000');
  });

  test('in scalable mode share the PASID directory of the first', () => {
    const host = new Host('intel_iommu=on', { functions, unit: presets.server });
    const { address } = host.kernel.map(sound, DATA, PAGE, 'both');
    expect(host.dma('09:00.0', 'write', address)).toBe('0x1000000');
  });
});

describe('a request for the registers of a peer', () => {
  /** Two cards, each below a downstream port of one switch. */
  const belowSwitch = (acs: number) => {
    const root = pciFunction('00:1c.0', { kind: 'port' });
    const upstream = pciFunction('02:00.0', { bridge: root.sourceId });
    const ports = ['03:00.0', '03:01.0'].map((bdf) =>
      pciFunction(bdf, { kind: 'port', bridge: upstream.sourceId, acs }),
    );
    const cards = ['04:00.0', '05:00.0'].map((bdf, i) => pciFunction(bdf, { bridge: ports[i].sourceId }));
    return [root, upstream, ...ports, ...cards];
  };
  const isRouted = (functions: readonly PciFunction[], from: string, to: string) =>
    isRoutedToPeer(functions, id(from), id(to));

  test('is routed by a switch, unless the port where it comes in redirects requests', () => {
    expect(isRouted(belowSwitch(0), '04:00.0', '05:00.0')).toBe(true);
    expect(isRouted(belowSwitch(FULL_ACS & ~Acs.RR), '04:00.0', '05:00.0')).toBe(true);
    expect(isRouted(belowSwitch(Acs.RR), '04:00.0', '05:00.0')).toBe(false);
    expect(isRouted(belowSwitch(FULL_ACS), '04:00.0', '05:00.0')).toBe(false);
  });

  test('goes to the unit from another root port, and from another slot of the root bus', () => {
    const functions = [...belowSwitch(0), pciFunction('00:1d.0', { kind: 'port', acs: 0 })];
    functions.push(pciFunction('06:00.0', { bridge: id('00:1d.0') }));
    expect(isRouted(functions, '04:00.0', '06:00.0')).toBe(false);
    expect(isRouted(functions, '06:00.0', '04:00.0')).toBe(false);
  });

  test('a function that lies on the way, or the sender itself, is no peer', () => {
    expect(isRouted(belowSwitch(0), '04:00.0', '04:00.0')).toBe(false);
    expect(isRouted(belowSwitch(0), '04:00.0', '02:00.0')).toBe(false);
  });

  test('on the simulated PC stays within the group that Linux forms', () => {
    const groups = formGroups(functionsOfPc);
    const ids = functionsOfPc.map(({ sourceId }) => sourceId);
    const pairs = ids.flatMap((from) => ids.map((to) => [from, to] as const));
    const routed = pairs.filter(([from, to]) => isRoutedToPeer(functionsOfPc, from, to));
    expect(routed).toContainEqual([usb, id('00:14.2')]);
    for (const [from, to] of routed) expect(groups.get(from)).toBe(groups.get(to));
  });
});

describe('writing the type of a group', () => {
  const bound = () => {
    const host = new Host('intel_iommu=on');
    host.kernel.bindDriver(nic, 'ixgbe');
    return host;
  };

  test('is EPERM while a driver is bound', () => {
    const host = bound();
    expect(errno(() => host.kernel.setGroupType(nic, 'identity'))).toBe('EPERM');
    expect(errno(() => host.kernel.setGroupType(nic, 'DMA'))).toBe('EPERM');
    host.kernel.bindDriver(nic, null);
    expect(errno(() => host.kernel.setGroupType(nic, 'identity'))).toBe('ok');
    expect(host.kernel.device(nic).defaultType).toBe('identity');
  });

  test('is EPERM while a driver is bound to another device of the group', () => {
    const host = new Host('intel_iommu=on');
    host.kernel.bindDriver(id('00:14.2'), 'thermal');
    expect(errno(() => host.kernel.setGroupType(usb, 'identity'))).toBe('EPERM');
  });

  test('from DMA to DMA-FQ goes live, without an invalidation, and the way back does not', () => {
    const host = bound();
    host.kernel.bindDriver(nic, null);
    host.kernel.setGroupType(nic, 'DMA');
    host.kernel.bindDriver(nic, 'ixgbe');
    const mapping = host.kernel.map(nic, DATA, PAGE, 'both');
    const entry = host.context('03:00.0');
    expect(host.during(() => host.kernel.setGroupType(nic, 'DMA-FQ'))).toEqual([]);
    expect(host.context('03:00.0')).toEqual(entry);
    expect(host.dma('03:00.0', 'write', mapping.address)).toBe('0x1000000');
    host.kernel.unmap(nic, mapping);
    expect(host.dma('03:00.0', 'write', mapping.address)).toBe('0x1000000');
    expect(errno(() => host.kernel.setGroupType(nic, 'DMA'))).toBe('EPERM');
  });

  test('is EINVAL for an untrusted device, except for DMA, which it has', () => {
    const host = new Host('intel_iommu=on iommu=pt');
    expect(host.kernel.device(stranger).defaultType).toBe('DMA');
    expect(errno(() => host.kernel.setGroupType(stranger, 'identity'))).toBe('EINVAL');
    expect(errno(() => host.kernel.setGroupType(stranger, 'auto'))).toBe('ok');
    expect(errno(() => host.kernel.setGroupType(stranger, 'DMA'))).toBe('ok');
    expect(host.kernel.device(stranger).defaultType).toBe('DMA');
  });

  test('from DMA to DMA-FQ asks since 6.4 not even whether the device is trusted', () => {
    expect(errno(() => new Host('intel_iommu=on').kernel.setGroupType(stranger, 'DMA-FQ'))).toBe('ok');
    expect(errno(() => old('intel_iommu=on', '6.1').kernel.setGroupType(stranger, 'DMA-FQ'))).toBe('EINVAL');
  });

  test('is EPERM while VFIO owns the group, which still shows its default type', () => {
    const host = new Host('intel_iommu=on iommu=pt');
    host.kernel.claim(nic);
    expect(errno(() => host.kernel.setGroupType(nic, 'DMA'))).toBe('EPERM');
    expect(host.kernel.device(nic).defaultType).toBe('identity');
  });

  test('is EINVAL for any other word', () => {
    const host = new Host('intel_iommu=on');
    for (const word of ['', 'dma', 'DMA_FQ', 'blocked', 'unmanaged', 'constructor'])
      expect(errno(() => host.kernel.setGroupType(nic, word))).toBe('EINVAL');
  });

  test('auto brings back what the device has at boot', () => {
    const host = new Host('intel_iommu=on');
    host.kernel.setGroupType(nic, 'identity');
    host.kernel.setGroupType(nic, 'auto');
    expect(host.kernel.device(nic).defaultType).toBe('DMA-FQ');
  });

  test('identity for identity changes nothing; DMA for DMA is a new domain', () => {
    const host = new Host('intel_iommu=on iommu=pt');
    expect(host.during(() => host.kernel.setGroupType(nic, 'identity'))).toEqual([]);
    host.kernel.setGroupType(nic, 'DMA');
    expect(host.during(() => host.kernel.setGroupType(nic, 'DMA'))).toHaveLength(2);
  });

  describe('before Linux 6.4', () => {
    test('is EBUSY while a driver is bound, with a line in the log', () => {
      const host = old('intel_iommu=on', '6.3');
      host.kernel.bindDriver(nic, 'ixgbe');
      expect(errno(() => host.kernel.setGroupType(nic, 'identity'))).toBe('EBUSY');
      expect(host.log.at(-1)).toBe('iommu: Device is still bound to driver');
    });

    test('is EINVAL for a group of several devices', () => {
      const host = old('intel_iommu=on', '6.3');
      expect(errno(() => host.kernel.setGroupType(usb, 'identity'))).toBe('EINVAL');
      expect(host.log.at(-1)).toBe('iommu: Cannot change default domain: Group has more than one device');
    });

    test('goes live from DMA to DMA-FQ since 5.15, where that type appeared', () => {
      const live = (version: KernelVersion) => {
        const host = old('intel_iommu=on', version);
        host.kernel.setGroupType(nic, 'DMA');
        host.kernel.bindDriver(nic, 'ixgbe');
        return errno(() => host.kernel.setGroupType(nic, 'DMA-FQ'));
      };
      expect([live('6.3'), live('5.15'), live('5.14')]).toEqual(['ok', 'ok', 'EINVAL']);
    });

    test('lazy domains show as DMA before 5.15, and DMA for DMA changes nothing', () => {
      const host = old('intel_iommu=on', '5.14');
      const shown = () => host.kernel.files().read('/sys/kernel/iommu_groups/1/type');
      expect(shown()).toEqual({ kind: 'file', text: 'DMA\n' });
      expect(host.during(() => host.kernel.setGroupType(nic, 'DMA'))).toEqual([]);
      host.kernel.setGroupType(nic, 'identity');
      host.kernel.setGroupType(nic, 'DMA');
      expect(shown()).toEqual({ kind: 'file', text: 'DMA\n' });
      expect(host.kernel.device(nic).defaultType).toBe('DMA-FQ');
    });

    test('the file cannot be written before 5.11', () => {
      expect(errno(() => old('intel_iommu=on', '5.10').kernel.setGroupType(nic, 'DMA'))).toBe('EACCES');
    });
  });

  // drivers/iommu/iommu.c: iommu_change_dev_def_domain up to 6.4, then iommu_get_default_domain_type.
  test.each([
    ['6.3', 'pci 0000:07:00.0: Device cannot be in Passthrough domain'],
    ['6.4', 'pci 0000:07:00.0: Device cannot be in Passthrough domain'],
    ['6.6', 'pci 0000:07:00.0: Device cannot be in Passthrough domain'],
    ['6.7', null],
  ] as const)(
    'in Linux %s a type that a device cannot have is EINVAL, and the log says %s',
    (version, message) => {
      const host = old('intel_iommu=on', version);
      const before = host.log.length;
      expect(errno(() => host.kernel.setGroupType(stranger, 'identity'))).toBe('EINVAL');
      expect(host.log.slice(before)).toEqual(message === null ? [] : [message]);
    },
  );

  test('in Linux 6.4 a group of several devices can change, and DMA for DMA changes nothing', () => {
    const host = old('intel_iommu=on iommu.strict=1', '6.4');
    expect(errno(() => host.kernel.setGroupType(usb, 'identity'))).toBe('ok');
    expect(host.during(() => host.kernel.setGroupType(nic, 'DMA'))).toEqual([]);
    host.kernel.bindDriver(nic, 'ixgbe');
    expect(errno(() => host.kernel.setGroupType(nic, 'identity'))).toBe('EPERM');
  });

  test('is ENOENT while the IOMMU is off', () => {
    expect(errno(() => new Host('').kernel.setGroupType(nic, 'DMA'))).toBe('ENOENT');
  });

  test('changes the next DMA, and every device of the group', () => {
    const host = new Host('intel_iommu=on iommu=pt');
    expect(host.dma('00:14.2', 'write', DATA)).toBe('0x1000000');
    host.kernel.setGroupType(usb, 'DMA');
    expect(host.dma('00:14.2', 'write', DATA)).toBe('fault 0x05');
    host.kernel.setGroupType(usb, 'identity');
    expect(host.dma('00:14.2', 'write', DATA)).toBe('0x1000000');
  });

  test('over and over uses up neither domain ids nor memory for tables', () => {
    const host = new Host('intel_iommu=on');
    const dids = new Set<number | undefined>();
    const roots = new Set<string>();
    for (let i = 0; i < 50; i++) {
      host.kernel.setGroupType(nic, 'identity');
      host.kernel.setGroupType(nic, 'DMA');
      dids.add(host.kernel.device(nic).attached?.did);
      roots.add(host.context('03:00.0')[0]);
    }
    expect([...dids]).toHaveLength(1);
    expect([...roots]).toHaveLength(1);
  });
});

describe('memory that firmware keeps using', () => {
  test.each(['intel_iommu=on', 'intel_iommu=on iommu.strict=1'])(
    'with "%s" it is mapped one to one',
    (line) => {
      const host = new Host(line);
      for (const address of [REGION.start, REGION.end - 7])
        expect(host.dma('00:14.0', 'write', address)).toBe(`0x${address.toString(16)}`);
      expect(host.dma('00:14.0', 'write', REGION.start - 8)).toBe('fault 0x05');
      expect(host.dma('00:14.0', 'write', REGION.end + 1)).toBe('fault 0x05');
    },
  );

  test('it is never handed out as an address, also after the type was changed', () => {
    const functions = [pciFunction('00:14.0', { dmaMask: 0x0e00_2fff, reserved: [REGION] })];
    const host = new Host('intel_iommu=on', { functions });
    host.kernel.setGroupType(usb, 'DMA');
    const first = [0, 1].map(() => host.kernel.map(usb, DATA, PAGE, 'both').address);
    expect(first).toEqual([0x0e00_2000, 0x0dff_f000]);
    expect(host.dma('00:14.0', 'write', REGION.start)).toBe('0xe000000');
  });
});

describe('a unit without ECAP.PT, with iommu=pt', () => {
  const unit = unitLike('skylake', { ecapClear: 1n << 6n });

  test('since Linux 6.12 every device is translated, strictly, and cannot be given an identity domain', () => {
    const host = new Host('intel_iommu=on iommu=pt', { unit });
    expect(host.kernel.device(nic).defaultType).toBe('DMA');
    expect(errno(() => host.kernel.setGroupType(nic, 'identity'))).toBe('EINVAL');
    expect(host.dma('03:00.0', 'write', DATA)).toBe('fault 0x05');
  });

  test('before, all memory is mapped to itself by tables, which the unit walks', () => {
    const host = old('intel_iommu=on iommu=pt', '6.11', { unit });
    const { attached } = host.kernel.device(nic);
    expect(attached).toMatchObject({ type: 'identity', did: 2 });
    const [low, high] = host.context('03:00.0');
    expect([BigInt(low) & 0xfffn, high]).toEqual([1n, '0x202']);
    expect(host.dma('03:00.0', 'write', DATA + 0x123)).toBe(`0x${(DATA + 0x123).toString(16)}`);
    expect(host.dma('03:00.0', 'write', 256 * MiB)).toBe('fault 0x05');
    expect(host.kernel.map(nic, DATA, PAGE, 'both').address).toBe(DATA);
  });

  test('the untrusted device is translated in both', () => {
    for (const host of [
      new Host('intel_iommu=on iommu=pt', { unit }),
      old('intel_iommu=on iommu=pt', '6.1', { unit }),
    ])
      expect(host.kernel.device(stranger).defaultType).toBe('DMA');
  });
});

test('before Linux 6.12 the identity domain of legacy mode has an id as any other, and before 6.11 id 1 is free', () => {
  const context = (version: KernelVersion) => old('intel_iommu=on iommu=pt', version).context('03:00.0');
  expect(context('6.10')).toEqual(['0x9', '0x102']);
  expect(context('6.11')).toEqual(['0x9', '0x202']);
});

describe('a unit in caching mode', () => {
  const unit = unitLike('skylake', { capSet: 1n << 7n });

  test('is used strictly, says so, and what was announced before stays announced', () => {
    const host = new Host('intel_iommu=on iommu.strict=0', { unit });
    expect(host.kernel.device(nic).defaultType).toBe('DMA');
    expect(host.log).toContain('DMAR: IOMMU batching disallowed due to virtualization');
    expect(host.log).toContain(
      'iommu: DMA domain TLB invalidation policy: lazy mode (set via kernel command line)',
    );
  });

  test('is told of what was mapped, and of a device that got a domain', () => {
    const host = new Host('intel_iommu=on', { unit });
    const did = host.kernel.device(nic).attached?.did.toString(16);
    expect(host.during(() => host.kernel.map(nic, DATA, PAGE, 'both'))).toEqual([
      `iotlb 0x${did}00f2 0xfffff000`,
    ]);
    host.kernel.bindDriver(nic, null);
    host.kernel.claim(nic);
    expect(host.during(() => host.kernel.release(nic))).toEqual([
      'context 0x30000000031 0x0',
      `iotlb 0x${did}00e2 0x0`,
    ]);
  });

  test('finds what was mapped after it had cached that nothing was there', () => {
    const host = new Host('intel_iommu=on', { unit });
    expect(host.dma('03:00.0', 'write', 0xffff_f000)).toBe('fault 0x05');
    const { address } = host.kernel.map(nic, DATA, PAGE, 'both');
    expect([address, host.dma('03:00.0', 'write', address)]).toEqual([0xffff_f000, '0x1000000']);
  });
});

describe('DMA ownership', () => {
  test('of a device: its domain is gone, and its DMA faults', () => {
    const host = new Host('intel_iommu=on iommu=pt');
    host.kernel.claim(nic);
    expect(host.kernel.device(nic)).toMatchObject({ claimed: true, attached: null });
    expect(host.dma('03:00.0', 'write', DATA)).toBe('fault 0x02');
    host.clock.advance(FAULT_DELAY_NS);
    expect(host.log.slice(-2)).toEqual([
      'DMAR: DRHD: handling fault status reg 2',
      'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x1000000 [fault reason 0x02] Present bit in context entry is clear',
    ]);
  });

  test.each(['intel_iommu=on', 'intel_iommu=on iommu=pt'])(
    '%s: what its owner maps is translated, and nothing else is reachable',
    (line) => {
      const host = new Host(line);
      host.kernel.claim(nic);
      const domain = host.kernel.attachUnmanaged(nic, 2);
      domain.table.map(0, DATA, 4 * MiB, 3);
      expect(domain.type).toBe('unmanaged');
      expect(host.dma('03:00.0', 'write', 0x1234)).toBe('0x1001234');
      expect(host.dma('03:00.0', 'write', 4 * MiB)).toBe('fault 0x05');
      expect(host.dma('03:00.0', 'read', 4 * MiB)).toBe('fault 0x06');
    },
  );

  test.each([
    ['intel_iommu=on iommu=pt', '0x1000000'],
    ['intel_iommu=on', 'fault 0x05'],
  ])('after release with "%s" the default domain is back: a stray write gives %s', (line, outcome) => {
    const host = new Host(line);
    const before = host.kernel.device(nic).attached;
    host.kernel.claim(nic);
    host.kernel.attachUnmanaged(nic, 2).table.map(0, DATA, 4 * MiB, 3);
    host.dma('03:00.0', 'write', 0x1234);
    host.kernel.release(nic);
    expect(host.kernel.device(nic)).toMatchObject({ claimed: false, attached: before });
    expect(host.dma('03:00.0', 'write', DATA)).toBe(outcome);
    if (line === 'intel_iommu=on') expect(host.dma('03:00.0', 'write', 0x1234)).toBe('fault 0x05');
  });

  test('is of a group as a whole', () => {
    const host = new Host('intel_iommu=on iommu=pt');
    host.kernel.claim(usb);
    expect(host.dma('00:14.2', 'write', DATA)).toBe('fault 0x02');
    host.kernel.release(usb);
    expect(host.dma('00:14.2', 'write', DATA)).toBe('0x1000000');
  });

  test('is refused while a driver of the host is bound in the group, or while it has an owner', () => {
    const host = new Host('intel_iommu=on');
    host.kernel.bindDriver(id('00:14.2'), 'thermal');
    expect(errno(() => host.kernel.claim(usb))).toBe('EPERM');
    expect(host.kernel.device(usb).claimed).toBe(false);
    host.kernel.claim(nic);
    expect(errno(() => host.kernel.claim(nic))).toBe('EPERM');
  });

  test('is not hindered by the driver of a port, which does no DMA', () => {
    const port = pciFunction('00:1c.0', { kind: 'port', acs: 0 });
    const card = pciFunction('03:00.0', { bridge: port.sourceId });
    const host = new Host('intel_iommu=on', { functions: [port, card] });
    host.kernel.bindDriver(port.sourceId, 'pcieport');
    expect(errno(() => host.kernel.claim(card.sourceId))).toBe('ok');
  });

  test('is refused for a device whose firmware region must stay mapped', () => {
    const host = new Host('intel_iommu=on');
    expect(errno(() => host.kernel.claim(held))).toBe('EINVAL');
    expect(host.log.at(-1)).toMatch(
      /: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting/,
    );
    const before = old('intel_iommu=on', '6.5');
    expect(errno(() => before.kernel.claim(held))).toBe('EPERM');
    expect(before.log.at(-1)).toMatch(/: Device is ineligible for IOMMU domain attach due to platform RMRR/);
  });

  test('comes before anything is attached', () => {
    expect(errno(() => new Host('intel_iommu=on').kernel.attachUnmanaged(nic, 1))).toBe('EINVAL');
  });
});
