/** One line of input with a cursor: pure functions from line to line. */

export type Line = {
  readonly text: string;
  /** Characters (not bytes) before the cursor. */
  readonly cursor: number;
};

export type Edit =
  | 'left'
  | 'right'
  | 'home'
  | 'end'
  | 'backspace'
  | 'delete'
  | 'word back'
  | 'to start'
  | { readonly insert: string };

export const lineOf = (text: string): Line => ({ text, cursor: [...text].length });

export function edit(line: Line, what: Edit): Line {
  const characters = [...line.text];
  const before = characters.slice(0, line.cursor);
  const after = characters.slice(line.cursor);
  const make = (head: readonly string[], tail: readonly string[]): Line => ({
    text: [...head, ...tail].join(''),
    cursor: head.length,
  });
  if (typeof what === 'object') return make([...before, ...printable(what.insert)], after);
  switch (what) {
    case 'left':
      return { ...line, cursor: Math.max(0, line.cursor - 1) };
    case 'right':
      return { ...line, cursor: Math.min(characters.length, line.cursor + 1) };
    case 'home':
      return { ...line, cursor: 0 };
    case 'end':
      return lineOf(line.text);
    case 'backspace':
      return make(before.slice(0, -1), after);
    case 'delete':
      return make(before, after.slice(1));
    case 'to start':
      return make([], after);
    case 'word back':
      return make([...before.join('').replace(/\S*\s*$/, '')], after);
  }
}

/** What a person may paste may hold anything: line breaks become spaces, control characters go. */
export const printable = (text: string): string =>
  text
    .replace(/\s+$/, '')
    .replace(/[\t\r\n]+/g, ' ')
    .replace(/[\p{Cc}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '') || (/^ +$/.test(text) ? text : '');

/** The word the cursor stands at the end of. */
export const wordAtCursor = (line: Line): string =>
  /\S*$/.exec([...line.text].slice(0, line.cursor).join(''))![0];

/** Complete the word at the cursor as far as the candidates agree; a single one gets a space after it. */
export function complete(line: Line, candidates: readonly string[]): { line: Line; open: readonly string[] } {
  const word = wordAtCursor(line);
  const matching = candidates.filter((candidate) => candidate.startsWith(word));
  if (matching.length === 0) return { line, open: [] };
  const common = matching.reduce((shared, candidate) => {
    let length = 0;
    while (length < shared.length && shared[length] === candidate[length]) length++;
    return shared.slice(0, length);
  });
  const characters = [...line.text];
  const atEnd = line.cursor === characters.length;
  const ending = matching.length === 1 && atEnd ? ' ' : '';
  const rest = common.slice(word.length) + ending;
  const head = characters.slice(0, line.cursor).join('') + rest;
  return {
    line: { text: head + characters.slice(line.cursor).join(''), cursor: [...head].length },
    open: matching.length > 1 ? matching : [],
  };
}

/** The part of a line that shows in so many columns, with the cursor in it. */
export function visible(line: Line, width: number): { before: string; at: string; after: string } {
  const characters = [...line.text, ' '];
  const start = Math.max(0, Math.min(line.cursor - width + 1, characters.length - width));
  const from = line.cursor < start ? line.cursor : start;
  const shown = characters.slice(from, from + width);
  const at = line.cursor - from;
  return { before: shown.slice(0, at).join(''), at: shown[at] ?? ' ', after: shown.slice(at + 1).join('') };
}
