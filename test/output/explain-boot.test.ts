import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bootWords, readBootLine } from '../../source/linux/boot/boot-line.ts';
import { plainPlatform } from '../../source/linux/boot/policy.ts';
import { plainMachine } from '../../source/machine/preview.ts';
import { wordWarnings } from '../../source/output/boot-words.ts';
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
  const off = 'DMA remapping is off, so no device is affected.';
  expect(bootText(explained('iommu=pt'))).toContain(off);
  expect(bootText(explained('quiet'))).not.toContain(off);
  expect(bootText(explained('intel_iommu=on iommu.strict=0'))).toContain(
    'All devices would be the same without it.',
  );
});

test('a word that a later one overrides says by which', () => {
  const text = bootText(explained('intel_iommu=on iommu=pt iommu.passthrough=0')).replace(/\s+/g, ' ');
  expect(text).toContain(
    'Host devices get identity domains: looked up, not translated. iommu.passthrough=0 sets the same, comes later and wins. iommu.passthrough=0 Host',
  );
});

test.each([
  ['intel_iommu=on iommu=pt quiet', []],
  ['', []],
  [
    'iommu=on',
    [
      'boot word iommu=on: Linux on x86 knows no iommu=on: it is ignored silently and turns nothing on. Did you mean intel_iommu=on?',
    ],
  ],
  ['foo bar=1', ['boot line: no word of "foo bar=1" is about the IOMMU']],
])('who boots "%s" is told what Linux ignores', (line, warnings) => {
  expect(wordWarnings(readBootLine(line).words)).toEqual(warnings);
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

test('what firmware overrides is told, with what the kernel prints of it', () => {
  const on = (line: string, platform: Partial<typeof plainPlatform>) =>
    explainBoot(line, { ...plainMachine, platform: { ...plainPlatform, ...platform } });
  expect(on('intel_iommu=off', { measuredLaunch: true }).messages).toEqual([
    'DMAR: IOMMU disabled',
    'DMAR: Forcing Intel-IOMMU to enabled',
  ]);
  const optIn = on('iommu=nopt', { optIn: true });
  expect(optIn.messages).toEqual(['DMAR: Intel-IOMMU force enabled due to platform opt in']);
  expect(optIn.summary).toContain('all other devices are then passed through, whatever the line says');
});
