/** What a boot line would do to each device, without booting. */
import { type BootWord, readBootLine } from '../linux/boot-line.ts';
import { decide, defaultBuild, defaultTypeFor, type KernelBuild } from '../linux/policy.ts';
import { deviceModels, functions } from './topology.ts';

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
};

/** Read a boot line as the kernel would, and say who would be translated. */
export function previewBoot(line: string, build: KernelBuild = defaultBuild): BootPreview {
  const settings = readBootLine(line);
  const policy = decide(settings, build);
  const devices = deviceModels.map(({ name, guest, sourceId }): DevicePreview => {
    if (!policy.translation) {
      return {
        name,
        lane: 'off',
        domain: 'none',
        why: guest === null ? 'the IOMMU is off' : 'VFIO refuses: emulated',
      };
    }
    if (guest !== null && settings.interruptRemapping) {
      return { name, lane: 'guest', domain: 'unmanaged', why: 'VFIO always translates' };
    }
    const untrusted = functions.find((fn) => fn.sourceId === sourceId)?.untrusted ?? false;
    const domain = defaultTypeFor({ untrusted }, policy, true);
    const lane = domain === 'identity' ? 'passthrough' : 'translated';
    return { name, lane, domain, why: untrusted ? 'external: never passthrough' : whyDefault(domain) };
  });
  return { words: settings.words, translation: policy.translation, devices, summary: summarize(policy) };
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
