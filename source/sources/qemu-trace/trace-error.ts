/** What is wrong with a file that was meant to be a trace, in words that are safe to print. */

export class TraceError extends Error {
  override readonly name = 'TraceError';
  /** The file as it was named. */
  readonly file: string;
  /** Line number, counted from 1; null where the trouble is not with a line. */
  readonly line: number | null;

  constructor(file: string, line: number | null, problem: string) {
    super(`${printable(file)}: ${line === null ? '' : `line ${line}: `}${problem}`);
    this.file = file;
    this.line = line;
  }
}

const QUOTED = 60;

/**
 * Characters that could do something to a terminal or to the order of the text around them: controls, line
 * separators, marks of writing direction, and what stands for bytes that are no text.
 */
const unprintable = /[\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]/u;
const everyUnprintable = new RegExp(unprintable, 'gu');

/** Where the first such character is; -1 if there is none. */
export const firstUnprintable = (text: string): number => text.search(unprintable);

/** Text with its unprintable characters shown as `\x1b` or `\u2028`. */
export const printable = (text: string): string => text.replace(everyUnprintable, escaped);

function escaped(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u${code.padStart(4, '0')}`;
}

/** What came, in quotation marks, printable, and cut to a sensible length. */
export function quoted(text: string): string {
  if (text === '') return 'an empty line';
  const shown = printable(text.slice(0, QUOTED));
  return `"${shown}"${text.length > QUOTED ? ` … (${text.length} characters)` : ''}`;
}
