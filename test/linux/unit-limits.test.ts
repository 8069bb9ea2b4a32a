import { describe, expect, test } from 'vitest';
import { KernelRefusal } from '../../source/linux/refusal.ts';
import { DATA, Host, hostFunctions, id, pciFunction } from '../support/host.ts';
import { unitWith } from '../support/unit.ts';

const NIC = '03:00.0';

/** As many functions as it takes, each with a domain of its own. */
const many = (count: number) =>
  Array.from({ length: count }, (_, i) => pciFunction(`${(i + 1).toString(16).padStart(2, '0')}:00.0`));

describe('a unit with 16 domain ids (CAP.ND = 0)', () => {
  const unit = unitWith('skylake', 'cap.ND=0');

  test('is enough for 14 groups besides the two ids that Linux keeps', () => {
    const host = new Host('intel_iommu=on', { unit, functions: many(14) });
    expect(host.kernel.device(id(NIC)).group).toBe(2);
    expect(host.log.join('\n')).not.toContain('domain ids');
  });

  test('leaves no device with a group where there is one more, and blocks them all: bus_iommu_probe of Linux 6.12', () => {
    const host = new Host('intel_iommu=on', { unit, functions: many(15) });
    expect(host.log).toContain('DMAR: dmar0: No free domain ids');
    expect(host.log.at(-2)).toBe('DMAR: Intel(R) Virtualization Technology for Directed I/O');
    expect(host.kernel.device(id(NIC))).toMatchObject({ group: null, defaultType: null, attached: null });
    // The DMA API knows of no IOMMU and hands out physical addresses, which the unit refuses.
    expect(host.kernel.map(id(NIC), DATA, 4096, 'both').address).toBe(DATA);
    expect(host.dma(NIC, 'write', DATA)).toBe('fault 0x02');
    // There is no group to claim: vfio-pci refuses at once.
    expect(() => host.kernel.bindDriver(id(NIC), 'vfio-pci')).toThrow(KernelRefusal);
    expect(host.kernel.files().read('/sys/class/iommu/dmar0/intel-iommu/domains_used')).toMatchObject({
      text: '2\n',
    });
  });

  test('has ids for all devices in passthrough, and refuses one domain too many; the device stays as it was', () => {
    const host = new Host('intel_iommu=on iommu=pt', { unit, functions: many(15) });
    const all = many(15).map(({ sourceId }) => sourceId);
    for (const sourceId of all.slice(1)) host.kernel.setGroupType(sourceId, 'DMA');
    expect(() => host.kernel.setGroupType(all[0], 'DMA')).toThrow(/domain ids/);
    expect(host.log.at(-1)).toBe('DMAR: dmar0: No free domain ids');
    expect(host.kernel.device(all[0])).toMatchObject({
      defaultType: 'identity',
      attached: { type: 'identity' },
    });
    expect(host.dma('01:00.0', 'write', DATA)).toBe(`0x${DATA.toString(16)}`);
    host.kernel.setGroupType(all[1], 'identity');
    host.kernel.setGroupType(all[0], 'DMA');
    expect(host.kernel.device(all[0]).defaultType).toBe('DMA');
  });
});

describe('a unit without an invalidation queue (ECAP.QI = 0)', () => {
  const unit = unitWith('skylake', 'ecap.QI=0 ecap.IR=0 ecap.EIM=0');

  test('is invalidated through registers: intel_iommu_init_qi of Linux 6.12', () => {
    const host = new Host('intel_iommu=on', { unit });
    expect(host.log).toContain('DMAR: dmar0: Using Register based invalidation');
    expect(host.log).not.toContain('DMAR: dmar0: Using Queued invalidation');
  });

  test('forgets what a strict unmap took away', () => {
    const host = new Host('intel_iommu=on iommu.strict=1', { unit });
    const mapping = host.kernel.map(id(NIC), DATA, 4096, 'both');
    expect(host.dma(NIC, 'write', mapping.address)).toBe(`0x${DATA.toString(16)}`);
    host.kernel.unmap(id(NIC), mapping);
    expect(host.dma(NIC, 'write', mapping.address)).toBe('fault 0x05');
  });

  test('forgets what a lazy unmap took away once the queue of ranges is flushed', () => {
    const host = new Host('intel_iommu=on', { unit });
    const mapping = host.kernel.map(id(NIC), DATA, 4096, 'both');
    host.dma(NIC, 'write', mapping.address);
    host.kernel.unmap(id(NIC), mapping);
    expect(host.dma(NIC, 'write', mapping.address)).toBe(`0x${DATA.toString(16)}`);
    host.clock.advance(10e6);
    expect(host.dma(NIC, 'write', mapping.address)).toBe('fault 0x05');
  });

  test('forgets a context entry that was taken away', () => {
    const host = new Host('intel_iommu=on iommu=pt', { unit });
    expect(host.dma(NIC, 'write', DATA)).toBe(`0x${DATA.toString(16)}`);
    host.kernel.setGroupType(id(NIC), 'DMA');
    expect(host.dma(NIC, 'write', DATA)).toBe('fault 0x05');
  });

  test('has no device TLBs that it could invalidate', () => {
    const functions = hostFunctions.map((fn) => ({ ...fn, ats: true }));
    const host = new Host('intel_iommu=on', { unit, functions });
    expect(host.context(NIC)[0]).toMatch(/1$/);
  });
});
