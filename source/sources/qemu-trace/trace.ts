/** A whole trace in memory. */
import { basename } from 'node:path';
import { printable } from '../../commands/printable.ts';
import type { Entry } from './event.ts';
import { TraceReader } from './line-reader.ts';
import type { QemuCommand } from './qemu-command.ts';
import { readText } from './read-text.ts';

export type Trace = {
  /** Name of the file, without folders, printable. */
  readonly file: string;
  /** Lines with an event. */
  readonly lines: number;
  /** Of these, with a `vtd_` event that is not in the table. */
  readonly other: number;
  /** Null where the file does not hold the command line. */
  readonly command: QemuCommand | null;
  /** Events that mean something here, and phases, in the order of the file; times never fall. */
  readonly entries: readonly Entry[];
  /** From the first event to the last. */
  readonly recordedNs: number;
};

/**
 * Read a trace.
 *
 * @throws TraceError
 */
export async function readTrace(file: string): Promise<Trace> {
  return parseTrace(await readText(file), file);
}

/** Read the text of a trace; `file` is for messages and titles. */
export function parseTrace(text: string, file: string): Trace {
  const reader = new TraceReader(file);
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    // A file that went through Windows has a carriage return at the end of each line.
    const last = text.charCodeAt(end - 1) === 0x0d && end > start ? end - 1 : end;
    reader.read(text.slice(start, last), newline >= 0);
    start = end + 1;
  }
  const { lines, other, command, entries, lastNs } = reader.finish();
  return { file: printable(basename(file)), lines, other, command, entries, recordedNs: lastNs };
}
