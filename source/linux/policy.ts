/**
 * What Linux decides before the first device is probed: is DMA remapping used, and with which kind of
 * domain by default? `drivers/iommu/iommu.c` (iommu_subsys_init), `drivers/iommu/intel/iommu.c`.
 */
import type { BootSettings } from './boot-line.ts';
import { DEFAULT_VERSION, type KernelVersion } from './version.ts';

/** How the kernel was built. */
export type KernelBuild = {
  /** CONFIG_INTEL_IOMMU_DEFAULT_ON. */
  readonly intelIommuDefaultOn: boolean;
  /** CONFIG_IOMMU_DEFAULT_DMA_LAZY, _STRICT or _PASSTHROUGH. */
  readonly defaultDomain: 'lazy' | 'strict' | 'passthrough';
  readonly version: KernelVersion;
  /** CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON. */
  readonly scalableModeDefaultOn: boolean;
};

export const defaultBuild: KernelBuild = {
  intelIommuDefaultOn: false,
  defaultDomain: 'lazy',
  version: DEFAULT_VERSION,
  scalableModeDefaultOn: true,
};

/** Type of a default domain, in the words of sysfs. */
export type DefaultType = 'identity' | 'DMA' | 'DMA-FQ';

export type Policy = {
  /** DMA remapping is used. */
  readonly translation: boolean;
  /** Why, for people. */
  readonly reason: string;
  readonly defaultType: DefaultType;
  /** Every DMA domain invalidates at once. */
  readonly strict: boolean;
  readonly typeSetByCommandLine: boolean;
  readonly strictSetByCommandLine: boolean;
};

/** Decide for a machine that has a unit; a machine without one never translates. */
export function decide(settings: BootSettings, build: KernelBuild, cachingMode = false): Policy {
  const passthrough = settings.passthrough ?? build.defaultDomain === 'passthrough';
  const demanded = settings.driverStrict || cachingMode;
  const strict = demanded || (settings.strict ?? build.defaultDomain === 'strict');
  return {
    ...translationOf(settings, build),
    defaultType: passthrough ? 'identity' : strict ? 'DMA' : 'DMA-FQ',
    strict,
    typeSetByCommandLine: settings.passthrough !== null,
    // A driver that demands strict leaves no trace in this.
    strictSetByCommandLine: settings.strict !== null,
  };
}

/** Whether a unit is used in scalable mode: asked for or built in, and there (sm_supported). */
export function usesScalableMode(
  settings: BootSettings,
  build: KernelBuild,
  unit: { readonly scalableMode: boolean },
): boolean {
  const wanted =
    settings.scalableMode === null ? build.scalableModeDefaultOn : settings.scalableMode === 'on';
  return wanted && unit.scalableMode;
}

function translationOf(settings: BootSettings, build: KernelBuild): Pick<Policy, 'translation' | 'reason'> {
  if (settings.noIommu) return { translation: false, reason: 'iommu=off' };
  if (settings.intelIommu !== null) {
    return { translation: settings.intelIommu === 'on', reason: `intel_iommu=${settings.intelIommu}` };
  }
  return build.intelIommuDefaultOn
    ? { translation: true, reason: 'the kernel was built with CONFIG_INTEL_IOMMU_DEFAULT_ON' }
    : { translation: false, reason: 'no intel_iommu=on, and the kernel was not built with it on' };
}

/**
 * The default domain of one device: `iommu_get_def_domain_type` and the rule for untrusted devices.
 *
 * @param passThrough ECAP.PT; since Linux 6.12 devices of a unit without it are translated
 */
export function defaultTypeFor(
  device: { readonly untrusted: boolean },
  policy: Policy,
  passThrough: boolean,
): DefaultType {
  if (device.untrusted) return 'DMA';
  if (policy.defaultType === 'identity' && !passThrough) return policy.strict ? 'DMA' : 'DMA-FQ';
  return policy.defaultType;
}
