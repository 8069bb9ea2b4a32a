import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseCommands } from '../../source/commands/parse.ts';
import { finished } from '../../source/output/advancing.ts';
import { comparing, comparisonCsv } from '../../source/output/compare.ts';
import { comparisonText } from '../../source/ui/comparison-text.ts';
import { relative } from '../../source/ui/format.ts';
import { LAZY, PASSTHROUGH, STRICT } from '../support/session.ts';

const compare = (a: string, b: string, commands = '') =>
  finished(
    comparing({
      machine: { boot: a, seed: 42 },
      otherBoot: b,
      commands: parseCommands(commands).commands,
      timeNs: 2e6,
    }),
  );

test('the same boot line twice differs in nothing', () => {
  const { rows, devices, ...head } = compare(STRICT, STRICT).comparison;

  expect(head).toEqual({
    ...{ schema: 1, seed: 42, simulatedNs: 2e6, a: { boot: STRICT }, b: { boot: STRICT } },
    notes: ['A and B are the same boot line, so nothing differs.'],
  });
  for (const { a, b } of devices) expect(b).toEqual(a);
  for (const row of rows) expect(row.b).toEqual(row.a);
});

test('strict invalidation costs invalidations and CPU cycles, by the numbers of both machines', () => {
  const [header, ...rows] = comparisonCsv(compare(LAZY, STRICT).comparison).trimEnd().split('\n');

  expect(header).toBe('subject,measure,unit,a,b,difference,domain_a,domain_b,emulated_a,emulated_b');
  for (const measure of ['invalidations', 'iommu_cpu_cycles']) {
    const line = rows.find((row) => row.startsWith(`machine,${measure},`)) as string;
    const [a, b, difference] = line.split(',').slice(3, 6).map(Number);
    expect(b).toBeGreaterThan(a);
    expect(difference).toBe(b - a);
  }
});

test('both machines run equally long, though a refused DMA takes one of them a moment', () => {
  const { comparison } = compare(LAZY, '', 'run 2ms; dma nic0 write 0x1000000 64');

  expect(comparison.simulatedNs).toBe(4e6);
  expect(comparison.rows).toContainEqual({
    ...{ subject: 'nic0', measure: 'faults', unit: 'faults' },
    ...{ a: 1, b: 0, difference: -1 },
  });
});

test('what differs in a share is what the two shares beside it differ by', () => {
  const shares = comparisonText(compare(LAZY, STRICT).comparison)
    .split('\n')
    .filter((line) => line.includes('iotlb_hit_rate') && line.endsWith(' pt'));

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

  expect(text).toMatch(/^nic0 +DMA-FQ +identity$/m);
  expect(text).toMatch(/^machine +corrupted_pages .* same$/m);
  expect(text).not.toMatch(/^gpu0 +unmanaged/m);
});

test('numbers stand in columns of numbers, with their units', () => {
  const lines = comparisonCsv(compare(LAZY, '').comparison).trimEnd().split('\n').slice(1);

  for (const line of lines) {
    const [, , unit, ...values] = line.split(',');
    expect(unit).not.toBe('');
    for (const value of values.slice(0, 3)) expect(value).toMatch(/^(-?\d+(\.\d+)?(e-?\d+)?)?$/);
  }
});

test('what a request costs is told by itself: less DMA is no gain', () => {
  const { rows, notes } = compare(LAZY, '').comparison;
  const machine = (measure: string) =>
    rows.find((row) => row.subject === 'machine' && row.measure === measure)!;

  expect(notes).toEqual([expect.stringMatching(/^In B gpu0 and hba1 are emulated, as VFIO refuses there/)]);
  expect(machine('requests').difference).toBeLessThan(0);
  for (const measure of ['page_walks', 'iommu_mrds', 'iommu_cpu_cycles']) {
    const each = machine(`${measure}_per_request`);
    expect(each.a).toBeCloseTo(machine(measure).a! / machine('requests').a!, 9);
  }
  const nic = (measure: string) => rows.find((row) => row.subject === 'nic0' && row.measure === measure)!;
  expect(nic('page_walks_per_request').a).toBe(nic('page_walks').a! / nic('requests').a!);
});

test('two lines that make one machine are told to', () => {
  expect(compare('iommu=on', 'iommu=pt').comparison.notes).toEqual([
    'Nothing differs: under this workload both boot lines make the same machine.',
  ]);
});

test.each([
  [100, 7345, '×73'],
  [100, 350, '×3.5'],
  [100, 250, '+150 %'],
  [100, 99, '−1.0 %'],
  [5_113_807, 1454, '−99.9 %'],
  [17, 0, '−100 %'],
  [0, 12, '+12'],
  [5, 5, 'same'],
  [null, 5, '─'],
])('from %s to %s is %s', (a, b, text) => {
  expect(relative({ unit: 'walks', a, b })).toBe(text);
});

test('the page of comparisons names every measure', () => {
  const page = readFileSync('docs/compare.md', 'utf8');
  const measures = new Set<string>(compare('', STRICT).comparison.rows.map(({ measure }) => measure));

  expect(measures.size).toBeGreaterThan(10);
  for (const measure of measures) expect(page).toContain(`\`${measure}\``);
});
