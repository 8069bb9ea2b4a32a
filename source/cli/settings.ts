/** `--preset name` and `--set name=value`, for every command that simulates something. */
import { Option } from 'commander';
import { type PresetName, presetNames, presets } from '../parameters/presets.ts';
import { BadSetting, checkValues, type Overrides, readSetting, valuesWith } from '../parameters/registry.ts';
import type { UnitDescription } from '../vtd/unit/capabilities.ts';
import { choice, invalid } from './options.ts';

/** May be given several times; a later value of the same name wins. */
export const settingOption = (): Option =>
  new Option('--set <name=value>', 'a parameter, such as iotlb.entries=64; docs/parameters.md lists all')
    .argParser((text: string, before: Overrides) => ({ ...before, ...reading(() => readSetting(text)) }))
    .default({}, 'none');

/** Parameters that were fitted to published data, by the name of the set; `--set` goes on top. */
export const presetOption = (meaning = 'parameters fitted to published data'): Option =>
  new Option('--preset <preset>', `${meaning}: ${presetNames.join(', ')}`).argParser(presetName);

export const presetName = choice('a preset', presetNames);

/** What a preset and settings on top of it change. */
export const overridesOf = (preset: PresetName | undefined, set: Overrides): Overrides => ({
  ...(preset === undefined ? {} : presets[preset].values),
  ...set,
});

/** Refuse values that are right one by one but not together, or not on this unit. */
export function checkSettings(set: Overrides, unit: UnitDescription, preset?: PresetName): void {
  checkValues(valuesWith(overridesOf(preset, set)), unit);
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof BadSetting ? invalid(error.message) : error;
  }
}
