/** What a boot line would do to each device, without booting. */
import { type BootWord, readBootLine } from '../linux/boot/boot-line.ts';
import {
  decide,
  defaultBuild,
  defaultTypeFor,
  type KernelBuild,
  type Platform,
  plainPlatform,
  usesScalableMode,
} from '../linux/boot/policy.ts';
import type { Capabilities } from '../vtd/unit/capabilities.ts';
import { topologyOf } from './topology.ts';

export type DevicePreview = {
  readonly name: string;
  readonly lane: 'off' | 'passthrough' | 'translated' | 'guest';
  readonly domain: 'none' | 'identity' | 'DMA' | 'DMA-FQ' | 'unmanaged';
  /** In a few words. */
  readonly why: string;
};

export type BootPreview = {
  readonly words: readonly BootWord[];
  /** Whether DMA remapping would be on. */
  readonly translation: boolean;
  readonly devices: readonly DevicePreview[];
  /** One sentence. */
  readonly summary: string;
  /** What the kernel prints about the words, and about what overrides them. */
  readonly messages: readonly string[];
};

/** The machine that would boot, as far as it bears on the answer. */
export type PreviewMachine = {
  readonly build: KernelBuild;
  readonly platform: Platform;
  /** It has a PCI bus: pc.pciBus. */
  readonly pciBus: boolean;
  /** ECAP.PT. */
  readonly passThrough: boolean;
  /** ECAP.IR: without it VFIO assigns nothing, unless it is told that this is fine. */
  readonly interruptRemapping: boolean;
  /** CAP.CM. */
  readonly cachingMode: boolean;
  /** ECAP.SMTS and ECAP.FSTS: in scalable mode the DMA API uses a first stage. */
  readonly scalableMode: boolean;
  readonly firstStage: boolean;
};

export const plainMachine: PreviewMachine = {
  build: defaultBuild,
  platform: plainPlatform,
  pciBus: false,
  passThrough: true,
  interruptRemapping: true,
  cachingMode: false,
  scalableMode: false,
  firstStage: false,
};

/** What a unit's capabilities, a kernel and firmware make of it. */
export function previewMachine(
  unit: Capabilities,
  build: KernelBuild = defaultBuild,
  platform: Platform = plainPlatform,
  pciBus = false,
): PreviewMachine {
  const { passThrough, interruptRemapping, cachingMode, scalableMode, firstStage } = unit;
  return { build, platform, pciBus, passThrough, interruptRemapping, cachingMode, scalableMode, firstStage };
}

/** Read a boot line as the kernel would, and say who would be translated. */
export function previewBoot(line: string, machine: PreviewMachine = plainMachine): BootPreview {
  const { build, platform, passThrough, cachingMode } = machine;
  const settings = readBootLine(line, build.version);
  const { functions, devices: deviceModels } = topologyOf(machine.pciBus);
  const externalPort = functions.some(({ untrusted }) => untrusted);
  const firstStage = machine.firstStage && usesScalableMode(settings, build, machine);
  const policy = decide(settings, build, { cachingMode, firstStage, externalPort, platform });
  const devices = deviceModels.map(({ name, guest, sourceId }): DevicePreview => {
    if (!policy.translation) {
      return {
        name,
        lane: 'off',
        domain: 'none',
        why: guest === null ? 'the IOMMU is off' : 'VFIO refuses: emulated',
      };
    }
    const remapsInterrupts = settings.interruptRemapping && machine.interruptRemapping;
    if (guest !== null && (remapsInterrupts || settings.allowUnsafeInterrupts)) {
      return { name, lane: 'guest', domain: 'unmanaged', why: 'VFIO always translates' };
    }
    const fn = functions.find((each) => each.sourceId === sourceId) ?? { untrusted: false, reserved: [] };
    const domain = defaultTypeFor(fn, policy, passThrough, build.version);
    const lane = domain === 'identity' ? 'passthrough' : 'translated';
    return { name, lane, domain, why: fn.untrusted ? 'external: never passthrough' : whyDefault(domain) };
  });
  const messages = [...Object.values(settings.messages), ...Object.values(policy.messages)].flat();
  const { translation } = policy;
  return { words: settings.words, translation, devices, summary: summarize(policy), messages };
}

const whyDefault = (domain: 'identity' | 'DMA' | 'DMA-FQ'): string =>
  ({ identity: 'looked up, not translated', DMA: 'strict', 'DMA-FQ': 'lazy' })[domain];

function summarize({ translation, reason, defaultType }: ReturnType<typeof decide>): string {
  if (!translation) return `DMA remapping stays off: ${reason}.`;
  const kind = { identity: 'passthrough', DMA: 'translated, strict', 'DMA-FQ': 'translated, lazy' }[
    defaultType
  ];
  return `DMA remapping is on (${reason}); host devices: ${kind}.`;
}
