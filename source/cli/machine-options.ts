/** The options that say which machine is simulated and what is done to it first. */
import { Option, type Command as Program } from 'commander';
import type { Command } from '../commands/command.ts';
import { parseCommands } from '../commands/parse.ts';
import { printable, quoted } from '../commands/printable.ts';
import { readBootLine } from '../linux/boot/boot-line.ts';
import type { MachineOptions } from '../machine/machine.ts';
import { wordWarnings } from '../output/boot-words.ts';
import type { PresetName } from '../parameters/presets.ts';
import type { Overrides } from '../parameters/registry.ts';
import { type PresetName as UnitName, presets as units } from '../vtd/unit/capabilities.ts';
import { type KernelFlags, kernelBuild, withKernelOptions } from './kernel-options.ts';
import { choice, invalid } from './options.ts';
import { checkSettings, overridesOf, presetOption, settingOption } from './settings.ts';

export const DEFAULT_BOOT = 'intel_iommu=on iommu=pt';

const unitNames = Object.keys(units);

export type MachineFlags = KernelFlags & {
  readonly boot?: string;
  readonly seed: number;
  readonly unit: UnitName;
  readonly exec: readonly Command[];
  readonly preset?: PresetName;
  readonly set: Overrides;
};

export function machineOptions(flags: MachineFlags): MachineOptions {
  const { boot, seed, defaultOn, unit, preset, set, platform } = flags;
  checkSettings(set, units[unit], preset);
  return {
    // A kernel that turns the IOMMU on by itself is looked at without any word first.
    boot: boot ?? (defaultOn === true ? '' : DEFAULT_BOOT),
    seed,
    unit: units[unit],
    build: kernelBuild(flags),
    platform,
    parameters: overridesOf(preset, set),
  };
}

/** Say on standard error which words of the boot line Linux ignores: a machine that booted otherwise would mislead. */
export function warnOfWords({ boot, build }: MachineOptions, side = ''): void {
  const { words } = readBootLine(boot, build?.version);
  for (const warning of wordWarnings(words)) process.stderr.write(`dmascope: ${side}${printable(warning)}\n`);
}

/** @param boot false where the command names its boot lines itself */
export function withMachineOptions(program: Program, { boot = true } = {}): Program {
  if (boot) {
    program.addOption(
      new Option('--boot <words>', `kernel command line (default: "${DEFAULT_BOOT}")`).argParser(bootLine),
    );
  }
  return withKernelOptions(program)
    .addOption(new Option('--seed <number>', 'seed of everything random').argParser(seedNumber).default(42))
    .addOption(
      new Option('--unit <unit>', `remapping unit: ${unitNames.join(', ')}`)
        .argParser(choice('a unit', unitNames))
        .default('skylake'),
    )
    .addOption(
      new Option('--exec <commands>', 'commands to carry out first, separated by semicolons')
        .argParser(commandList)
        .default([], 'none'),
    )
    .addOption(presetOption())
    .addOption(settingOption());
}

function seedNumber(text: string): number {
  const seed = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(seed))
    throw invalid(`expected a whole number from 0 to 2^53 - 1; got ${quoted(text)}`);
  return seed;
}

function commandList(text: string): readonly Command[] {
  const { commands, error } = parseCommands(text);
  if (error !== null) throw invalid(error);
  return commands;
}

/** A boot line is one line of text; anything that could move a terminal's cursor becomes a space. */
export const bootLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
