/** `dmascope boot`: what each word of a boot line does to which device. */
import type { BootWord } from '../linux/boot/boot-line.ts';
import { type DevicePreview, type PreviewMachine, previewBoot } from '../machine/preview.ts';
import { knownDevices } from '../machine/topology.ts';
import { bdf } from '../vtd/source-id.ts';

/** Devices to which a word makes the same difference. */
export type Change = {
  readonly devices: readonly string[];
  /** What they are with the word, and what they would be without it: `passthrough, identity`. */
  readonly now: string;
  readonly without: string;
};

export type ExplainedWord = BootWord & {
  /** Empty for a word without which everything would be the same. */
  readonly changes: readonly Change[];
};

export type BootExplanation = {
  readonly line: string;
  readonly words: readonly ExplainedWord[];
  readonly translation: boolean;
  readonly summary: string;
  readonly devices: readonly (DevicePreview & { readonly bdf: string })[];
  /** What the kernel prints about the words, and about what overrides them. */
  readonly messages: readonly string[];
};

/** Read a boot line as the kernel would; the difference of a word is found by leaving it out. */
export function explainBoot(line: string, machine: PreviewMachine): BootExplanation {
  const { words, translation, devices, summary, messages } = previewBoot(line, machine);
  return {
    line,
    words: words.map((word, i) => {
      const others = words.flatMap(({ text }, j) => (j === i ? [] : [text])).join(' ');
      return { ...word, changes: changesBetween(previewBoot(others, machine).devices, devices) };
    }),
    translation,
    summary,
    devices: devices.map((device) => ({ ...device, bdf: bdfOf(device.name) })),
    messages,
  };
}

function changesBetween(without: readonly DevicePreview[], now: readonly DevicePreview[]): Change[] {
  const changes: { devices: string[]; now: string; without: string }[] = [];
  now.forEach((device, i) => {
    const [after, before] = [stateText(device), stateText(without[i])];
    if (after === before) return;
    const same = changes.find((change) => change.now === after && change.without === before);
    if (same === undefined) changes.push({ devices: [device.name], now: after, without: before });
    else same.devices.push(device.name);
  });
  return changes;
}

const stateText = ({ lane, domain }: DevicePreview): string =>
  lane === 'off' ? 'the IOMMU is off' : `${lane === 'guest' ? 'translated for a guest' : lane} (${domain})`;

const bdfOf = (name: string): string => bdf(knownDevices.find((model) => model.name === name)?.sourceId ?? 0);
