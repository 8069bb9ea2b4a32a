/** Text from outside, made safe to print. */

/**
 * Characters that could do something to a terminal or to the order of the text around them: controls, halves
 * of surrogate pairs, line separators, marks of writing direction, and what stands for bytes that are no text.
 */
const unprintable =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd]|\p{Surrogate}/u;
const everyUnprintable = new RegExp(unprintable, 'gu');

/** Where the first such character is; -1 if there is none. */
export const firstUnprintable = (text: string): number => text.search(unprintable);

/** The same text with such characters shown as `\x1b` or `\u2028`. */
export const printable = (text: string): string =>
  text.replace(everyUnprintable, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u${code.padStart(4, '0')}`;
  });

/** Likewise, but lines stay lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

const LONGEST = 80;

/** What came, in quotation marks, printable and not too long; `empty` where nothing came. */
export function quoted(text: string, empty = 'nothing'): string {
  if (text === '') return empty;
  const cut = text.length > LONGEST ? ` … (${text.length} characters)` : '';
  return `"${printable(text.slice(0, LONGEST))}"${cut}`;
}

/** A word as one would type it for a shell. */
export const shellText = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
