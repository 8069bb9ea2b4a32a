import { describe, expect, test } from 'vitest';
import type { Result } from '../../source/experiments/experiment.ts';
import { experiments } from '../../source/experiments/index.ts';
import { runExperiment } from '../../source/experiments/run.ts';

describe.each(experiments)('$id, $title', (experiment) => {
  const result = runExperiment(experiment);

  test('has every published point in its tolerance and passes every check', () => {
    expect(misses(result)).toEqual([]);
    expect(result.pass).toBe(true);
  });

  test('says what was measured, by whom, and with which parameters', () => {
    expect(result.source).toMatch(/grade [ABCM]/);
    expect(result.setup).not.toBe('');
    expect(result.series.every(({ points }) => points.length > 0)).toBe(true);
  });
});

test('an experiment gives the same bytes every time', () => {
  const [e1] = experiments;
  const once = runExperiment(e1, { xs: [524_288] });

  expect(runExperiment(e1, { xs: [524_288] })).toEqual(once);
  expect(runExperiment(e1, { xs: [524_288], parameters: { walkers: 3 } })).not.toEqual(once);
});

test('at other points there is nothing published, and nothing to pass', () => {
  const { series, pass } = runExperiment(experiments[0], { xs: [123 * 4096] });

  expect(series[0].points).toEqual([
    {
      x: 123 * 4096,
      xUnit: 'B',
      published: null,
      simulated: expect.any(Number),
      tolerance: null,
      pass: null,
    },
  ]);
  expect(pass).toBe(true);
});

test('a wrong model does not pass', () => {
  expect(runExperiment(experiments[0], { parameters: { walkers: 4 } }).pass).toBe(false);
  expect(runExperiment(experiments[0], { preset: 'ib-128' }).pass).toBe(false);
});

test('progress comes after every point, with the curve so far', () => {
  const seen: string[] = [];
  runExperiment(experiments[0], { xs: [65_536, 131_072] }, ({ done, of, result }) => {
    seen.push(`${done}/${of}: ${result.series[0]?.points.length ?? 0}`);
  });

  expect(seen).toEqual(['0/2: 0', '1/2: 1', '2/2: 2']);
});

/** What does not pass, as people read it. */
function misses({ series, checks }: Result): string[] {
  return [
    ...series.flatMap(({ name, points }) =>
      points
        .filter(({ pass }) => pass === false)
        .map(({ x, published, simulated }) => `${name} at ${x}: ${simulated}, published ${published}`),
    ),
    ...checks
      .filter(({ pass }) => !pass)
      .map(({ name, found, expected }) => `${name}: ${found}, expected ${expected}`),
  ];
}
