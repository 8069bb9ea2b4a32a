import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { kinds } from '../../source/output/decode/kinds.ts';
import { decode, decodedJson, decodedText } from '../../source/output/decode.ts';

const page = readFileSync('docs/decode.md', 'utf8');

const rows = [...page.matchAll(/^\| `([^`…]+)` \| (.+) \|$/gm)].map(([, words, says]) => ({ words, says }));

test.each(rows)('$words says what the page says', ({ words, says }) => {
  expect(decode(words.split(' ')).means).toContain(says);
});

test('every kind has an example', () => {
  const shown = new Set(rows.map(({ words }) => words.split(' ')[0]));
  expect([...shown].sort()).toEqual(kinds.map(({ name }) => name).sort());
});

const outputs = [...page.matchAll(/^ {4}\$ dmascope decode (.+)\n((?: {4}.*\n|\n(?= {4}))+)/gm)].map(
  ([, words, output]) => ({ words, output: output.replace(/^ {4}/gm, '') }),
);

test('there are outputs to check', () => expect(outputs).toHaveLength(3));

test.each(outputs)('the output of $words is the one on the page', ({ words, output }) => {
  const quoted = /^'(.+)'$/.exec(words);
  expect(decodedText(decode(quoted === null ? words.split(' ') : [quoted[1]]))).toBe(output);
});

test('every part of the JSON is on the page', () => {
  for (const key of Object.keys(JSON.parse(decodedJson(decode(['FSTS', '0']))))) {
    expect(page).toContain(`\`${key}\``);
  }
});
