/** Paths of the kernel's files to complete: those of the devices on the screen. */
import type { Snapshot } from '../simulation/snapshot.ts';

const debug = '/sys/kernel/debug/iommu/intel';
const unit = '/sys/class/iommu/dmar0/intel-iommu';

const always = [
  ...[
    'dmar_translation_struct',
    'invalidation_queue',
    'iommu_regset',
    'ir_translation_struct',
    'dmar_perf_latency',
  ].map((name) => `${debug}/${name}`),
  ...['address', 'cap', 'domains_supported', 'domains_used', 'ecap', 'version'].map(
    (name) => `${unit}/${name}`,
  ),
  '/sys/kernel/iommu_groups',
  '/proc/cmdline',
  '/var/log/dmesg',
];

export const kernelPaths = ({ devices }: Snapshot): readonly string[] => [
  ...always,
  ...devices.map(({ bdf }) => `${debug}/0000:${bdf}/domain_translation_struct`),
  ...new Set(
    devices.flatMap(({ group }) =>
      group === null
        ? []
        : ['type', 'reserved_regions', 'devices'].map((name) => `/sys/kernel/iommu_groups/${group}/${name}`),
    ),
  ),
];
