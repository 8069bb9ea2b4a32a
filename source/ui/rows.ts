/** Rows of spans: what views are made of. Widths are display columns. */
import stringWidth from 'string-width';
import { glyph, isGlyph, toAscii } from './glyphs.ts';
import type { Token } from './theme/tokens.ts';

export type Span = {
  readonly text: string;
  readonly token: Token;
  readonly bold?: boolean;
  readonly inverse?: boolean;
  readonly underline?: boolean;
};

export type Row = readonly Span[];

type Weight = Pick<Span, 'bold' | 'inverse' | 'underline'>;

/**
 * The only way to make a span. Text may come from a recording that somebody else made, so control characters
 * and changes of writing direction, which would leave the row, are shown as a dot.
 */
export function span(text: string, token: Token = 'text', weight: Weight = {}): Span {
  return { text: sanitise(text), token, ...weight };
}

export const sanitise = (text: string): string =>
  /^[\x20-\x7e]*$/.test(text)
    ? text
    : text.replace(/[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, glyph.later);

export const blank: Row = [];

export const row = (...parts: readonly (Span | string)[]): Row =>
  parts.map((part) => (typeof part === 'string' ? span(part) : part));

export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  let rest = '';
  for (const character of text) {
    if (isGlyph(character) || (character >= ' ' && character <= '~')) width++;
    else rest += character;
  }
  return rest === '' ? width : width + stringWidth(rest);
}

export const rowWidth = (spans: Row): number => spans.reduce((sum, { text }) => sum + widthOf(text), 0);

export const textOf = (spans: Row): string => spans.map(({ text }) => text).join('');

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** As much of a text as fits, without a mark. */
export function slice(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let taken = '';
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    used += widthOf(segment);
    if (used > width) break;
    taken += segment;
  }
  return taken;
}

/** A text that does not fit ends in a mark. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return width <= 0 ? '' : slice(text, width - 1) + glyph.cut;
}

/** A text that does not fit loses its middle: for lines whose both ends matter. */
export function cutMiddle(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width <= 1) return cut(text, width);
  const characters = [...segmenter.segment(text)].map(({ segment }) => segment);
  const head = slice(text, Math.ceil((width - 1) / 2));
  let tail = '';
  for (let i = characters.length - 1; i >= 0; i--) {
    if (widthOf(characters[i] + tail) > width - 1 - widthOf(head)) break;
    tail = characters[i] + tail;
  }
  return head + glyph.cut + tail;
}

/** A text in exactly so many columns. */
export function padded(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const shown = cut(text, width);
  const gap = ' '.repeat(Math.max(0, width - widthOf(shown)));
  return align === 'left' ? shown + gap : gap + shown;
}

/** One cell of a table. */
export const cell = (text: string, width: number, token: Token = 'text', weight: Weight = {}): Span =>
  span(padded(sanitise(text), width), token, weight);

/** One cell whose text stands at the right: numbers. */
export const right = (text: string, width: number, token: Token = 'text', weight: Weight = {}): Span =>
  span(padded(sanitise(text), width, 'right'), token, weight);

/** A row in exactly so many columns. */
export function fitRow(spans: Row, width: number): Row {
  const whole = rowWidth(spans);
  if (whole === width) return spans;
  if (whole < width) return [...spans, span(' '.repeat(width - whole))];
  const kept: Span[] = [];
  let left = width;
  for (const part of spans) {
    const partWidth = widthOf(part.text);
    if (partWidth > left) {
      const text = left > 0 ? cut(part.text, left) : '';
      kept.push({ ...part, text: padded(text, left) });
      break;
    }
    kept.push(part);
    left -= partWidth;
    if (left === 0) break;
  }
  return kept;
}

/** Exactly so many rows. */
export const fitRows = (rows: readonly Row[], height: number): Row[] =>
  Array.from({ length: Math.max(0, height) }, (_, i) => rows[i] ?? blank);

/** Two parts of a row at its two ends. The left one gives way. */
export function ends(left: Row, rightPart: Row, width: number): Row {
  const rightWidth = Math.min(width, rowWidth(rightPart));
  return [...fitRow(left, width - rightWidth), ...fitRow(rightPart, rightWidth)];
}

/** Areas side by side, each with its width. */
export function beside(areas: readonly { rows: readonly Row[]; width: number }[], height: number): Row[] {
  return Array.from({ length: height }, (_, i) =>
    areas.flatMap(({ rows, width }) => fitRow(rows[i] ?? blank, width)),
  );
}

/** The selected row: inverse, the colours of its parts set aside. */
export const inverted = (spans: Row): Row => spans.map((part) => ({ ...part, inverse: true }));

/** Text broken at spaces into lines of at most so many columns. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of sanitise(text).split(/ +/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer) <= width || line === '') {
      line = longer;
    } else {
      lines.push(line);
      line = word;
    }
  }
  if (line !== '') lines.push(line);
  return lines.map((each) => cut(each, width));
}

/** The window onto a list: so many rows with the chosen one among them, in its middle where possible. */
export function windowOf(length: number, chosen: number, height: number): { start: number; end: number } {
  const last = Math.max(0, length - height);
  const start = Math.min(last, Math.max(0, chosen - Math.floor(height / 2)));
  return { start, end: Math.min(length, start + Math.max(0, height)) };
}

/** A label, and text that wraps beside it, in at most so many rows. */
export function labelled(
  label: string,
  text: string,
  labelWidth: number,
  width: number,
  token: Token = 'text',
): Row[] {
  return wrap(text, Math.max(8, width - labelWidth)).map((line, i) =>
    row(cell(i === 0 ? label : '', labelWidth, 'label'), span(line, token)),
  );
}

export const asciiRow = (spans: Row): Row => spans.map((part) => ({ ...part, text: toAscii(part.text) }));
