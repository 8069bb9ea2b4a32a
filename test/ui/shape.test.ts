import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shapeOf } from '../../source/ui/shape.ts';

test('a curve with little room keeps its knee and loses points of its plateau', () => {
  //            0   1   2   3   4   5   6   7   8   9
  const values = [33, 33, 33, 33, 33, 23, 15, 12, 11, 10];
  const kept = shapeOf(values, 6);
  expect(kept).toHaveLength(6);
  for (const point of [0, 4, 6, 9]) expect(kept).toContain(point);
});

test('ends stay, order stays, and with room for all nothing is left out', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 2, maxLength: 20 }),
      fc.nat(24),
      (values, most) => {
        const kept = shapeOf(values, most);
        expect(kept).toHaveLength(Math.min(values.length, Math.max(2, most)));
        expect([kept[0], kept.at(-1)]).toEqual([0, values.length - 1]);
        expect(kept).toEqual([...kept].sort((a, b) => a - b));
      },
    ),
  );
});
