import { expect, test } from 'vitest';
import { nearest } from '../../source/linux/nearest.ts';

test.each([
  ['pasthrough', 'passthrough'],
  ['PASSTHROUGH', 'passthrough'],
  ['trnslated', 'translated'],
  ['xyz', null],
  ['', null],
])('the word near "%s" is %s', (word, expected) => {
  expect(nearest(word, ['passthrough', 'translated', 'blocked'])).toBe(expected);
});

test('of two words equally near the first is taken', () => {
  expect(nearest('nic', ['nic0', 'nic1'])).toBe('nic0');
});

test('how far a word may be can be limited', () => {
  expect(nearest('iomem', ['iommu'], 1)).toBeNull();
  expect(nearest('iomu', ['iommu'], 1)).toBe('iommu');
});
