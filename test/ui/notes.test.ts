/** The speaker's notes as they look on a second terminal. */
import { expect, test } from 'vitest';
import type { DemoState } from '../../source/simulation/snapshot.ts';
import { notesRows } from '../../source/ui/parts/notes.ts';
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
  const drawn = notesRows(demo, 252_000, columns, rows);
  expect(drawn).toHaveLength(rows);
  for (const each of drawn) expect(rowWidth(each)).toBeLessThanOrEqual(columns);
  const text = (lines: typeof drawn) => `${lines.map((each) => textOf(each).trimEnd()).join('\n')}\n`;
  const file = `../../fixtures/screens/notes-${columns}x${rows}`;
  await expect(text(drawn)).toMatchFileSnapshot(`${file}.txt`);
  await expect(text(drawn.map(asciiRow))).toMatchFileSnapshot(`${file}.ascii.txt`);
});

test('without a demo they say so, and what starts one', () => {
  const text = notesRows(null, 0, 80, 24).map(textOf).join('\n');
  expect(text).toContain('No demo runs.');
  expect(text).toContain('dmascope demo claims');
});

test('a talk that takes longer than planned is told by the clock', () => {
  const [head] = notesRows({ ...demo, minutes: 4 }, 252_000, 80, 24);
  expect(textOf(head)).toMatch(/04:12 of 04:00/);
  expect(head.some(({ text, token }) => text === '04:12' && token === 'blocked')).toBe(true);
});
