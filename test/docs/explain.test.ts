import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { plainMachine } from '../../source/machine/preview.ts';
import { ask } from '../../source/output/explain.ts';
import { explainBoot } from '../../source/output/explain-boot.ts';
import { bootText } from '../../source/ui/boot-text.ts';
import { explainedText } from '../../source/ui/explain-text.ts';

const page = readFileSync('docs/explain.md', 'utf8');

/** What the page shows below a command. */
function shown(command: string): string {
  const [, output] = page.split(`    $ dmascope ${command}\n`);
  return output.split(/\n(?=[^ \n])/)[0].replace(/^ {4}/gm, '');
}

/** Where the kernel puts its tables is no promise. */
const anyTable = (text: string) => text.replace(/0x0*4[0-9a-f]{6}\b/g, '0x…').trim();

test('the page shows a DMA as it is explained', () => {
  const answer = ask({
    machine: { boot: 'intel_iommu=on iommu=pt', seed: 42 },
    ...{ commands: [], timeNs: 1e6, warm: false },
    ...{ device: 'nic0', address: '0x1000000', type: 'write' },
  });
  const wanted = shown('explain nic0 0x1000000 --write --boot "intel_iommu=on iommu=pt"');
  expect(anyTable(explainedText(answer))).toBe(anyTable(wanted));
});

test('the page shows a boot line as it is explained', () => {
  const line = 'iommu=on iommu=pt';
  expect(bootText(explainBoot(line, plainMachine)).trim()).toBe(shown(`boot "${line}"`).trim());
});
