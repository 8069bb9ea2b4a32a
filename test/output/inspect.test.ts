import { expect, test } from 'vitest';
import { Refused } from '../../source/commands/result.ts';
import { inspect } from '../../source/output/inspect.ts';

const read = (path: string, boot = 'intel_iommu=on iommu=pt') =>
  inspect({ machine: { boot, seed: 42 }, commands: [], timeNs: 1e6, path }).text;

test('commands are carried out and time passes before a file is read', () => {
  const { text } = inspect({
    machine: { boot: 'intel_iommu=on iommu=pt', seed: 42 },
    commands: [{ name: 'device', device: 'nic0', to: 'translated' }],
    timeNs: 1e6,
    path: '/sys/kernel/iommu_groups/14/type',
  });
  expect(text).toBe('DMA-FQ\n');
  expect(read('/sys/kernel/iommu_groups/14/type')).toBe('identity\n');
});

test('a folder lists its files, and a link its target', () => {
  expect(read('/sys/kernel/iommu_groups/14')).toBe('devices/\nreserved_regions\ntype\n');
  expect(read('/sys/kernel/iommu_groups/14/devices/0000:03:00.0')).toBe(
    '../../../../devices/pci0000:00/0000:00:1c.0/0000:03:00.0\n',
  );
});

test('a path with a slip gets the one that was meant, and no control characters', () => {
  expect(() => read('/sys/kernel/iommu_group/14/type')).toThrow(Refused);
  expect(() => read('/sys/kernel/iommu_group/14/type')).toThrow(
    'did you mean /sys/kernel/iommu_groups/14/type?',
  );
  expect(() => read('/sys/\u001b[2J')).toThrow(/^[^\u001b]*$/);
});

test('what a guest has is read from the tables of its device', () => {
  const text = read('/sys/kernel/debug/iommu/intel/0000:05:00.0/domain_translation_struct');
  expect(text.split('\n').length).toBeGreaterThan(352 * 256 - 0x20);
});
