/** `dmascope inspect`: what the simulated kernel's files say. */
import { Argument, Option, type Command as Program } from 'commander';
import { inspect } from '../output/inspect.ts';
import { type MachineFlags, machineOptions, warnOfWords, withMachineOptions } from './machine-options.ts';
import { duration } from './options.ts';

type Flags = MachineFlags & { readonly time: number };

const FILES = `
Files: /sys/kernel/iommu_groups/…, /sys/class/iommu/dmar0/intel-iommu/…, /sys/kernel/debug/iommu/intel/…,
/proc/cmdline, /var/log/dmesg. The path of a folder lists what is in it.`;

export function addInspect(program: Program): void {
  const command = program
    .command('inspect')
    .description('print a file of the simulated kernel as Linux prints it')
    .addArgument(new Argument('<path>', 'such as /sys/kernel/debug/iommu/intel/dmar_translation_struct'));
  withMachineOptions(command)
    .addOption(
      new Option('--time <duration>', 'simulated time before it is read')
        .argParser(duration)
        .default(1e6, '1ms'),
    )
    .addHelpText('after', FILES)
    .action((path: string, flags: Flags) => {
      const machine = machineOptions(flags);
      warnOfWords(machine);
      const { text, refusals } = inspect({
        machine,
        commands: flags.exec,
        timeNs: flags.time,
        path,
      });
      process.stdout.write(text);
      for (const refusal of refusals) process.stderr.write(`dmascope: refused: ${refusal}\n`);
    });
}
