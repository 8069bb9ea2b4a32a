/**
 * What Linux decides before the first device is probed: is DMA remapping used, and with which kind of
 * domain by default? `drivers/iommu/iommu.c` (iommu_subsys_init), `drivers/iommu/intel/iommu.c`.
 */

import type { PciFunction } from '../pci.ts';
import { DEFAULT_VERSION, isSince, type KernelVersion } from '../version.ts';
import { holds } from '../version-rules.ts';
import type { BootSettings } from './boot-line.ts';

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
  /** What the kernel prints about the default, before the driver of the unit has its say. */
  readonly announced: { readonly defaultType: DefaultType; readonly strict: boolean };
  readonly typeSetByCommandLine: boolean;
  readonly strictSetByCommandLine: boolean;
  /** Graphics cards have identity domains, because of `igfx_off`. */
  readonly identifiesGraphics: boolean;
  /** Printed before the default is announced, when the driver starts, and when it looks at the unit. */
  readonly messages: {
    readonly early: readonly string[];
    readonly start: readonly string[];
    readonly unit: readonly string[];
  };
};

/** What firmware says of the machine, and how the kernel was started on it. */
export type Platform = {
  /** DMA_CTRL_PLATFORM_OPT_IN_FLAG of the DMAR table: firmware wants DMA remapping on. */
  readonly optIn: boolean;
  /** A measured launch through tboot. */
  readonly measuredLaunch: boolean;
  /** Memory is encrypted (CC_ATTR_MEM_ENCRYPT). */
  readonly memoryEncryption: boolean;
};

export const plainPlatform: Platform = { optIn: false, measuredLaunch: false, memoryEncryption: false };

/** What of the machine bears on the decision. */
export type Situation = {
  /** CAP.CM. */
  readonly cachingMode: boolean;
  /** Domains of the DMA API are first-stage tables, of which a unit in caching mode keeps no absent entries. */
  readonly firstStage: boolean;
  /** There is a port for external devices. */
  readonly externalPort: boolean;
  readonly platform: Platform;
};

const plainSituation: Situation = {
  cachingMode: false,
  firstStage: false,
  externalPort: false,
  platform: plainPlatform,
};

/** Decide for a machine that has a unit; a machine without one never translates. */
export function decide(
  settings: BootSettings,
  build: KernelBuild,
  { cachingMode, firstStage, externalPort, platform }: Situation = plainSituation,
): Policy {
  const { version } = build;
  const early: string[] = [];
  const start: string[] = [];
  const unit: string[] = [];
  let passthrough = settings.passthrough ?? build.defaultDomain === 'passthrough';
  if (settings.passthrough === null && passthrough && platform.memoryEncryption) {
    early.push('iommu: Memory encryption detected - Disabling default IOMMU Passthrough');
    passthrough = false;
  }
  // Before there was a choice, the driver of the unit is lazy unless told otherwise.
  const builtStrict = build.defaultDomain === 'strict' && holds('canDefaultToStrict', version);
  let strict = settings.driverStrict || (settings.strict ?? builtStrict);
  const typeOf = () => (passthrough ? 'identity' : strict ? 'DMA' : 'DMA-FQ') as DefaultType;
  const announced = { defaultType: typeOf(), strict };

  let { translation, reason } = translationOf(settings, build);
  const isDisabled =
    settings.intelIommu === null ? !build.intelIommuDefaultOn : settings.intelIommu === 'off';
  if (platform.measuredLaunch && !settings.noTbootForce) {
    if (!translation) {
      start.push(`${isSince(version, '6.0') ? 'DMAR' : 'tboot'}: Forcing Intel-IOMMU to enabled`);
      reason = 'a measured launch forces it on';
    }
    translation = true;
  } else if (platform.optIn && externalPort && !settings.noPlatformOptIn) {
    if (!translation) {
      start.push('DMAR: Intel-IOMMU force enabled due to platform opt in');
      reason = 'firmware asks for it, and there is a port for external devices';
      if (isDisabled) reason += '; all other devices are then passed through, whatever the line says';
    }
    translation = true;
    // As the default was off (platform_optin_force_iommu).
    if (isDisabled) passthrough = true;
  }
  if (translation && cachingMode && forcesStrict(version, firstStage)) {
    // Before 5.15 the driver is silent where it is strict already, and says it in other words.
    if (isSince(version, '5.15')) unit.push('DMAR: IOMMU batching disallowed due to virtualization');
    else if (!strict) unit.push('DMAR: IOMMU batching is disabled due to virtualization');
    strict = true;
  }
  return {
    translation,
    reason,
    defaultType: typeOf(),
    strict,
    announced,
    typeSetByCommandLine: settings.passthrough !== null,
    // A driver that demands strict leaves no trace in this.
    strictSetByCommandLine: settings.strict !== null,
    identifiesGraphics: !settings.mapsGraphics && holds('identifiesGraphics', version),
    messages: { early, start, unit },
  };
}

/** Whether a unit in caching mode has everything invalidated at once. */
const forcesStrict = (version: KernelVersion, firstStage: boolean): boolean =>
  holds('forcesStrictInCachingMode', version) &&
  !(firstStage && holds('batchesFirstStageInCachingMode', version));

/** Whether a unit is used in scalable mode: asked for or built in, and there (sm_supported). */
export function usesScalableMode(
  settings: BootSettings,
  build: KernelBuild,
  unit: { readonly scalableMode: boolean },
): boolean {
  // CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON was off by itself at first.
  const builtOn = build.scalableModeDefaultOn && holds('defaultsToScalableMode', build.version);
  const wanted = settings.scalableMode === null ? builtOn : settings.scalableMode === 'on';
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

/** What of a device bears on the type of its domain. */
export type DomainSubject = Pick<PciFunction, 'untrusted' | 'reserved' | 'pciClass'>;

/**
 * The default domain of one device: iommu_get_default_domain_type, and what the driver demands (def_domain_type).
 *
 * @param passThrough ECAP.PT; since Linux 6.12 devices of a unit without it are translated, and strict
 */
export function defaultTypeFor(
  device: DomainSubject,
  policy: Policy,
  passThrough: boolean,
  version: KernelVersion = DEFAULT_VERSION,
): DefaultType {
  return demandedType(device, policy, passThrough, version) ?? policy.defaultType;
}

/** The type that a device must have, or null if any will do. */
export function demandedType(
  { untrusted, reserved, pciClass }: DomainSubject,
  policy: Pick<Policy, 'identifiesGraphics'>,
  passThrough: boolean,
  version: KernelVersion,
): DefaultType | null {
  if (untrusted || (!passThrough && !holds('hasSoftwareIdentity', version))) return 'DMA';
  const isLocked = reserved.some(({ relaxable }) => !relaxable);
  if (isLocked && holds('translatesLockedRegions', version)) return 'DMA';
  return pciClass === 'display' && policy.identifiesGraphics ? 'identity' : null;
}
