import { expect, test } from 'vitest';
import { speedText } from '../../source/commands/speed.ts';
import {
  bytes,
  ceiling,
  duration,
  frame,
  iova,
  percent,
  quantity,
  round,
  time,
  wordText,
} from '../../source/ui/format.ts';

test.each([
  [0, '0'],
  [0.2, '<1'],
  [12, '12'],
  [840, '840'],
  [999.7, '1.00k'],
  [5356, '5.36k'],
  [34_144, '34.1k'],
  [412_000, '412k'],
  [999_900, '1.00M'],
  [1.24e6, '1.24M'],
  [2.1e9, '2.10G'],
  [Number.NaN, '─'],
  [Number.POSITIVE_INFINITY, '─'],
])('%d is written as %s', (value, text) => {
  expect(quantity(value)).toBe(text);
  expect(quantity(value).length).toBeLessThanOrEqual(5);
});

test('a share is never rounded up to all, and nothing of nothing is absent', () => {
  expect(percent(987, 1000)).toBe('98.7%');
  expect(percent(99_999, 100_000)).toBe('99.9%');
  expect(percent(5, 5)).toBe('100%');
  expect(percent(0, 0)).toBe('─');
});

test('times are milliseconds with three decimals, and seconds when they get long', () => {
  expect(time(12_480_000)).toBe('12.480 ms');
  expect(time(9_999_999_000)).toBe('9999.999 ms');
  expect(time(10_000_000_000)).toBe('10.000 s');
  expect(duration(16_000_000)).toBe('16 ms');
  expect(duration(480_000)).toBe('480 µs');
});

test('addresses have eight digits for devices and nine for the host, more if they are longer', () => {
  expect(iova('0x204a40')).toBe('0x00204a40');
  expect(frame('0x204a40')).toBe('0x000204a40');
  expect(iova('0x8000000000')).toBe('0x8000000000');
  expect(wordText([0x00105001, 0])).toBe('0x0000000000105001');
  expect(wordText([-1, -1])).toBe('0xffffffffffffffff');
});

test('sizes use binary units where they are whole', () => {
  expect(bytes(64)).toBe('64 B');
  expect(bytes(1514)).toBe('1514 B');
  expect(bytes(4096)).toBe('4 KiB');
  expect(bytes(2 ** 21)).toBe('2 MiB');
});

test('speeds below one are fractions, and the fastest has a word', () => {
  expect(speedText(1 / 16)).toBe('1/16x');
  expect(speedText(4)).toBe('4x');
  expect(speedText(Number.POSITIVE_INFINITY)).toBe('max');
});

test('the ceiling of a chart is 1, 2 or 5 times a power of ten', () => {
  expect([0, 11, 41_600, 50_000, 50_001, 104_000].map(ceiling)).toEqual([
    10, 20, 50_000, 50_000, 100_000, 200_000,
  ]);
  expect(round(200_000)).toBe('200k');
});
