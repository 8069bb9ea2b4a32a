/**
 * What changed in Linux with its versions as far as IOMMUs are concerned, in one table: the versions in which each
 * thing holds, how it is told to people, and where Linux has it. Words of the command line have their versions in
 * `boot/boot-words.ts`. Versions are those of releases x.y.0; 6.12 is the stable one of the recordings, 6.12.95.
 */
import { isSince, type KernelVersion } from './version.ts';

/** Versions from one on, and before another; without one, from the oldest on, or up to the newest. */
type Span = { readonly since?: KernelVersion; readonly before?: KernelVersion };

export type VersionRule = {
  readonly holds: readonly Span[];
  /** What docs/linux.md says in the row of each version where a span begins or ends. */
  readonly told: Readonly<Partial<Record<KernelVersion, string>>>;
  /** The file and function of Linux. */
  readonly source: string;
};

export const versionRules = {
  saysFailedProbeOfDriver: {
    holds: [{ before: '6.10' }],
    told: { '6.10': 'a driver that fails to bind is named behind its device' },
    source: 'drivers/base/dd.c, call_driver_probe',
  },
  passesHint: {
    holds: [{ since: '6.12', before: '6.13' }, { since: '6.18' }],
    told: {
      '6.12':
        'the hint that only leaves changed (IH) reaches the unit for second-stage tables, by a stable update',
      '6.13': 'without that update the hint (IH) is lost again for second-stage tables',
      '6.18': 'the hint (IH) reaches the unit for second-stage tables',
    },
    source: 'drivers/iommu/intel/iommu.h, qi_desc_iotlb; dmar.c, qi_flush_iotlb up to 6.10',
  },
  saysRemoval: {
    holds: [{ before: '6.4' }],
    told: { '6.4': 'a device that leaves its group because its unit is given up does so silently' },
    source: 'drivers/iommu/iommu.c, iommu_release_device',
  },
} as const satisfies Record<string, VersionRule>;

export type VersionRuleName = keyof typeof versionRules;

/** Whether a rule holds in a version. */
export function holds(name: VersionRuleName, version: KernelVersion): boolean {
  const rule: VersionRule = versionRules[name];
  return rule.holds.some(
    ({ since, before }) =>
      (since === undefined || isSince(version, since)) && (before === undefined || !isSince(version, before)),
  );
}
