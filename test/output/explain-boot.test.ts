import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bootWords } from '../../source/linux/boot/boot-line.ts';
import { plainMachine } from '../../source/machine/preview.ts';
import { explainBoot } from '../../source/output/explain-boot.ts';
import { bootText } from '../../source/ui/boot-text.ts';
import { device, session } from '../support/session.ts';

const explained = (line: string) => explainBoot(line, plainMachine);
const devices = ['nic0', 'nvme0', 'gpu0', 'hba1', 'usb0', 'tb0'];

test('each word is told with the devices it changes', () => {
  const [on, pt] = explained('intel_iommu=on iommu=pt').words;
  expect(on.changes.flatMap((change) => change.devices).sort()).toEqual([...devices].sort());
  expect(pt.changes).toEqual([
    { devices: ['nic0', 'nvme0', 'usb0'], now: 'passthrough (identity)', without: 'translated (DMA-FQ)' },
  ]);
});

test('a word that Linux ignores changes nothing and comes with what was meant', () => {
  const { words, translation } = explained('iommu=on');
  expect(translation).toBe(false);
  expect(words[0]).toMatchObject({ known: false, suggestion: 'intel_iommu=on', changes: [] });
  expect(bootText(explained('iommu=on'))).toContain('ignored silently');
});

test('a word that is right but makes no difference says so', () => {
  expect(bootText(explained('iommu=pt'))).toContain('No device gets another domain by it.');
  expect(bootText(explained('quiet'))).not.toContain('by it');
});

test('whatever the line, the devices end up as on a machine that boots with it', () => {
  const word = fc.constantFrom(...bootWords, 'iommu=on', 'quiet', 'intel_iommu=no');
  fc.assert(
    fc.property(fc.array(word, { maxLength: 4 }), (words) => {
      const line = words.join(' ');
      const booted = session(line);
      for (const { name, lane, domain } of explained(line).devices) {
        const { lane: really, attachedDomain } = device(booted, name);
        expect([name, lane, domain], line).toEqual([name, really, attachedDomain]);
      }
    }),
    { numRuns: 25 },
  );
});
