/** `--set name=value`, for every command that simulates something. */
import { Option } from 'commander';
import { type PresetName, presets } from '../parameters/presets.ts';
import { BadSetting, checkValues, type Overrides, readSetting, valuesWith } from '../parameters/registry.ts';
import type { UnitDescription } from '../vtd/unit/capabilities.ts';
import { invalid } from './options.ts';

/** May be given several times; a later value of the same name wins. */
export const settingOption = (): Option =>
  new Option('--set <name=value>', 'a parameter, such as iotlb.entries=64; docs/parameters.md lists all')
    .argParser((text: string, before: Overrides) => ({ ...before, ...reading(() => readSetting(text)) }))
    .default({}, 'none');

/** Refuse values that are right one by one but not together, or not on this unit. */
export function checkSettings(set: Overrides, unit: UnitDescription, preset?: PresetName): void {
  checkValues(valuesWith(preset === undefined ? {} : presets[preset].values, set), unit);
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof BadSetting ? invalid(error.message) : error;
  }
}
