/** `dmascope boot`: a boot line word by word. */
import type { Command as Program } from 'commander';
import { defaultBuild } from '../linux/policy.ts';
import { explainBoot } from '../output/explain-boot.ts';
import { bootText } from '../ui/boot-text.ts';
import { bootLine } from './machine-options.ts';
import { format } from './options.ts';

type Flags = { readonly defaultOn?: boolean; readonly format: 'text' | 'json' };

export function addBoot(program: Program): void {
  program
    .command('boot')
    .description('explain a boot line word by word: what it does to which device, what Linux ignores')
    .argument('<words...>', 'a kernel command line: "intel_iommu=on iommu=pt"')
    .option('--default-on', 'a kernel built with INTEL_IOMMU_DEFAULT_ON')
    .addOption(format('text', 'json').default('text'))
    .action((words: string[], flags: Flags) => {
      const build = { ...defaultBuild, intelIommuDefaultOn: flags.defaultOn === true };
      const explained = explainBoot(bootLine(words.join(' ')), build);
      process.stdout.write(
        flags.format === 'json' ? `${JSON.stringify(explained, null, 2)}\n` : bootText(explained),
      );
    });
}
