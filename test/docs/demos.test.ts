import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nameMeanings } from '../../source/commands/expect/values.ts';
import { builtInNames } from '../../source/demo/built-in.ts';
import { checkDemo, failuresOf } from '../../source/demo/check-demo.ts';
import { readDemo } from '../../source/demo/read-demo.ts';

const page = readFileSync('docs/demos.md', 'utf8');

test('the demo on the page is one, and all that it expects is so', () => {
  const [, example] = /\n\n((?: {4}.*\n|\n)*? {4}# [\s\S]*?)\n- `#`/.exec(page) ?? [];
  const demo = readDemo(example.replace(/^ {4}/gm, ''), 'example', 'example.md');
  expect(demo.scenes.map(({ heading }) => heading)).toEqual([
    'The stray write lands',
    'Translated, it is a fault',
  ]);
  expect(failuresOf(demo, checkDemo(demo, { boot: '', seed: 42 }))).toEqual([]);
});

test('the page has every name that can be expected, and every built-in demo', () => {
  for (const { name, meaning } of nameMeanings) expect(page).toContain(`| \`${name}\` | ${meaning} |`);
  for (const name of builtInNames) expect(page).toContain(`\`${name}\``);
});
