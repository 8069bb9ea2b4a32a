import { expect, test } from 'vitest';
import { Pace } from '../../source/sources/simulator/pace.ts';

const after = (ticks: number, speed: number, simulatedMs: number): number | null => {
  const pace = new Pace();
  for (let i = 0; i < ticks; i++) pace.note(20, simulatedMs * 1e6, speed);
  return pace.reached;
};

test('a computer that keeps up reaches what was asked for, and nothing is said', () => {
  expect(after(100, 64, 1.28)).toBeNull();
  expect(after(0, 64, 0)).toBeNull();
});

test('one that falls short says what it reaches', () => {
  expect(after(100, 64, 0.64)).toBeCloseTo(32);
});

test('as fast as it goes is never too slow, and another speed is measured anew', () => {
  expect(after(100, Number.POSITIVE_INFINITY, 0.64)).toBeNull();
  const pace = new Pace();
  for (let i = 0; i < 100; i++) pace.note(20, 0.64e6, 64);
  pace.note(20, 0.02e6, 1);
  expect(pace.reached).toBeNull();
});
