/** What depends on the unit the kernel finds. */
import { expect, test } from 'vitest';
import { FAULT_DELAY_NS, Host, id, pciFunction } from '../support/host.ts';
import { unitLike } from '../support/unit.ts';

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
