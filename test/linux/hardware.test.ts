/** What depends on the unit the kernel finds. */
import { describe, expect, test } from 'vitest';
import { PageFrames } from '../../source/linux/page-frames.ts';
import type { QueueHost } from '../../source/linux/unit/queue-errors.ts';
import { UnitDriver } from '../../source/linux/unit/unit-driver.ts';
import { DEFAULT_VERSION } from '../../source/linux/version.ts';
import { PhysicalMemory } from '../../source/vtd/memory.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { Iommu } from '../../source/vtd/unit/iommu.ts';
import { Global, Offset } from '../../source/vtd/unit/registers.ts';
import { FAULT_DELAY_NS, Host, hostFunctions, id, MiB, pciFunction } from '../support/host.ts';
import { unitLike, unitWith } from '../support/unit.ts';

const PASS_THROUGH = 1n << 6n;
const X2APIC = 1n << 4n;

test('since Linux 6.12 a unit without ECAP.PT has no identity domains: iommu=pt leaves its devices translated', () => {
  const host = new Host('intel_iommu=on iommu=pt', {
    unit: unitLike('skylake', { ecapClear: PASS_THROUGH }),
  });
  expect(host.kernel.device(id('03:00.0')).attached?.type).toBe('DMA');
  host.kernel.bindDriver(id('03:00.0'), null);
  expect(() => host.kernel.setGroupType(id('03:00.0'), 'identity')).toThrow(
    expect.objectContaining({ errno: 'EINVAL' }),
  );
});

test.each([
  ['x2apic', 0n],
  ['xapic', X2APIC],
])('interrupt remapping is enabled in %s mode as the unit offers', (mode, ecapClear) => {
  const host = new Host('intel_iommu=on', { unit: unitLike('skylake', { ecapClear }) });
  expect(host.log).toContain(`DMAR-IR: Enabled IRQ remapping in ${mode} mode`);
});

test('with DMA and interrupt remapping off nobody sets up the queue', () => {
  expect(new Host('intel_iommu=off intremap=off').gsts).toBe('0x0');
  expect(new Host('intel_iommu=off').gsts).toBe('0x7000000');
});

test('firmware without reserved memory is told in the log', () => {
  const host = new Host('intel_iommu=on', { functions: [pciFunction('03:00.0')] });
  expect(host.log).toContain('DMAR: No RMRR found');
  expect(new Host('intel_iommu=on').log).not.toContain('DMAR: No RMRR found');
});

test('a flood of faults prints three of them in five seconds: each record takes three turns of the rate limit', () => {
  const host = new Host('intel_iommu=on');
  for (let i = 0; i < 20; i++) {
    host.dma('07:00.0', 'write', 0x1000 * i);
    host.clock.advance(FAULT_DELAY_NS);
  }
  expect(host.log.filter((line) => line.includes('[DMA Write'))).toHaveLength(3);
  expect(host.log.filter((line) => line.includes('handling fault status'))).toHaveLength(4);
});

describe('ATS, where the unit knows device TLBs', () => {
  const functions = [...hostFunctions, pciFunction('02:00.0', { ats: true })];

  test('is enabled below ports that firmware lists, as the log says: ATSR (dmar_ats_supported of Linux 6.12)', () => {
    const host = new Host('intel_iommu=on,sm_off', { unit: presets.server, functions });
    expect(host.log).toContain('DMAR: ATSR flags: 0x1');
    expect(host.log).not.toContain('DMAR: No ATSR found');
    expect(BigInt(host.context('02:00.0')[0]) & 0xdn).toBe(5n);
  });

  test('is not, and not listed, on another unit', () => {
    const host = new Host('intel_iommu=on', { functions });
    expect(host.log).toContain('DMAR: No ATSR found');
    expect(host.log.join()).not.toContain('ATSR flags');
    expect(BigInt(host.context('02:00.0')[0]) & 0xdn).toBe(1n);
  });
});

describe('a unit with a write buffer (CAP.RWBF)', () => {
  const commands = (line: string, bit: number) =>
    line.startsWith('gcmd') && (Number(line.split(' ')[1]) & bit) !== 0;
  const isFlush = (line: string) => commands(line, Global.WBF);

  test('is told to write it out before it takes the root table, and for each device: init_dmars of Linux 6.12', () => {
    const host = new Host('intel_iommu=on', { unit: unitWith('skylake', 'cap.RWBF=1') });
    const root = host.written.findIndex((line) => commands(line, Global.SRTP));
    expect(isFlush(host.written[root - 1])).toBe(true);
    expect(host.written.slice(root).filter(isFlush)).toHaveLength(hostFunctions.length);
  });

  test('in caching mode is told what to drop instead: context_present_cache_flush', () => {
    const host = new Host('intel_iommu=on', { unit: unitWith('skylake', 'cap.RWBF=1 cap.CM=1') });
    const root = host.written.findIndex((line) => commands(line, Global.SRTP));
    expect(host.written.slice(root).filter(isFlush)).toEqual([]);
  });
});

/** A world in which all devices answer. */
const queueHost: QueueHost = {
  version: DEFAULT_VERSION,
  say: () => {},
  waitForDevices: () => 0,
  isPresent: () => true,
  stuck: () => {},
};

test('regions that firmware protects from DMA are open once tables protect memory: iommu_disable_protect_mem_regions', () => {
  const unit = unitWith('skylake', 'cap.PLMR=1 cap.PHMR=1');
  const memory = new PhysicalMemory(256 * MiB);
  const chip = new Iommu(memory, unit, () => {});
  chip.write32(Offset.PMEN, 1 << 31);
  expect(chip.read32(Offset.PMEN)).not.toBe(0);
  const driver = new UnitDriver(chip, memory, new PageFrames(0, MiB), queueHost);
  driver.disableProtectedRegions();
  expect(chip.read32(Offset.PMEN)).toBe(0);
});
