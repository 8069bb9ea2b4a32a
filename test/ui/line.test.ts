import { expect, test } from 'vitest';
import { complete, edit, type Line, lineOf, visible } from '../../source/ui/line.ts';

const at = (text: string): Line => ({ text: text.replace('|', ''), cursor: text.indexOf('|') });
const shown = ({ text, cursor }: Line): string => `${text.slice(0, cursor)}|${text.slice(cursor)}`;

test.each([
  ['iommu=|pt', { insert: 'x' }, 'iommu=x|pt'],
  ['iommu=|pt', 'left', 'iommu|=pt'],
  ['|iommu', 'left', '|iommu'],
  ['iommu|', 'right', 'iommu|'],
  ['iom|mu', 'home', '|iommu'],
  ['iom|mu', 'end', 'iommu|'],
  ['iom|mu', 'backspace', 'io|mu'],
  ['|iommu', 'backspace', '|iommu'],
  ['iom|mu', 'delete', 'iom|u'],
  ['intel_iommu=on iommu=pt |quiet', 'word back', 'intel_iommu=on |quiet'],
  ['intel_iommu=on iommu|=pt', 'to start', '|=pt'],
] as const)('%s with %o becomes %s', (before, what, after) => {
  expect(shown(edit(at(before), what))).toBe(after);
});

test('pasted text becomes one line without control characters', () => {
  expect(edit(lineOf(''), { insert: 'intel_iommu=on\n\x1b[31miommu=pt\r\n' }).text).toBe(
    'intel_iommu=on [31miommu=pt',
  );
});

test('a blank can be typed', () => {
  expect(edit(lineOf('a'), { insert: ' ' }).text).toBe('a ');
});

test('a word is completed as far as the candidates agree, and shows what is left to choose', () => {
  const words = ['iommu=pt', 'iommu=off', 'intel_iommu=on'];

  expect(complete(lineOf('quiet io'), words)).toEqual({
    line: lineOf('quiet iommu='),
    open: ['iommu=pt', 'iommu=off'],
  });
  expect(complete(lineOf('int'), words)).toEqual({ line: lineOf('intel_iommu=on '), open: [] });
  expect(complete(lineOf('xyz'), words)).toEqual({ line: lineOf('xyz'), open: [] });
});

test('a long line scrolls so that the cursor stays in sight', () => {
  const line = lineOf('0123456789');

  expect(visible(line, 5)).toEqual({ before: '6789', at: ' ', after: '' });
  expect(visible({ ...line, cursor: 0 }, 5)).toEqual({ before: '', at: '0', after: '1234' });
});
