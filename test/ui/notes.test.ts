/** The speaker's notes as they look on a second terminal. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DemoState } from '../../source/simulation/snapshot.ts';
import { behindMs, notesRows } from '../../source/ui/parts/notes.ts';
import { asciiRow, rowWidth, textOf } from '../../source/ui/rows.ts';
import { playing } from './fixture.ts';

const demo: DemoState = {
  ...playing.demo!,
  notes: [
    { kind: 'say', text: 'Look at the arrow: it is thick, nothing stands in its way.' },
    { kind: 'point', text: 'row nic0, then the cross at the end of its line' },
    {
      kind: 'if asked',
      text: 'Why would anyone choose this? Speed: no walks, no flushes, no map and unmap.',
    },
  ],
};

const sizes = [
  [60, 20],
  [80, 24],
  [100, 30],
  [200, 60],
] as const;

test.each(sizes)('at %d x %d they look as they did', async (columns, rows) => {
  const drawn = notesRows(demo, { elapsedMs: 252_000, first: 1 }, columns, rows);
  expect(drawn).toHaveLength(rows);
  for (const each of drawn) expect(rowWidth(each)).toBeLessThanOrEqual(columns);
  const text = (lines: typeof drawn) => `${lines.map((each) => textOf(each).trimEnd()).join('\n')}\n`;
  const file = `../../fixtures/screens/notes-${columns}x${rows}`;
  await expect(text(drawn)).toMatchFileSnapshot(`${file}.txt`);
  await expect(text(drawn.map(asciiRow))).toMatchFileSnapshot(`${file}.ascii.txt`);
});

test('without a demo they say so, and what starts one', () => {
  const text = notesRows(null, { elapsedMs: 0, first: 1 }, 80, 24).map(textOf).join('\n');
  expect(text).toContain('No demo runs.');
  expect(text).toContain('dmascope demo claims');
});

const planned = { ...demo, minutes: 16, scenes: 8 };
const pace = (scene: number, elapsedMs: number, first = 1) =>
  textOf(notesRows({ ...planned, scene }, { elapsedMs, first }, 100, 30)[0]).trim();
const minute = 60_000;

// Each of the eight scenes has two minutes.
test.each([
  [1, 0, 'on time'],
  [3, 4 * minute, 'on time'],
  [3, 6 * minute, 'on time'],
  [3, 6 * minute + 29_000, 'on time'],
  [3, 6 * minute + 31_000, '1 min behind'],
  [3, 8.6 * minute, '3 min behind'],
  [3, 2 * minute, '2 min ahead'],
  [9, 15.8 * minute, 'on time'],
  [9, 18 * minute, '2 min behind'],
])('in scene %d after %d ms the talk is %s', (scene, elapsedMs, word) => {
  expect(pace(scene, elapsedMs).endsWith(word)).toBe(true);
});

test('a talk that begins in the middle has the rest of the plan', () => {
  expect(pace(5, 0, 5)).toMatch(/scene 5 of 8 +00:00 of 08:00 +on time$/);
  expect(pace(6, 4 * minute, 5)).toMatch(/04:00 of 08:00 +on time$/);
  expect(pace(6, 7 * minute, 5)).toMatch(/3 min behind$/);
  // Going back to before it is no lead either.
  expect(pace(4, 0, 5)).toMatch(/on time$/);
});

test('how a talk is behind its plan is what it would have to make up for', () => {
  const scene = fc.integer({ min: 1, max: 9 });
  fc.assert(
    fc.property(scene, fc.integer({ min: 0, max: 40 * minute }), (at, elapsedMs) => {
      const late = behindMs({ ...planned, scene: at }, { elapsedMs, first: 1 });
      const inPlan = elapsedMs - late;
      expect(inPlan).toBeGreaterThanOrEqual(Math.min(at - 1, 8) * 2 * minute);
      expect(inPlan).toBeLessThanOrEqual(Math.min(at, 8) * 2 * minute);
    }),
  );
});

test('without a planned length there is only a clock', () => {
  const [head] = notesRows({ ...demo, minutes: null }, { elapsedMs: 252_000, first: 1 }, 80, 24);
  expect(textOf(head).trim()).toMatch(/scene 3 of 8 +04:12$/);
});
