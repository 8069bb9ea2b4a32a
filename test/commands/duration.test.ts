import fc from 'fast-check';
import { expect, test } from 'vitest';
import { durationText, parseDuration } from '../../source/commands/duration.ts';

test.each([
  ['0ns', 0],
  ['400ns', 400],
  ['250us', 250e3],
  ['250µs', 250e3],
  ['10ms', 10e6],
  ['1.5s', 1.5e9],
  ['0.5us', 500],
  ['1.0004us', 1000],
])('%s is %i ns', (text, nanoseconds) => {
  expect(parseDuration(text)).toBe(nanoseconds);
});

test.each([
  '',
  '10',
  'ms',
  '-1ms',
  '1e3ns',
  '1 ms',
  '.5ms',
  '5.ms',
  '10MS',
  '9999999999s',
  'Infinitys',
  '0x10ms',
])('"%s" is no duration', (text) => {
  expect(parseDuration(text)).toBeNull();
});

test.each([
  [0, '0ns'],
  [999, '999ns'],
  [1500, '1.5us'],
  [10e6, '10ms'],
  [12.477e6, '12.477ms'],
  [2.5e9, '2.5s'],
])('%i ns are written %s', (nanoseconds, text) => {
  expect(durationText(nanoseconds)).toBe(text);
});

test('what is written is read back exactly', () => {
  const close = fc.tuple(fc.nat(), fc.constantFrom(1, 1e3, 1e6)).map(([count, unit]) => count * unit);
  fc.assert(
    fc.property(fc.oneof(fc.nat(), fc.maxSafeNat(), close), (nanoseconds) => {
      fc.pre(Number.isSafeInteger(nanoseconds));
      expect(parseDuration(durationText(nanoseconds))).toBe(nanoseconds);
    }),
    { numRuns: 2000 },
  );
});
