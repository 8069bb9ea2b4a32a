import stringWidth from 'string-width';
import { expect, test } from 'vitest';
import { glyphPairs, toAscii } from '../../source/ui/glyphs.ts';

test('every glyph and its stand-in take one column', () => {
  for (const [unicode, ascii] of glyphPairs) {
    expect([unicode, stringWidth(unicode)]).toEqual([unicode, 1]);
    expect(ascii).toMatch(/^[\x20-\x7e]$/);
  }
});

test('no glyph is declared twice', () => {
  const names = glyphPairs.map(([unicode]) => unicode);

  expect(new Set(names).size).toBe(names.length);
});

test('text without a stand-in becomes question marks, one for each character', () => {
  expect(toAscii('──◆▶ 磁')).toBe('--#> ?');
});
