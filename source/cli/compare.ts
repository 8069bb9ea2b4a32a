/** `dmascope compare`: two boot lines, one seed, one workload, one table. */
import { Argument, Option, type Command as Program } from 'commander';
import { type ComparisonReport, comparing, comparisonCsv } from '../output/compare.ts';
import { comparisonText } from '../ui/comparison-text.ts';
import { carryThrough } from './long-run.ts';
import {
  bootLine,
  type MachineFlags,
  machineOptions,
  warnOfWords,
  withMachineOptions,
} from './machine-options.ts';
import { duration, format, jsonText } from './options.ts';
import { tableStyle } from './table-style.ts';

type Flags = MachineFlags & { readonly time: number; readonly format: 'text' | 'json' | 'csv' };

export function addCompare(program: Program): void {
  const command = program
    .command('compare')
    .description('run two boot lines from one seed under one workload, and tell what differs')
    .addArgument(
      new Argument('<boot A>', 'a kernel command line, such as "intel_iommu=on"').argParser(bootLine),
    )
    .addArgument(new Argument('<boot B>', 'another, such as "intel_iommu=on iommu=pt"').argParser(bootLine));
  withMachineOptions(command, { boot: false })
    .addOption(
      new Option('--time <duration>', 'simulated time of each, such as 10ms')
        .argParser(duration)
        .default(10e6, '10ms'),
    )
    .addOption(format('text', 'json', 'csv').default('text'))
    .action(async (a: string, b: string, flags: Flags) => {
      const machine = machineOptions({ ...flags, boot: a });
      warnOfWords(machine, 'A: ');
      warnOfWords({ ...machine, boot: b }, 'B: ');
      const draw = await tableStyle();
      const { comparison, refusals } = await carryThrough('compare', () =>
        comparing({ machine, otherBoot: b, commands: flags.exec, timeNs: flags.time }),
      );
      const text = (of: ComparisonReport) => comparisonText(of, draw);
      process.stdout.write({ text, json: jsonText, csv: comparisonCsv }[flags.format](comparison));
      for (const refusal of refusals) process.stderr.write(`dmascope: refused: ${refusal}\n`);
    });
}
