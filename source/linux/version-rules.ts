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
  // Units and their tables.
  usesFirstStage: {
    holds: [{ since: '5.6' }],
    told: { '5.6': 'in scalable mode all domains have a first stage where the unit has one' },
    source: 'drivers/iommu/intel/iommu.c, first_level_by_default',
  },
  keepsSecondStageForOwners: {
    holds: [{ since: '5.17', before: '6.13' }],
    told: {
      '5.17': "domains of VFIO have a second stage, the kernel's own a first one",
      '6.13': 'domains of VFIO have a first stage again',
    },
    source: 'drivers/iommu/intel/iommu.c, first_level_by_default',
  },
  forbidsExecution: {
    holds: [{ since: '6.3', before: '6.11' }],
    told: {
      '6.3': 'first-stage entries forbid execution: `XD`, with `NXE` in the PASID table entry',
      '6.11': 'first-stage entries do not forbid execution any more',
    },
    source: 'drivers/iommu/intel/pasid.c, intel_pasid_setup_first_level; iommu.c, __domain_mapping',
  },
  snoopsForDmaApi: {
    holds: [{ since: '5.11', before: '5.19' }],
    told: {
      '5.11':
        'second-stage entries of the DMA API force snooping (`SNP`) where the unit can, as those of VFIO always do',
      '5.19': 'only second-stage entries of VFIO force snooping',
    },
    source: 'drivers/iommu/intel/iommu.c, intel_iommu_map',
  },
  reservesIdentityId: {
    holds: [{ since: '6.11' }],
    told: { '6.11': 'domain id 1 is reserved in legacy mode, too' },
    source: 'drivers/iommu/intel/iommu.c, iommu_init_domains',
  },
  countsReservedIds: {
    holds: [{ before: '6.16' }],
    told: { '6.16': '`domains_used` leaves out the reserved domain ids' },
    source: 'drivers/iommu/intel/iommu.c, domains_used_show',
  },

  mapsForWritingAlone: {
    holds: [{ before: '5.13' }, { since: '6.16' }],
    told: {
      '5.13': 'in a second stage a page that a device may write it may read, too',
      '6.16': 'a page of a second stage can be for writing alone again',
    },
    source: 'drivers/iommu/intel/iommu.c, __domain_mapping',
  },
  hasSoftwareIdentity: {
    holds: [{ before: '6.12' }],
    told: {
      '6.12':
        'no software identity map: devices of a unit without `ECAP.PT` are translated; identity has domain id 1',
    },
    source: 'drivers/iommu/intel/iommu.c, si_domain_init',
  },

  // Invalidation.
  batchesDeviceTlbs: {
    holds: [{ since: '6.12' }],
    told: { '6.12': 'the invalidations of a range in IOTLB and device TLBs are waited for together' },
    source: 'drivers/iommu/intel/cache.c, qi_batch_flush_descs',
  },

  forcesStrictInCachingMode: {
    holds: [{ since: '5.11' }],
    told: { '5.11': 'caching mode is strict' },
    source: 'drivers/iommu/intel/iommu.c, intel_iommu_init; before 5.15 domain_use_flush_queue',
  },
  batchesFirstStageInCachingMode: {
    holds: [{ since: '6.1' }],
    told: { '6.1': 'caching mode is not strict with a first stage' },
    source: 'drivers/iommu/intel/iommu.c, intel_iommu_init',
  },

  // Addresses.
  hasShortMagazines: {
    holds: [{ since: '6.0' }],
    told: { '6.0': 'magazines of 127 addresses instead of 128' },
    source: 'drivers/iommu/iova.c, IOVA_MAG_SIZE',
  },
  trimsDepots: {
    holds: [{ since: '6.7' }],
    told: { '6.7': 'the depot of magazines has no bound and is trimmed every 100 ms' },
    source: 'drivers/iommu/iova.c, iova_depot_work_func',
  },
  givesUp32Bit: {
    holds: [{ since: '6.6' }],
    told: { '6.6': 'a device that finds no address below 4 GiB does not look there again' },
    source: 'drivers/iommu/dma-iommu.c, iommu_dma_alloc_iova',
  },
  roundsAddresses: {
    holds: [{ before: '5.11' }],
    told: {
      '5.11': 'only ranges of up to 32 pages are rounded up to a power of two, not all',
    },
    source: 'drivers/iommu/intel/iommu.c, intel_alloc_iova; dma-iommu.c, iommu_dma_alloc_iova',
  },
  searchesTwice: {
    holds: [{ since: '5.11' }],
    told: { '5.11': 'a search for addresses that finds none begins again from the top' },
    source: 'drivers/iommu/iova.c, __alloc_and_insert_iova_range',
  },
  readsForZeroLength: {
    holds: [{ before: '5.11' }],
    told: { '5.11': 'a unit without `CAP.ZLR` does not make what a device writes readable any more' },
    source: 'drivers/iommu/intel/iommu.c, __intel_map_single',
  },

  // Default domains, VFIO.
  identifiesGraphics: {
    holds: [{ before: '6.10' }],
    told: { '6.10': '`igfx_off` leaves graphics cards translated' },
    source: 'drivers/iommu/intel/iommu.c, device_def_domain_type (IDENTMAP_GFX)',
  },
  defaultsToScalableMode: {
    holds: [{ since: '5.15' }],
    told: { '5.15': 'scalable mode by default' },
    source: 'drivers/iommu/intel/Kconfig, INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON',
  },
  canDefaultToStrict: {
    holds: [{ since: '5.15' }],
    told: { '5.15': '`CONFIG_IOMMU_DEFAULT_DMA_…`' },
    source: 'drivers/iommu/Kconfig, IOMMU_DEFAULT_DMA_STRICT',
  },
  translatesLockedRegions: {
    holds: [{ before: '5.6' }],
    told: { '5.6': 'a device with a firmware region that is not relaxable may be in passthrough' },
    source: 'drivers/iommu/intel-iommu.c, device_def_domain_type (device_is_rmrr_locked)',
  },
  refusesDirectInCore: {
    holds: [{ since: '6.6' }],
    told: {
      '6.6': 'other words, and `EINVAL` instead of `EPERM`, where a firmware region keeps a device from VFIO',
    },
    source:
      'drivers/iommu/iommu.c, __iommu_device_set_domain; before intel/iommu.c, intel_iommu_attach_device',
  },
  triesPages: {
    holds: [{ before: '6.16' }],
    told: { '6.16': 'VFIO does not try how an address space unmaps' },
    source: 'drivers/vfio/vfio_iommu_type1.c, vfio_test_domain_fgsp',
  },
  saysRemoval: {
    holds: [{ before: '6.4' }],
    told: { '6.4': 'devices that leave their groups because their unit is given up do so silently' },
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
