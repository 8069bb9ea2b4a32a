import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BadDefinition, planOf, readDefinition } from '../../source/sweep/definition.ts';
import { idOf, pointsOf } from '../../source/sweep/plan.ts';

const pointsIn = (definition: unknown) => pointsOf(planOf(readDefinition(JSON.stringify(definition))));

describe('the points of a sweep', () => {
  test('are the product of all values, the last one varying fastest', () => {
    const points = pointsIn({
      time: '5ms',
      boot: ['intel_iommu=on', ''],
      set: { 'iotlb.entries': [64, 128] },
    });

    expect(points.map(({ words }) => words.join(' '))).toEqual([
      'run --time 5ms --boot intel_iommu=on --set iotlb.entries=64',
      'run --time 5ms --boot intel_iommu=on --set iotlb.entries=128',
      'run --time 5ms --boot  --set iotlb.entries=64',
      'run --time 5ms --boot  --set iotlb.entries=128',
    ]);
    expect(points[3]).toMatchObject({ index: 3, values: { boot: '', 'iotlb.entries': '128' } });
  });

  test('of an experiment begin with the experiment', () => {
    expect(pointsIn({ experiment: 'E1', x: '65536', preset: ['ib-128'] })[0].words).toEqual([
      'experiment',
      'E1',
      '--x',
      '65536',
      '--preset',
      'ib-128',
    ]);
  });

  test('are as many as the numbers of values multiplied, each with other values', () => {
    const axis = fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(axis, axis, axis, (seed, entries, walkers) => {
        const points = pointsIn({ seed, set: { 'iotlb.entries': entries, walkers } });
        expect(points).toHaveLength(seed.length * entries.length * walkers.length);
        expect(new Set(points.map(({ values }) => JSON.stringify(values))).size).toBe(points.length);
      }),
    );
  });

  test('have one name for the same sweep, and another for another version', () => {
    const points = pointsIn({ seed: [1, 2] });

    expect(idOf(points, '1')).toBe(idOf(pointsIn({ seed: [1, 2] }), '1'));
    expect(idOf(points, '2')).not.toBe(idOf(points, '1'));
    expect(idOf(pointsIn({ seed: [2, 1] }), '1')).not.toBe(idOf(points, '1'));
  });
});

test.each([
  ['{', /^expected JSON: /],
  ['[]', /^expected a sweep as an object, got \[\]/],
  [
    '{"bot": "x"}',
    /^expected experiment, time, exec, boot, seed, unit, preset, set; got "bot"\. Did you mean boot\?/,
  ],
  ['{"experiment": 1}', /^experiment: expected an id such as "E1", got 1/],
  ['{"experiment": "E1", "boot": ["x"]}', /got "boot"/],
  ['{"set": ["a"]}', /^expected set as an object, got \["a"\]/],
  ['{"seed": []}', /^seed: expected at least one value/],
  ['{"seed": [1, 1]}', /^seed: a value stands twice/],
  ['{"seed": [null]}', /^seed: expected one value, got null/],
])('%s is no definition of a sweep', (text, message) => {
  expect(() => readDefinition(text)).toThrow(BadDefinition);
  expect(() => readDefinition(text)).toThrow(message);
});
