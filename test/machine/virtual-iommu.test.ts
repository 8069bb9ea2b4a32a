/** A guest that sees an IOMMU before its device: nested tables where the unit can, shadow tables where it cannot. */
import { describe, expect, test } from 'vitest';
import { guestModels } from '../../source/machine/guests/guest.ts';
import { deviceIdentity } from '../../source/simulation/state.ts';
import { READ, WRITE } from '../../source/vtd/formats/paging-entry.ts';
import { presets, type UnitDescription } from '../../source/vtd/unit/capabilities.ts';
import { session, type as typeCommand } from '../support/session.ts';
import { unitLike } from '../support/unit.ts';

const HBA = 0x500;
const guest = guestModels[1];
/** Four levels in both stages, as in the textbook: (4 + 1) * (4 + 1) - 1 = 24 reads. */
const fourLevels = unitLike('server', {
  capClear: (1n << 60n) | (1n << 11n) | (0x3fn << 16n),
  capSet: 47n << 16n,
});
const BLOCKED = 5;

const machines: Record<string, { kind: 'nested' | 'shadow'; boot: string; unit: UnitDescription }> = {
  'a server unit in scalable mode': { kind: 'nested', boot: 'intel_iommu=on', unit: presets.server },
  'four levels in both stages': { kind: 'nested', boot: 'intel_iommu=on', unit: fourLevels },
  'the same unit in legacy mode': { kind: 'shadow', boot: 'intel_iommu=on,sm_off', unit: presets.server },
  'a unit without NEST': {
    kind: 'shadow',
    boot: 'intel_iommu=on',
    unit: unitLike('server', { ecapClear: 1n << 26n }),
  },
  'a client unit': { kind: 'shadow', boot: 'intel_iommu=on', unit: presets.skylake },
};

function withGuest({ boot, unit }: { boot: string; unit: UnitDescription }) {
  const running = session(boot, { unit });
  typeCommand(running, 'workload hba1 stop; device hba1 guest B viommu; workload hba1 stop');
  const { machine } = running.simulation;
  const device = machine.find('hba1');
  const { virtualIommu } = device ?? {};
  if (virtualIommu == null) throw new Error('hba1 has no IOMMU before it');
  /** Host-physical address that a request reaches; null where it is refused. */
  const reached = (address: number, access = READ): number | null => {
    const { translator } = machine.unit;
    const outcome = translator.translate(HBA, Math.floor(address / 2 ** 32) | 0, address | 0, access);
    return outcome === BLOCKED ? null : (translator.outHi >>> 0) * 2 ** 32 + (translator.outLo >>> 0);
  };
  return { running, machine, iommu: virtualIommu, reached };
}

