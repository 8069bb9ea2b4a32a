/** `dmascope boot`: a boot line word by word. */
import type { Command as Program } from 'commander';
import { plainMachine } from '../machine/preview.ts';
import { explainBoot } from '../output/explain-boot.ts';
import { bootText } from '../ui/boot-text.ts';
import { type KernelFlags, kernelBuild, withKernelOptions } from './kernel-options.ts';
import { bootLine } from './machine-options.ts';
import { format, jsonText } from './options.ts';

type Flags = KernelFlags & { readonly format: 'text' | 'json' };

export function addBoot(program: Program): void {
  const command = program
    .command('boot')
    .description('explain a boot line word by word: what it does to which device, what Linux ignores')
    .argument('<words...>', 'a kernel command line: "intel_iommu=on iommu=pt"');
  withKernelOptions(command)
    .addOption(format('text', 'json').default('text'))
    .action((words: string[], flags: Flags) => {
      const machine = { ...plainMachine, build: kernelBuild(flags), platform: flags.platform };
      const explained = explainBoot(bootLine(words.join(' ')), machine);
      process.stdout.write(flags.format === 'json' ? jsonText(explained) : bootText(explained));
    });
}
