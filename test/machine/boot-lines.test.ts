import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import { plainMachine, previewBoot } from '../../source/machine/preview.ts';
import { deviceIdentity } from '../../source/simulation/state.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { device, session } from '../support/session.ts';

const devices = ['nic0', 'nvme0', 'gpu0', 'hba1', 'usb0', 'tb0'] as const;
const builtOn = { ...defaultBuild, intelIommuDefaultOn: true };

const nothing = devices.map((name) => `${name} off none`);
const host = (domain: string) => {
  const lane = domain === 'identity' ? 'passthrough' : 'translated';
  return [
    `nic0 ${lane} ${domain}`,
    `nvme0 ${lane} ${domain}`,
    'gpu0 guest unmanaged',
    'hba1 guest unmanaged',
    `usb0 ${lane} ${domain}`,
    'tb0 translated DMA',
  ];
};

/** The four boot lines of the forum, each on a kernel that leaves the IOMMU off and on one that does not. */
test.each([
  ['intel_iommu=on', host('DMA-FQ'), host('DMA-FQ')],
  ['intel_iommu=on iommu=pt', host('identity'), host('identity')],
  ['iommu=on', nothing, host('DMA-FQ')],
  ['iommu=pt', nothing, host('identity')],
] as const)('"%s" puts each device in its lane', (boot, whenOff, whenOn) => {
  const lanes = (options = {}) =>
    session(boot, options)
      .snapshot()
      .devices.map(({ name, lane, attachedDomain }) => `${name} ${lane} ${attachedDomain}`);
  expect(lanes()).toEqual(whenOff);
  expect(lanes({ build: builtOn })).toEqual(whenOn);
});

test.each(Object.entries(presets))('on the unit %s no device that is trusted faults', (_, unit) => {
  for (const boot of ['intel_iommu=on', 'intel_iommu=on iommu=pt', 'iommu=on', 'iommu=pt']) {
    for (const build of [defaultBuild, builtOn]) {
      const machine = session(boot, { unit, build });
      machine.advance(1e6);
      const { devices: states } = machine.snapshot();
      const refused = states.filter(({ untrusted, counts }) => !untrusted && counts.faults > 0);
      expect(refused.map(({ name, counts }) => `${boot}: ${name} ${counts.faults} faults`)).toEqual([]);
      expect(states.every(({ counts }) => counts.requests > 0)).toBe(true);
    }
  }
});

describe('guests', () => {
  test('without an IOMMU a guest gets an emulated stand-in, and the host keeps the device', () => {
    for (const boot of ['iommu=pt', 'intel_iommu=off', 'intel_iommu=on intremap=off']) {
      const off = session(boot);
      for (const name of ['gpu0', 'hba1'])
        expect(device(off, name), `${boot} ${name}`).toMatchObject({ emulated: true, owner: 'host' });
      expect(device(off, 'nic0').emulated).toBe(false);
    }
  });

  test('an emulated device does much less than the assigned one', () => {
    const work = (boot: string) => {
      const running = session(boot);
      running.advance(1e6);
      return device(running, 'gpu0').counts.requests;
    };
    expect(work('')).toBeLessThan(work('intel_iommu=on') / 4);
    expect(work('')).toBeGreaterThan(0);
  });

  test('with an IOMMU their devices are theirs, with large pages where the guest has them', () => {
    const on = session('intel_iommu=on iommu=pt');
    expect(device(on, 'gpu0')).toMatchObject({ owner: 'guest A', pageBytes: 2 ** 21, driver: 'vfio-pci' });
    expect(device(on, 'hba1')).toMatchObject({ owner: 'guest B', pageBytes: 4096, driver: 'vfio-pci' });
    // sysfs shows the default domain still.
    expect(device(on, 'gpu0').defaultDomain).toBe('identity');
  });
});

test('every device has a group number with the IOMMU on, and none without', () => {
  const groups = (boot: string) =>
    session(boot)
      .snapshot()
      .devices.map(({ group }) => group);
  expect(groups('intel_iommu=on')).toEqual([14, 15, 12, 16, 4, 18]);
  expect(groups('')).toEqual([null, null, null, null, null, null]);
});

test('what is foretold of a boot line is what that boot does', () => {
  const words = fc.constantFrom(
    'intel_iommu=on',
    'intel_iommu=off',
    'intel_iommu=on,strict',
    'intel_iommu=sp_off',
    'iommu=pt',
    'iommu=nopt',
    'iommu=off',
    'iommu=on',
    'iommu.strict=1',
    'iommu.strict=0',
    'iommu.passthrough=1',
    'intremap=off',
    'nointremap',
    'quiet',
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 5 }), fc.boolean(), (chosen, intelIommuDefaultOn) => {
      const line = chosen.join(' ');
      const build = { ...defaultBuild, intelIommuDefaultOn };
      const { simulation } = session(line, { build });
      const preview = previewBoot(line, { ...plainMachine, build });
      expect(preview.translation).toBe(simulation.machine.kernel.policy.translation);
      const booted = simulation.machine.devices.map((one) => {
        const { name, lane, attachedDomain: domain } = deviceIdentity(simulation, one);
        return { name, lane, domain };
      });
      expect(preview.devices.map(({ name, lane, domain }) => ({ name, lane, domain }))).toEqual(booted);
    }),
    { numRuns: 25 },
  );
});

test('the sentence about a boot line says why the IOMMU is on or off', () => {
  expect(previewBoot('iommu=pt').summary).toBe(
    'DMA remapping stays off: no intel_iommu=on, and the kernel was not built with it on.',
  );
  expect(previewBoot('intel_iommu=on iommu=pt').summary).toBe(
    'DMA remapping is on (intel_iommu=on); host devices: passthrough.',
  );
  expect(previewBoot('iommu=off intel_iommu=on').summary).toBe('DMA remapping stays off: iommu=off.');
});
