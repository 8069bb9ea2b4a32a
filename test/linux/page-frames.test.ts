import { expect, test } from 'vitest';
import { PAGE, PageFrames } from '../../source/linux/page-frames.ts';

test('every frame of a zone is given out once, then memory is exhausted', () => {
  const frames = new PageFrames(0x10_0000, 0x10_0000 + 64 * PAGE, 7919);
  const given = Array.from({ length: 64 }, () => frames.allocate());
  expect(new Set(given).size).toBe(64);
  expect(Math.min(...given)).toBe(0x10_0000);
  expect(Math.max(...given)).toBe(0x10_0000 + 63 * PAGE);
  expect(() => frames.allocate()).toThrow('out of memory between 0x100000 and 0x140000');
});

test('a frame that came back is given out next', () => {
  const frames = new PageFrames(0, 8 * PAGE);
  const [first] = [frames.allocate(), frames.allocate()];
  frames.release(first);
  expect(frames.allocate()).toBe(first);
});

test('with a stride, frames asked for one after another lie far apart', () => {
  const frames = new PageFrames(0, 65536 * PAGE, 7919);
  const [a, b] = [frames.allocate(), frames.allocate()];
  expect(Math.abs(b - a)).toBe(7919 * PAGE);
});
