/** What is wrong with a file that was meant to be a trace, in words that are safe to print. */
import { printable } from '../../commands/printable.ts';

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