describe.each(Object.keys(machines))('%s', (name) => {
  const what = machines[name];

  test('nests or keeps a shadow, and says so', () => {
    const { running, iommu } = withGuest(what);
    const { simulation } = running;
    expect(iommu.kind).toBe(what.kind);
    const state = deviceIdentity(simulation, simulation.machine.devices[3]);
    expect(state).toMatchObject({
      lane: 'guest',
      owner: 'guest B',
      attachedDomain: what.kind === 'nested' ? 'nested' : 'unmanaged',
      virtualIommu: what.kind,
    });
    const inLegacy = { nested: 'PGTT = 011b', shadow: /^(TT = 00b|PGTT = 010b)$/ }[what.kind];
    expect(state.translationType).toMatch(inLegacy);
  });

  test('what the guest maps lands in its memory, and nothing else does', () => {
    const { iommu, reached } = withGuest(what);
    const mappings = [0x20_0000, 0x123_4000, guest.bytes - 4096].map((at) => ({
      at,
      mapping: iommu.map(at, 4096, 'both'),
    }));
    for (const { at, mapping } of mappings) {
      expect(reached(mapping.address + 0x7f0, WRITE)).toBe(guest.base + at + 0x7f0);
    }
    const lowest = Math.min(...mappings.map(({ mapping }) => mapping.address));
    expect(reached(lowest - 4096)).toBeNull();
    // Without an IOMMU before it the device would reach the guest's page 0x100: its tables.
    expect(reached(0x10_0000)).toBeNull();
  });

  test('a page that may only be read is not written', () => {
    const { iommu, reached } = withGuest(what);
    const { address } = iommu.map(0x20_0000, 4096, 'toDevice');
    expect(reached(address, READ)).toBe(guest.base + 0x20_0000);
    expect(reached(address, WRITE)).toBeNull();
  });

  test('what the guest unmaps is out of reach: at once in caching mode, after its flush where it batches', () => {
    const { running, iommu, reached } = withGuest(what);
    const mapping = iommu.map(0x20_0000, 4096, 'both');
    expect(reached(mapping.address)).toBe(guest.base + 0x20_0000);
    iommu.unmap(mapping);
    // The stale window of lazy invalidation reaches into guests, too.
    expect(reached(mapping.address)).toBe(what.kind === 'nested' ? guest.base + 0x20_0000 : null);
    running.advance(running.simulation.now + 11e6);
    expect(reached(mapping.address)).toBeNull();
  });

  test('a disk works through it without a fault', () => {
    const { running, machine } = withGuest(what);
    typeCommand(running, 'workload hba1 start');
    running.advance(running.simulation.now + 5e6);
    const device = machine.devices[3];
    expect(device.requests).toBeGreaterThan(500);
    expect(running.snapshot().devices[3].counts.faults).toBe(0);
  });

  test('a stray write of its device is refused, though it would be the guest that suffers', () => {
    const { running } = withGuest(what);
    expect(typeCommand(running, 'dma hba1 write 0x100000').text).toMatch(/^Blocked: fault 0x/);
    typeCommand(running, 'device hba1 guest B');
    expect(typeCommand(running, 'dma hba1 write 0x100000').text).toMatch(/^It wrote 0x8a100000/);
  });

  test('a device goes from there to anywhere, and nothing of its domains stays', () => {
    const { running, machine } = withGuest(what);
    const pages = () => machine.kernel.device(HBA).attached?.did;
    for (const to of ['guest A viommu', 'host', 'guest B viommu', 'guest B', 'blocked', 'host']) {
      expect(typeCommand(running, `device hba1 ${to}`)).toMatchObject({ ok: true });
      running.advance(running.simulation.now + 1e6);
    }
    expect(machine.devices[3].virtualIommu).toBeNull();
    expect(pages()).toBeLessThan(30);
    expect(running.simulation.halted).toBeNull();
  });
});

test('a nested walk with everything cold reads 24 entries of tables, besides the four structures before them', () => {
  const { machine, iommu } = withGuest(machines['four levels in both stages']);
  const { address } = iommu.map(0x20_0000, 4096, 'both');
  const { steps } = machine.unit.explain(HBA, 0, address | 0, WRITE, true);
  expect(steps.at(-1)?.reads).toBe(4 + 24);
  // Five walks of the second stage: one before each first-stage entry, and one for the page.
  const walks = steps.filter(({ stage, guest: at }) => stage === 'paging entry' && at !== null);
  expect(walks.map(({ guest: at }) => at?.level)).toEqual(
    [4, 3, 2, 1, 0].flatMap((level) => Array(4).fill(level)),
  );
  expect(walks.at(-1)?.guest?.address).toBe(0x20_0000);
  const first = steps.filter(({ stage }) => stage === 'first-stage entry');
  for (const { address: at, guest: inGuest } of first) expect(at).toBe(guest.base + (inGuest?.address ?? 0));
});

test("a nested guest's flush is an invalidation of its PASID in the unit, and costs one exit for many unmaps", () => {
  const { running, iommu } = withGuest(machines['a server unit in scalable mode']);
  const { counts } = running.simulation.machine.unit.invalidator;
  typeCommand(running, 'workload nic0 stop; workload nvme0 stop; workload usb0 stop');
  const before = counts.pasid_iotlb_all;
  for (let i = 0; i < 50; i++) iommu.unmap(iommu.map(0x20_0000 + 4096 * i, 4096, 'both'));
  expect(iommu.exits).toBe(0);
  running.advance(running.simulation.now + 11e6);
  expect(iommu.exits).toBe(1);
  expect(counts.pasid_iotlb_all).toBeGreaterThan(before);
});

test('a guest in caching mode waits for its hypervisor at every map and every unmap', () => {
  const { iommu } = withGuest(machines['a client unit']);
  for (let i = 0; i < 50; i++) iommu.unmap(iommu.map(0x20_0000 + 4096 * i, 4096, 'both'));
  expect(iommu.exits).toBe(100);
});
