/** A kernel log, line by line: what it says about the remapping unit, explained; everything else is passed over. */
import { printable } from '../../commands/printable.ts';
import { decode } from '../decode.ts';
import { type Decoded, DecodeError } from './decoded.ts';

/** A line of the log, or two that belong together, and what there is to say about it. */
export type ExplainedLine = {
  /** Safe to print. */
  readonly line: string;
  /** A line about a unit has both its capability registers. */
  readonly decoded: readonly Decoded[];
};

export class LogReader {
  lines = 0;
  /** Lines about the remapping unit that say nothing about a fault, a register or a descriptor. */
  passedOver = 0;
  explained = 0;
  /** A message whose reason the oldest kernels print on the next line. */
  private unfinished: string | null = null;

  /** @returns what the line, or the one before it, says */
  read(line: string): ExplainedLine[] {
    this.lines++;
    const before = this.unfinished;
    this.unfinished = null;
    if (before !== null && isReason(line)) return this.explain(`${before} ${messageOf(line)}`);
    if (isFault.test(line) && !/\[fault reason/i.test(line)) {
      this.unfinished = line;
      return before === null ? [] : this.explain(before);
    }
    return [...(before === null ? [] : this.explain(before)), ...this.explain(line)];
  }

  /** @returns what was still open when the log ended */
  end(): ExplainedLine[] {
    const before = this.unfinished;
    this.unfinished = null;
    return before === null ? [] : this.explain(before);
  }

  private explain(line: string): ExplainedLine[] {
    const decoded = meaningsOf(line);
    if (decoded.length === 0) {
      if (/\bDMAR\b|INTR-REMAP/i.test(line)) this.passedOver++;
      return [];
    }
    this.explained++;
    return [{ line: printable(line.trim()), decoded }];
  }
}

const isFault = /Request device \[/i;
const isReason = (line: string): boolean => /\[fault reason/i.test(line) && !isFault.test(line);

/** Without the time stamp. */
const messageOf = (line: string): string => line.replace(/^.*?(?=(DMAR|dmar|INTR-REMAP|\[fault reason))/, '');

function meaningsOf(line: string): Decoded[] {
  const unit = /\bcap ([0-9a-f]{1,16}) ecap ([0-9a-f]{1,16})\b/i.exec(line);
  if (unit !== null) return [decode(['CAP', `0x${unit[1]}`]), decode(['ECAP', `0x${unit[2]}`])];
  const queue = /\bqw0 = (0x[0-9a-f]{1,16}), qw1 = (0x[0-9a-f]{1,16})\b/i.exec(line);
  if (queue !== null) return [decode(['descriptor', queue[1], queue[2]])];
  if (!/\bDMAR\b|\[fault reason|\bfault addr\b|INTR-REMAP/i.test(line)) return [];
  try {
    return [decode([line])];
  } catch (error) {
    // About the unit, but not about a fault, or damaged.
    if (!(error instanceof DecodeError)) throw error;
    return [];
  }
}

/**
 * Lines for people: the message, and under it what it says. What usually leads to a fault, and where to look, is told
 * once for each device and reason.
 */
export class LogText {
  private readonly told = new Set<string>();

  text({ line, decoded }: ExplainedLine): string {
    const rows = decoded.flatMap(({ kind, means, causes, look, fields }) => {
      const key = fields
        .filter(({ name }) => name === 'device' || name === 'reason')
        .map(({ value }) => value)
        .join(' ');
      const isNew = !this.told.has(key);
      this.told.add(key);
      const named = kind === 'CAP' || kind === 'ECAP' ? [`${kind}:`] : [];
      return [
        ...named,
        ...means,
        ...(isNew ? [...list('Likely causes', causes), ...list('Look at', look)] : []),
      ];
    });
    return `${[line, ...rows.map((row) => `  ${row}`)].join('\n')}\n\n`;
  }
}

const list = (title: string, items: readonly string[]): string[] =>
  items.length === 0 ? [] : [`${title}:`, ...items.map((item) => `  ${item}`)];
