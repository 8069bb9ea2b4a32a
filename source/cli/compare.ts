/** `dmascope compare`: two boot lines, one seed, one workload, one table. */
import { Argument, Option, type Command as Program } from 'commander';
import { compareHeadless, comparisonCsv } from '../output/compare.ts';
import { comparisonText } from '../ui/comparison-text.tsx';
import { bootLine, type MachineFlags, machineOptions, withMachineOptions } from './machine-options.ts';
import { duration, format, jsonText } from './options.ts';

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
    .action((a: string, b: string, flags: Flags) => {
      const { comparison, ignored, refusals } = compareHeadless({
        machine: machineOptions({ ...flags, boot: a }),
        otherBoot: b,
        commands: flags.exec,
        timeNs: flags.time,
      });
      const texts = { text: comparisonText, json: jsonText, csv: comparisonCsv };
      process.stdout.write(texts[flags.format](comparison));
      for (const word of ignored) process.stderr.write(`dmascope: ${word}\n`);
      for (const refusal of refusals) process.stderr.write(`dmascope: refused: ${refusal}\n`);
    });
}
