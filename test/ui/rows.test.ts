import { expect, test } from 'vitest';
import {
  cut,
  cutMiddle,
  ends,
  fitRow,
  padded,
  row,
  rowWidth,
  sanitise,
  span,
  textOf,
  widthOf,
  windowOf,
  wrap,
} from '../../source/ui/rows.ts';

test('widths are display columns, not characters', () => {
  expect(widthOf('nic0')).toBe(4);
  expect(widthOf('━━╋━▶')).toBe(5);
  expect(widthOf('磁盘')).toBe(4);
});

test('a text that does not fit ends in a mark, and fills its columns exactly', () => {
  expect(cut('context entry', 9)).toBe('context …');
  expect(padded('nic0', 6)).toBe('nic0  ');
  expect(padded('412k', 6, 'right')).toBe('  412k');
  expect(padded('磁盘磁盘', 4)).toBe('磁… ');
});

test('a long boot line loses its middle, where both ends matter', () => {
  expect(cutMiddle('intel_iommu=on quiet splash iommu=pt', 21)).toBe('intel_iomm…h iommu=pt');
});

test('control characters and changes of writing direction never leave a span', () => {
  const hostile = 'a\x1b[2Jb\nc\x9bd\u202ee\u0007';

  expect(sanitise(hostile)).toBe('a·[2Jb·c·d·e·');
  expect(span(hostile).text).toBe(sanitise(hostile));
});

test('a row is cut or filled to exactly so many columns', () => {
  const long = row('one ', span('two', 'title'), ' three');

  expect(textOf(fitRow(long, 7))).toBe('one two');
  expect(textOf(fitRow(long, 9))).toBe('one two …');
  expect(rowWidth(fitRow(row('one'), 12))).toBe(12);
});

test('of two ends of a row the left one gives way', () => {
  expect(textOf(ends(row('a long title'), row('12 ms'), 12))).toBe('a long…12 ms');
});

test('text is broken at spaces', () => {
  expect(wrap('nothing stopped the stray write', 16)).toEqual(['nothing stopped', 'the stray write']);
});

test('the window onto a list keeps the chosen row in sight and never runs past its ends', () => {
  expect(windowOf(10, 0, 4)).toEqual({ start: 0, end: 4 });
  expect(windowOf(10, 5, 4)).toEqual({ start: 3, end: 7 });
  expect(windowOf(10, 9, 4)).toEqual({ start: 6, end: 10 });
  expect(windowOf(2, 1, 4)).toEqual({ start: 0, end: 2 });
});
