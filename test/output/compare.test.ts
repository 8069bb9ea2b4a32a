import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseCommands } from '../../source/commands/parse.ts';
import { compareHeadless, comparisonCsv } from '../../source/output/compare.ts';
import { comparisonText } from '../../source/ui/comparison-text.tsx';
import { LAZY, PASSTHROUGH, STRICT } from '../support/session.ts';

const compare = (a: string, b: string, commands = '') =>
  compareHeadless({
    machine: { boot: a, seed: 42 },
    otherBoot: b,
    commands: parseCommands(commands).commands,
    timeNs: 2e6,
  });

test('the same boot line twice differs in nothing', () => {
  const { rows, ...head } = compare(STRICT, STRICT).comparison;

  expect(head).toEqual({ schema: 1, seed: 42, simulatedNs: 2e6, a: { boot: STRICT }, b: { boot: STRICT } });
  for (const row of rows) expect(row.b).toEqual(row.a);
});

test('strict invalidation costs invalidations and CPU cycles, by the numbers of both machines', () => {
  const [header, ...rows] = comparisonCsv(compare(LAZY, STRICT).comparison).trimEnd().split('\n');

  expect(header).toBe('subject,measure,a,b,difference');
  for (const measure of ['invalidations', 'iommu_cpu_cycles']) {
    const line = rows.find((row) => row.startsWith(`machine,${measure},`)) as string;
    const [a, b, difference] = line.split(',').slice(2).map(Number);
    expect(b).toBeGreaterThan(a);
    expect(difference).toBe(b - a);
  }
});

test('both machines run equally long, though a refused DMA takes one of them a moment', () => {
  const { comparison } = compare(LAZY, '', 'run 2ms; dma nic0 write 0x1000000 64');

  expect(comparison.simulatedNs).toBe(4e6);
  expect(comparison.rows).toContainEqual({
    ...{ subject: 'nic0', measure: 'faults' },
    ...{ a: 1, b: 0, difference: -1 },
  });
});

test('words that Linux ignores are told with the machine that has them', () => {
  expect(compare('intel_iommu=on iommu.stict=1', LAZY).ignored).toEqual(['A: Linux ignores iommu.stict=1']);
});

test('what differs in a share is what the two shares beside it differ by', () => {
  const shares = comparisonText(compare(LAZY, STRICT).comparison)
    .split('\n')
    .filter((line) => line.includes('iotlb_hit_rate') && line.includes('points'));

  expect(shares.length).toBeGreaterThan(0);
  for (const line of shares) {
    const [a, b, difference] = [...line.matchAll(/[+-]?\d+\.\d/g)].map(([figure]) => Number(figure));
    expect(difference).toBeCloseTo(b - a, 5);
  }
});

test('a command that one machine refuses is told with the machine that refused it', () => {
  const { refusals } = compare(LAZY, 'iommu=on', 'device nic0 passthrough');

  expect(refusals).toEqual([expect.stringMatching(/^B: the IOMMU is off/)]);
});

test('the text shows what differs of a device, and all of the machine', () => {
  const text = comparisonText(compare(LAZY, PASSTHROUGH).comparison);

  expect(text).toMatch(/nic0 +│ domain +│ +DMA-FQ │ +identity │/);
  expect(text).toMatch(/machine │ corrupted_pages .* same/);
  expect(text).not.toMatch(/gpu0 +│ domain/);
});

test('the page of comparisons names every measure', () => {
  const page = readFileSync('docs/compare.md', 'utf8');
  const measures = new Set<string>(compare('', STRICT).comparison.rows.map(({ measure }) => measure));

  expect(measures.size).toBeGreaterThan(10);
  for (const measure of measures) expect(page).toContain(`\`${measure}\``);
});
