/**
 * Every glyph outside ASCII that the screen draws, with its stand-in. Views write the first; at the edge of
 * the screen the second takes its place cell for cell, so that both screens have one layout.
 */
const pairs = {
  thin: ['─', '-'],
  heavy: ['━', '='],
  through: ['╋', '+'],
  unit: ['◆', '#'],
  arrow: ['▶', '>'],
  refused: ['✕', 'X'],
  corrupt: ['✖', '!'],
  selected: ['▸', '>'],
  passed: ['✓', 'v'],
  current: ['●', '*'],
  miss: ['○', 'o'],
  later: ['·', '.'],
  leads: ['→', '>'],
  deeper: ['›', '>'],
  cut: ['…', '~'],
  up: ['↑', '^'],
  down: ['↓', 'v'],
  left: ['←', '<'],
  minus: ['−', '-'],
  times: ['×', 'x'],
  pause: ['❚', '|'],
  ended: ['■', '#'],
  boot: ['↻', '@'],
  line: ['│', '|'],
  under: ['▔', '"'],
  micro: ['µ', 'u'],
  eighth1: ['▁', '.'],
  eighth2: ['▂', '_'],
  eighth3: ['▃', '-'],
  eighth4: ['▄', '='],
  eighth5: ['▅', '+'],
  eighth6: ['▆', '*'],
  eighth7: ['▇', '#'],
  eighth8: ['█', '#'],
} as const satisfies Record<string, readonly [string, string]>;

type Name = keyof typeof pairs;

export const glyph = Object.fromEntries(
  Object.entries(pairs).map(([name, [unicode]]) => [name, unicode]),
) as {
  readonly [N in Name]: string;
};

/** From empty to full. */
export const eighths = [' ', ...Array.from({ length: 8 }, (_, i) => glyph[`eighth${i + 1}` as Name])];

const standIns = new Map<string, string>(Object.values(pairs).map(([unicode, ascii]) => [unicode, ascii]));

/** The glyphs that take one cell although a table of widths may call some of them ambiguous. */
export const isGlyph = (character: string): boolean => standIns.has(character);

/** Text with stand-ins; what has none becomes a question mark. */
export const toAscii = (text: string): string =>
  text.replace(/[^\x20-\x7e]/gu, (character) => standIns.get(character) ?? '?');

export const glyphPairs: readonly (readonly [string, string])[] = Object.values(pairs);
