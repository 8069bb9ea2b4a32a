/** Lines of a trace, one after the other, to entries. */

import { firstUnprintable, quoted } from '../../commands/printable.ts';
import type { Entry, TraceEvent } from './event.ts';
import { events } from './event-table.ts';
import { type Phase, parsePhase } from './phase.ts';
import { parseQemuCommand, type QemuCommand } from './qemu-command.ts';
import { TraceError } from './trace-error.ts';

const LINE = /^\d{1,10}@(\d{1,10})\.(\d{6}):(vtd_\w+)(?: (.*))?$/;
const expected = 'expected PROCESS@SECONDS.MICROSECONDS:vtd_EVENT … or a comment with #';

/**
 * QEMU's threads take the time before they queue for the log, so that a line may be a little older than the
 * one before it. More than this is a clock that was set, or files put together: no time axis follows from it.
 */
const BACKWARDS_NS = 1e9;

/** The longest line is the command of QEMU. */
const LONGEST_LINE = 65_536;

export class TraceReader {
  readonly entries: Entry[] = [];
  lines = 0;
  other = 0;
  command: QemuCommand | null = null;
  lastNs = 0;
  private readonly file: string;
  private line = 0;
  /** The time of the first event. */
  private first: { readonly seconds: number; readonly microseconds: number } | null = null;
  private phase: Phase | null = null;
  private linesBeforePhase = 0;
  /** Phases whose time is not settled: it lies between the events around them. */
  private readonly unsettled: number[] = [];

  constructor(file: string) {
    this.file = file;
  }

  /** @param whole the line ended with a newline */
  read(text: string, whole: boolean): void {
    this.line++;
    if (text.length > LONGEST_LINE) {
      throw this.error(`expected at most ${LONGEST_LINE} characters, got ${quoted(text)}`);
    }
    const strange = firstUnprintable(text);
    if (strange >= 0) {
      throw this.error(`expected text, got ${quoted(text.slice(Math.max(0, strange - 20)))}`);
    }
    if (text.startsWith('#')) this.comment(text);
    else this.event(text);
    // QEMU ends each line, so what looks whole is not: a number may have lost digits.
    if (!whole)
      throw this.error(`expected the end of the line, got the end of the file after ${quoted(text)}`);
  }

  finish(): this {
    if (this.line === 0) throw new TraceError(this.file, null, 'expected a trace, got an empty file');
    this.endPhase();
    if (this.lines === 0) throw this.error('expected an event somewhere, got comments alone');
    this.settle(this.lastNs);
    return this;
  }

  private comment(text: string): void {
    const phase = parsePhase(text);
    if (phase !== null) {
      this.endPhase();
      this.phase = phase;
      this.linesBeforePhase = this.lines;
      this.unsettled.push(this.entries.length);
      this.add({ kind: 'phase', phase });
    } else this.command ??= parseQemuCommand(text);
  }

  /** A phase says how many lines it has, so a file cut off between two lines does not pass for a whole one. */
  private endPhase(): void {
    if (this.phase === null) return;
    const { name, kept } = this.phase;
    const got = this.lines - this.linesBeforePhase;
    if (kept !== null && kept !== got) {
      throw this.error(`expected ${kept} lines in the phase ${quoted(name)}, got ${got}: it is not whole`);
    }
  }

  private event(text: string): void {
    const match = LINE.exec(text);
    if (match === null) throw this.error(`${expected}, got ${quoted(text, 'an empty line')}${advice(text)}`);
    const [, seconds, microseconds, name, rest = ''] = match;
    const timeNs = this.timeOf(Number(seconds), Number(microseconds));
    if (timeNs < this.lastNs - BACKWARDS_NS) {
      const back = ((this.lastNs - timeNs) / 1e9).toFixed(3);
      throw this.error(`expected a time not before the last line's, got one ${back} s earlier`);
    }
    this.lines++;
    if (timeNs > this.lastNs) this.lastNs = timeNs;
    if (this.unsettled.length > 0) this.settle(this.lastNs);
    const reader = Object.hasOwn(events, name) ? events[name] : undefined;
    if (reader === undefined) this.other++;
    else if (reader.text !== undefined && reader.read !== undefined) {
      const groups = reader.text.exec(rest);
      if (groups === null) throw this.error(`expected ${name} as QEMU prints it, got ${quoted(text)}`);
      this.add(reader.read(groups));
    }
  }

  private timeOf(seconds: number, microseconds: number): number {
    this.first ??= { seconds, microseconds };
    return (seconds - this.first.seconds) * 1e9 + (microseconds - this.first.microseconds) * 1e3;
  }

  private add(event: TraceEvent): void {
    this.entries.push({ line: this.line, timeNs: this.lastNs, event });
  }

  /**
   * Give the phases since the last event their time: what they say themselves, as far as it lies between
   * the events around them. A device in pass-through leaves phases without any event.
   *
   * @param next the time of the event after them
   */
  private settle(next: number): void {
    for (const index of this.unsettled) {
      const entry = this.entries[index];
      if (entry.event.kind !== 'phase') continue;
      const before = this.entries[index - 1]?.timeNs ?? 0;
      const timeNs = Math.min(next, Math.max(before, entry.timeNs, entry.event.phase.startNs ?? next));
      this.entries[index] = { ...entry, timeNs };
    }
    this.unsettled.length = 0;
  }

  private error(problem: string): TraceError {
    return new TraceError(this.file, this.line, problem);
  }
}

/** What to do about lines that only lack their time. */
const advice = (text: string): string =>
  /^vtd_\w+/.test(text) ? '. QEMU adds the time with -msg timestamp=on' : '';
