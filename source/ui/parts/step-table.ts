/** The steps of a translation, one row each: what was read, what it held, and the memory reads so far. */
import type { Transaction } from '../../simulation/snapshot.ts';
import { type Explained, explainEnd, explainStep } from '../explain-step.ts';
import { frame, iova, plural } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { cell, inverted, labelled, type Row, right, row, span, windowOf } from '../rows.ts';
import type { Token } from '../theme/tokens.ts';
import { isSecondStage } from '../walk-indices.ts';

/** The steps, and the end of the way as a last one. */
export const explainAll = (transaction: Transaction): Explained[] => [
  ...transaction.steps.map((step) => explainStep(step, transaction)),
  explainEnd(transaction),
];

const unknown = 'A recording has no single steps: it says what was asked and what came of it.';

export function stepTable(transaction: Transaction, at: number, width: number, room: number): Row[] {
  if (transaction.steps.length === 0 && transaction.outcome !== 'peer-to-peer')
    return labelled('', unknown, 3, width - 3);
  const all = explainAll(transaction);
  const roomy = width >= 96;
  const reads = width >= 72 ? 13 : 0;
  const columns = { label: roomy ? 16 : 14, reads, value: roomy ? 20 : 12, cost: 5 };
  const meaning = width - 6 - columns.label - columns.reads - columns.value - columns.cost - 1;
  const heading = row(
    cell('', 6),
    cell('step', columns.label, 'label'),
    cell('read from', columns.reads, 'label'),
    cell('value', columns.value, 'label'),
    cell('meaning', meaning, 'label'),
    right('reads', columns.cost, 'label'),
  );
  const lines = folded(transaction, at);
  const chosen = lines.findIndex(({ from, to }) => from <= at && at <= to);
  const { start, end } = windowOf(lines.length, chosen, room - 1);
  const rows = lines.slice(start, end).map(({ from, to }) => {
    const isFold = to > from;
    const each = isFold ? foldText(transaction, from, to) : all[from];
    const later = from > at;
    const token = later ? 'faint' : valueToken(transaction, to);
    const isInside = !isFold && from < transaction.steps.length && isSecondStage(transaction.steps[from]);
    const label = isInside ? `  ${each.label}` : each.label;
    const spans = row(
      from === at ? glyph.selected : ' ',
      mark(transaction, to, later),
      right(String(from + 1), 2, later ? 'faint' : 'label'),
      ' ',
      cell(label, columns.label, later ? 'faint' : 'text'),
      cell(each.reads, columns.reads, later ? 'faint' : 'text'),
      cell(later ? '' : roomy ? each.value : short(each.value), columns.value, token),
      cell(later ? '' : each.meaning, meaning, token),
      right(later ? '' : String(costAt(transaction, to)), columns.cost, 'label'),
    );
    return from === at ? inverted(spans) : spans;
  });
  return [heading, ...rows];
}

/** Lines of the whole table, without its heading. */
export const stepLines = (transaction: Transaction, at: number): number => folded(transaction, at).length;

/** First and last step of a line. */
type Line = { readonly from: number; readonly to: number };

/** The walks of the second stage in a nested one are a line each, but for that in which the chosen step is. */
function folded({ steps }: Transaction, at: number): Line[] {
  const lines: Line[] = [];
  for (let from = 0; from <= steps.length; ) {
    let to = from;
    if (from < steps.length && isSecondStage(steps[from])) {
      const { level } = steps[from].guest as { level: number };
      while (to + 1 < steps.length && isSecondStage(steps[to + 1]) && steps[to + 1].guest?.level === level)
        to++;
    }
    if (from <= at && at <= to) for (let i = from; i <= to; i++) lines.push({ from: i, to: i });
    else lines.push({ from, to });
    from = to + 1;
  }
  return lines;
}

/** A whole walk of the second stage: what it was for, how many reads it took, and where it ended. */
function foldText({ steps, output }: Transaction, from: number, to: number) {
  const { guest, verdict } = steps[to];
  const before = from === 0 ? 0 : steps[from - 1].reads;
  const host = guest?.level === 0 ? output : steps[to + 1]?.address;
  const isRefused = verdict === 'blocked' || host == null;
  return {
    label: 'second stage',
    reads: iova(guest?.address ?? 0),
    value: plural(steps[to].reads - before, 'read'),
    meaning: isRefused ? 'refused there' : `guest to host ${frame(host)}`,
  };
}

/** An entry without its leading zeros. */
const short = (value: string): string => value.replace(/^0x0+(?=.)/, '0x');

const costAt = ({ steps }: Transaction, place: number): number =>
  steps[Math.min(place, steps.length - 1)]?.reads ?? 0;

const isRefusedAt = ({ steps, outcome }: Transaction, place: number): boolean =>
  place < steps.length ? steps[place].verdict === 'blocked' : outcome === 'blocked';

function mark(transaction: Transaction, place: number, later: boolean) {
  if (later) return span(`${glyph.later} `, 'faint');
  if (isRefusedAt(transaction, place)) return span(`${glyph.refused} `, 'blocked');
  if (place === transaction.steps.length && transaction.corrupted)
    return span(`${glyph.corrupt} `, 'corrupt');
  const isMiss = transaction.steps[place]?.verdict === 'miss';
  return isMiss ? span(`${glyph.miss} `) : span(`${glyph.passed} `, 'ok');
}

function valueToken(transaction: Transaction, place: number): Token {
  if (isRefusedAt(transaction, place)) return 'blocked';
  return place === transaction.steps.length && transaction.corrupted ? 'corrupt' : 'text';
}
