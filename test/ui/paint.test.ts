import { expect, test } from 'vitest';
import { row, span } from '../../source/ui/rows.ts';
import { needsAscii, themeFor } from '../../source/ui/theme/detect.ts';
import { paint } from '../../source/ui/theme/paint.ts';
import { dark, mono, palettes } from '../../source/ui/theme/palettes.ts';
import { tokens } from '../../source/ui/theme/tokens.ts';

test('neighbouring spans of one style become one run', () => {
  const spans = row(span('━━', 'passthrough'), span('╋', 'passthrough'), ' host');

  expect(paint(spans, dark, 24)).toBe('\x1b[1;38;2;230;159;0m━━╋\x1b[0m host');
});

test('plain text has no colour of its own in any theme', () => {
  for (const palette of Object.values(palettes)) expect(paint(row('nic0'), palette, 24)).toBe('nic0');
});

test('the theme without colour writes no colour, whatever the token and the terminal', () => {
  for (const token of tokens) {
    for (const depth of [1, 4, 8, 24] as const) {
      expect(paint([span('x', token)], mono, depth)).not.toMatch(/\x1b\[[\d;]*\b(3[0-9]|9[0-7])/);
    }
  }
});

test('colours fit what the terminal has', () => {
  const spans = [span('x', 'translated')];

  expect(paint(spans, dark, 8)).toBe('\x1b[38;5;74mx\x1b[0m');
  expect(paint(spans, dark, 4)).toBe('\x1b[36mx\x1b[0m');
  expect(paint(spans, dark, 1)).toBe('x');
});

test('a chosen row is inverse, the colours of its parts set aside', () => {
  expect(paint([span('PT', 'guest', { inverse: true })], dark, 24)).toBe('\x1b[7mPT\x1b[0m');
});

test('the background that the terminal names decides between dark and light', () => {
  expect(themeFor('\x1b]11;rgb:ffff/ffff/ffff\x1b\\')).toBe('light');
  expect(themeFor('\x1b]11;rgb:1616/1818/1d1d\x07')).toBe('dark');
  expect(themeFor('')).toBe('dark');
});

test('a glyph that moves the cursor by more than one cell, or another character set, asks for ASCII', () => {
  expect(needsAscii('\x1b[5;2R', {})).toBe(false);
  expect(needsAscii('\x1b[5;3R', { LANG: 'en_GB.UTF-8' })).toBe(true);
  expect(needsAscii('', { LANG: 'en_GB.UTF-8' })).toBe(false);
  expect(needsAscii('', { LC_ALL: 'C' })).toBe(true);
  expect(needsAscii('', { TERM: 'dumb' })).toBe(true);
});
