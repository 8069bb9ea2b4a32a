import { describe, expect, test } from 'vitest';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import { KernelLog } from '../../source/linux/log/kernel-log.ts';
import { faultMessage, faultStatusMessage } from '../../source/linux/log/messages.ts';
import type { KernelVersion } from '../../source/linux/version.ts';
import { faultReasons } from '../../source/vtd/faults/fault-reason.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { DATA, FAULT_DELAY_NS, HandClock, Host, id } from '../support/host.ts';
import { qwords } from '../support/unit.ts';

describe('faults', () => {
  test('the record that the recorded run left prints as it did there', () => {
    // low 0x102000, high: F and T1 in the upper half, reason 5, source 00:08.0.
    const recorded = qwords(0x10_2000n, 0x8000_0005_0000_0040n);
    expect(faultMessage(recorded)).toBe(
      'DMAR: [DMA Write NO_PASID] Request device [00:08.0] fault addr 0x102000 [fault reason 0x05] PTE Write access is not set',
    );
  });

  test.each([
    [
      0x8000_0005_0000_0300n,
      'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0xff001000 [fault reason 0x05] PTE Write access is not set',
    ],
    [
      0xc000_0006_0000_0300n,
      'DMAR: [DMA Read NO_PASID] Request device [03:00.0] fault addr 0xff001000 [fault reason 0x06] PTE Read access is not set',
    ],
    [
      0xc000_0002_0000_00a2n,
      'DMAR: [DMA Read NO_PASID] Request device [00:14.2] fault addr 0xff001000 [fault reason 0x02] Present bit in context entry is clear',
    ],
    [
      0x8000_0004_0000_ffffn,
      'DMAR: [DMA Write NO_PASID] Request device [ff:1f.7] fault addr 0xff001000 [fault reason 0x04] Access beyond MGAW',
    ],
    [
      0x8000_000e_0000_0700n,
      'DMAR: [DMA Write NO_PASID] Request device [07:00.0] fault addr 0xff001000 [fault reason 0x0e] Unknown',
    ],
  ])('a record with high qword %s prints "%s"', (high, message) => {
    expect(faultMessage(qwords(0xff00_1000n, high))).toBe(message);
  });

  test.each([
    [
      '5.13',
      'DMAR: [DMA Write] Request device [03:00.0] PASID ffffffff fault addr ff001000 [fault reason 12] non-zero reserved fields in PTE',
    ],
    [
      '5.14',
      'DMAR: [DMA Write NO_PASID] Request device [0x03:0x00.0] fault addr 0xff001000 [fault reason 0x0c] non-zero reserved fields in PTE',
    ],
    [
      '5.15',
      'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0xff001000 [fault reason 0x0c] non-zero reserved fields in PTE',
    ],
  ] as const)('Linux %s prints "%s"', (version, message) => {
    expect(faultMessage(qwords(0xff00_1000n, 0x8000_000c_0000_0300n), version)).toBe(message);
  });

  test('an address above 4 GiB prints in full, without its offset in the page', () => {
    expect(faultMessage(qwords(0x12_3456_7abcn, 0x8000_0005_0000_0300n))).toContain(
      'fault addr 0x1234567000 ',
    );
  });

  test('a refused interrupt prints its index, and what Linux has no text for prints as a DMA', () => {
    const record = (reason: bigint) =>
      qwords(0x2en << 48n, (0x8000_0000n << 32n) | (reason << 32n) | 0x0300n);
    expect(faultMessage(record(0x26n))).toBe(
      'DMAR: [INTR-REMAP] Request device [03:00.0] fault index 0x2e [fault reason 0x26] Blocked an interrupt request due to source-id verification failure',
    );
    expect(faultMessage(record(0x28n))).toBe(
      'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x2e000000000000 [fault reason 0x28] Unknown',
    );
  });

  test('a record that software made prints "Software": dma_remap_fault_reasons of Linux 6.12', () => {
    expect(faultMessage(qwords(0n, 0x8000_0000_0000_0300n))).toBe(
      'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x0 [fault reason 0x00] Software',
    );
  });

  test('reasons have two digits, and every legacy reason has the words of Linux', () => {
    const texts = faultReasons.filter(({ code }) => code < 0x0e).map(({ kernelText }) => kernelText);
    expect(texts).toEqual([
      'Present bit in root entry is clear',
      'Present bit in context entry is clear',
      'Invalid context entry',
      'Access beyond MGAW',
      'PTE Write access is not set',
      'PTE Read access is not set',
      'Next page table ptr is invalid',
      'Root table address invalid',
      'Context table ptr is invalid',
      'non-zero reserved fields in RTP',
      'non-zero reserved fields in CTP',
      'non-zero reserved fields in PTE',
      'PCE for translation request specifies blocking',
    ]);
  });

  test.each([
    [0x2, '2'],
    [0x3, '3'],
    [0x102, '102'],
  ])('status %i prints without 0x', (status, text) => {
    expect(faultStatusMessage(status)).toBe(`DMAR: DRHD: handling fault status reg ${text}`);
  });

  test('a fault is printed two lines long once the kernel has taken the interrupt, and the record is free again', () => {
    const host = new Host('intel_iommu=on');
    host.dma('03:00.0', 'read', 0x12_3456_7abc);
    const before = host.log.length;
    host.clock.advance(FAULT_DELAY_NS - 1);
    expect(host.log).toHaveLength(before);
    host.clock.advance(1);
    expect(host.log.slice(before)).toEqual([
      'DMAR: DRHD: handling fault status reg 2',
      'DMAR: [DMA Read NO_PASID] Request device [03:00.0] fault addr 0x1234567000 [fault reason 0x06] PTE Read access is not set',
    ]);
    expect(host.unit.faultLog.pending).toBe(false);
  });

  test('a second device that faults before the kernel has read the only record is lost: status 3', () => {
    const host = new Host('intel_iommu=on');
    host.dma('03:00.0', 'write', DATA);
    host.dma('04:00.0', 'write', DATA);
    host.clock.advance(FAULT_DELAY_NS);
    expect(host.log.slice(-2)).toEqual([
      'DMAR: DRHD: handling fault status reg 3',
      expect.stringContaining('Request device [03:00.0]'),
    ]);
    expect(host.unit.faultLog.overflow).toBe(false);
    host.dma('04:00.0', 'write', DATA);
    host.clock.advance(FAULT_DELAY_NS);
    expect(host.log.at(-1)).toContain('Request device [04:00.0]');
  });

  test('a unit with several records hands over all of them in order', () => {
    const host = new Host('intel_iommu=on', {
      unit: { ...presets.skylake, cap: presets.skylake.cap | (3n << 40n) },
    });
    host.dma('03:00.0', 'write', DATA);
    host.dma('04:00.0', 'write', DATA);
    host.dma('07:00.0', 'write', DATA);
    host.clock.advance(FAULT_DELAY_NS);
    expect(host.log.slice(-3).map((line) => /\[..:....\]/.exec(line)?.[0])).toEqual([
      '[03:00.0]',
      '[04:00.0]',
      '[07:00.0]',
    ]);
  });

  test('a flood of faults is not printed in full, and the next lines say how much was held back', () => {
    const host = new Host('intel_iommu=on');
    for (let i = 0; i < 100; i++) {
      host.dma('03:00.0', 'write', DATA + 4096 * i);
      host.clock.advance(FAULT_DELAY_NS);
    }
    const printed = host.log.filter((line) => line.startsWith('DMAR: [DMA'));
    expect(printed.length).toBeGreaterThan(2);
    expect(printed.length).toBeLessThanOrEqual(10);
    expect(host.kernel.faultInterrupts).toBe(100);
    host.clock.advance(6e9);
    host.dma('03:00.0', 'write', DATA);
    host.clock.advance(FAULT_DELAY_NS);
    expect(host.log.filter((line) => /^dmar_fault: \d+ callbacks suppressed$/.test(line))).toHaveLength(1);
    expect(host.log.at(-1)).toMatch(/^DMAR: \[DMA Write/);
  });
});

describe('boot messages', () => {
  const iommuLines = (line: string) =>
    new Host(line).log
      .filter((text) => /^(iommu:|DMAR|x2apic|pci )/.test(text))
      .map((text) => text.replace(/cap .*/, 'cap …'));

  test('with the IOMMU on: what Linux prints, in its order', () => {
    expect(iommuLines('intel_iommu=on iommu=pt')).toEqual([
      'DMAR: IOMMU enabled',
      'DMAR: Host address width 39',
      'DMAR: DRHD base: 0x000000fed91000 flags: 0x1',
      'DMAR: dmar0: reg_base_addr fed91000 ver 1:0 cap …',
      'DMAR: RMRR base: 0x0000000e000000 end: 0x0000000e001fff',
      'DMAR: RMRR base: 0x0000000f000000 end: 0x0000000f000fff',
      'DMAR-IR: IOAPIC id 2 under DRHD base  0xfed91000 IOMMU 0',
      'DMAR-IR: Queued invalidation will be enabled to support x2apic and Intr-remapping.',
      'DMAR-IR: Enabled IRQ remapping in x2apic mode',
      'x2apic enabled',
      'iommu: Default domain type: Passthrough (set via kernel command line)',
      'DMAR: No ATSR found',
      'DMAR: No SATC found',
      'DMAR: dmar0: Using Queued invalidation',
      'pci 0000:00:14.0: Adding to iommu group 0',
      'pci 0000:00:14.2: Adding to iommu group 0',
      'pci 0000:03:00.0: Adding to iommu group 1',
      'pci 0000:04:00.0: Adding to iommu group 2',
      'pci 0000:05:00.0: Adding to iommu group 3',
      'pci 0000:07:00.0: Adding to iommu group 4',
      'DMAR: Intel(R) Virtualization Technology for Directed I/O',
    ]);
  });

  test('about interrupt remapping: as recorded on a unit without x2APIC mode, and none with intremap=off', () => {
    const lines = (line: string) =>
      new Host(line, { unit: presets.qemu }).log.filter((text) => /^(DMAR-IR|x2apic)/.test(text));
    expect(lines('intel_iommu=on')).toEqual([
      'DMAR-IR: IOAPIC id 2 under DRHD base  0xfed91000 IOMMU 0',
      'DMAR-IR: dmar0 does not support EIM',
      'DMAR-IR: Enabled IRQ remapping in xapic mode',
      "x2apic: IRQ remapping doesn't support X2APIC mode",
    ]);
    expect(lines('intel_iommu=on intremap=off')).toEqual([
      "x2apic: IRQ remapping doesn't support X2APIC mode",
    ]);
  });

  test('with the IOMMU off: the tables are listed, and no group is made', () => {
    const lines = iommuLines('intel_iommu=off');
    expect(lines).toContain('DMAR: IOMMU disabled');
    expect(lines).toContain('DMAR: Host address width 39');
    expect(lines.filter((line) => /group|Directed/.test(line))).toEqual([]);
  });

  test.each([
    ['intel_iommu=on', 'Translated', 'lazy mode'],
    ['', 'Translated', 'lazy mode'],
    ['intel_iommu=on iommu.strict=1', 'Translated', 'strict mode (set via kernel command line)'],
    ['intel_iommu=on iommu.strict=0', 'Translated', 'lazy mode (set via kernel command line)'],
    // The driver asks for strict here, which is not the parameter the suffix speaks of.
    ['intel_iommu=on,strict', 'Translated', 'strict mode'],
    ['intel_iommu=on iommu=nopt', 'Translated (set via kernel command line)', 'lazy mode'],
  ])('"%s" prints the default domain as Linux does', (line, type, mode) => {
    expect(iommuLines(line).filter((text) => text.startsWith('iommu:'))).toEqual([
      `iommu: Default domain type: ${type}`,
      `iommu: DMA domain TLB invalidation policy: ${mode}`,
    ]);
  });

  test('older kernels leave a blank where nothing follows, and say nothing of invalidation before 5.15', () => {
    const printed = (version: KernelVersion) =>
      new Host('intel_iommu=on', { build: { ...defaultBuild, version } }).log.filter((text) =>
        text.startsWith('iommu:'),
      );
    expect(printed('6.4')).toEqual([
      'iommu: Default domain type: Translated ',
      'iommu: DMA domain TLB invalidation policy: lazy mode ',
    ]);
    expect(printed('5.14')).toEqual(['iommu: Default domain type: Translated ']);
  });

  // drivers/iommu/intel/iommu.c, intel_iommu_init, and domain_use_flush_queue of 5.11 to 5.12.
  test.each([
    ['5.10', '', null, 'DMA-FQ'],
    ['5.14', '', 'DMAR: IOMMU batching is disabled due to virtualization', 'DMA'],
    ['5.14', ',strict', null, 'DMA'],
    ['5.15', ',strict', 'DMAR: IOMMU batching disallowed due to virtualization', 'DMA'],
    ['6.12', '', 'DMAR: IOMMU batching disallowed due to virtualization', 'DMA'],
  ] as const)('Linux %s on a unit in caching mode, intel_iommu=on%s: %s', (version, more, message, type) => {
    const unit = { ...presets.skylake, cap: presets.skylake.cap | (1n << 7n) };
    const host = new Host(`intel_iommu=on${more}`, { unit, build: { ...defaultBuild, version } });
    expect(host.log.find((text) => text.includes('batching')) ?? null).toBe(message);
    expect(host.kernel.device(id('03:00.0')).defaultType).toBe(type);
  });

  test('additional address translation caches (SATC) are known since 5.12', () => {
    const says = (version: KernelVersion) =>
      new Host('intel_iommu=on', { build: { ...defaultBuild, version } }).log.filter((text) =>
        /No \w+ found/.test(text),
      );
    expect(says('5.11')).toEqual(['DMAR: No ATSR found']);
    expect(says('5.12')).toEqual(['DMAR: No ATSR found', 'DMAR: No SATC found']);
  });

  test('the line is printed when it is found, and again when it is read', () => {
    expect(new Host('intel_iommu=on iommu=nodac').log.slice(0, 4)).toEqual([
      'Command line: ro intel_iommu=on iommu=nodac',
      'nodac option ignored.',
      'Kernel command line: ro intel_iommu=on iommu=nodac',
      'DMAR: IOMMU enabled',
    ]);
  });

  test('time stamps never go back', () => {
    const host = new Host('intel_iommu=on');
    host.dma('03:00.0', 'write', DATA);
    host.clock.advance(FAULT_DELAY_NS);
    const stamps = host.kernel.log.lines.map((line) => {
      expect(line).toMatch(/^\[ *\d+\.\d{6}\] /);
      return Number.parseFloat(line.slice(1));
    });
    expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
  });
});

test('a log of one group allows ten lots of messages in five seconds', () => {
  const clock = new HandClock();
  const log = new KernelLog(clock);
  expect(Array.from({ length: 12 }, () => log.allows('dmar_fault')).filter(Boolean)).toHaveLength(10);
  clock.advance(5e9 + 1);
  expect(log.allows('dmar_fault')).toBe(true);
  expect(log.lines).toEqual(['[    7.400000] dmar_fault: 2 callbacks suppressed']);
});

test('asking for a device that is not there is a mistake of the program', () => {
  expect(() => new Host('').kernel.device(id('1f:00.0'))).toThrow('no device at 1f:00.0');
});
