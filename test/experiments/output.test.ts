import { describe, expect, test } from 'vitest';
import type { Point, Result } from '../../source/experiments/experiment.ts';
import { experimentCsv, experimentSvg, experimentText, xText } from '../../source/output/experiment.ts';

const point = (x: number, simulated: number, published: number | null = null): Point => ({
  x,
  xUnit: 'B',
  published,
  simulated,
  tolerance: published === null ? null : 0.1,
  pass: published === null ? null : Math.abs(simulated / published - 1) <= 0.1,
});

const resultOf = (points: readonly Point[]): Result => ({
  id: 'E1',
  title: 'Reads & windows',
  kind: 'gate',
  source:
    'a paper, with a title that is long enough to need more than one line of the picture when it is drawn; grade A',
  setup: 'a machine',
  xName: 'window',
  preset: 'published-64',
  parameters: {},
  note: null,
  series: [{ name: '64 B reads', unit: 'Gb/s', points }],
  checks: [],
  pass: points.every(({ pass }) => pass !== false),
});

describe('a point of an axis is written as people write it', () => {
  test.each([
    [4096, 'B', '4 KiB'],
    [1.5 * 2 ** 20, 'B', '1.5 MiB'],
    [1500, 'B', '1500 B'],
    [9000, 'B', '9000 B'],
    [40, 'flows', '40 flows'],
    [100_000, '1/s', '100 k/s'],
    [1_000_000, '1/s', '1 M/s'],
    [185, 'Gb/s', '185 Gb/s'],
    [24, '', '24'],
  ])('%d %s is %s', (x, unit, text) => {
    expect(xText(x, unit)).toBe(text);
  });
});

test('where nothing is published for the points, the text does not say that anything passes', () => {
  expect(experimentText(resultOf([point(4096, 33)]))).toContain('nothing is published for these points');
  expect(experimentText(resultOf([point(4096, 33, 33)]))).toContain('E1 passes');
  expect(experimentText(resultOf([point(4096, 33, 50)]))).toContain('E1 FAILS');
});

test('the picture brings its own background and ink, names both axes, and holds every tolerance', () => {
  const svg = experimentSvg(resultOf([point(4096, 33, 33), point(2 ** 20, 15, 16), point(2 ** 26, 10)]));
  const heights = [...svg.matchAll(/<line [^>]*y1="([\d.-]+)"/g)].map(([, y]) => Number(y));

  expect(svg).toMatch(/<rect [^>]*fill="#ffffff"/);
  expect(svg).toMatch(/<svg [^>]*fill="#1a1a1a"/);
  for (const word of ['Reads &amp; windows', '64 B reads, Gb/s', 'window', '4 KiB', '64 MiB', '>40<'])
    expect(svg).toContain(word);
  expect(Math.min(...heights)).toBeGreaterThan(0);
});

test('CSV has a line for each point, empty where nothing is published', () => {
  expect(
    experimentCsv(resultOf([point(4096, 33, 33), point(8192, 32)]))
      .trim()
      .split('\n'),
  ).toEqual([
    'experiment,series,unit,x,xUnit,published,simulated,tolerance,pass',
    'E1,64 B reads,Gb/s,4096,B,33,33,0.1,true',
    'E1,64 B reads,Gb/s,8192,B,,32,,',
  ]);
});
