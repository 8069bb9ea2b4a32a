import { Command as Program } from 'commander';
import { describe, expect, test } from 'vitest';
import { type MachineFlags, machineOptions, withMachineOptions } from '../../source/cli/machine-options.ts';
import { buildProgram } from '../../source/cli/program.ts';
import { presets } from '../../source/parameters/presets.ts';

const has = (command: Program, flag: string) => command.options.some(({ long }) => long === flag);

/** The parameters of the machine that these words ask for. */
function parametersOf(words: readonly string[]) {
  const program = new Program().exitOverride().configureOutput({ outputError: () => {} });
  withMachineOptions(program).parse(words, { from: 'user' });
  return machineOptions(program.opts<MachineFlags>()).parameters;
}

describe('--preset', () => {
  const program = buildProgram();
  const simulating = [program, ...program.commands].filter((command) => has(command, '--set'));

  test.each(simulating.map((command) => [command.name(), command] as const))(
    '%s takes it, as it takes --set',
    (_, command) => {
      expect(has(command, '--preset')).toBe(true);
    },
  );

  test('sets its parameters, and --set goes on top wherever it stands', () => {
    expect(parametersOf(['--preset', 'ib-128'])).toEqual(presets['ib-128'].values);
    const changed = { ...presets['ib-128'].values, walkers: 4 };
    expect(parametersOf(['--set', 'walkers=4', '--preset', 'ib-128'])).toEqual(changed);
    expect(parametersOf(['--preset', 'ib-128', '--set', 'walkers=4'])).toEqual(changed);
  });

  test('is refused by another name, with the nearest', () => {
    expect(() => parametersOf(['--preset', 'ib-129'])).toThrow('Did you mean ib-128?');
  });
});
