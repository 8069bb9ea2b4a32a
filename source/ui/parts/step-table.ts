/** The steps of a translation, one row each: what was read, what it held, and the memory reads so far. */
import type { Transaction } from '../../simulation/snapshot.ts';
import { type Explained, explainEnd, explainStep } from '../explain-step.ts';
import { glyph } from '../glyphs.ts';
import { cell, inverted, labelled, type Row, right, row, span, windowOf } from '../rows.ts';
import type { Token } from '../theme/tokens.ts';

/** The steps, and the end of the way as a last one. */
export const explainAll = (transaction: Transaction): Explained[] => [
  ...transaction.steps.map((step) => explainStep(step, transaction)),
  explainEnd(transaction),
];

const unknown = 'A recording has no single steps: it says what was asked and what came of it.';

export function stepTable(transaction: Transaction, at: number, width: number, room: number): Row[] {
  if (transaction.steps.length === 0) return labelled('', unknown, 3, width - 3);
  const all = explainAll(transaction);
  const roomy = width >= 96;
  const reads = roomy ? 13 : width >= 72 ? 12 : 0;
  const columns = { label: roomy ? 16 : 14, reads, value: roomy ? 20 : 12, cost: 5 };
  const meaning = width - 6 - columns.label - columns.reads - columns.value - columns.cost - 1;
  const heading = row(
    cell('', 6),
    cell('step', columns.label, 'label'),
    cell('reads', columns.reads, 'label'),
    cell('value', columns.value, 'label'),
    cell('meaning', meaning, 'label'),
    right('cost', columns.cost, 'label'),
  );
  const { start, end } = windowOf(all.length, at, room - 1);
  const rows = all.slice(start, end).map((each, i) => {
    const place = start + i;
    const later = place > at;
    const token = later ? 'faint' : valueToken(transaction, place);
    const spans = row(
      place === at ? glyph.selected : ' ',
      mark(transaction, place, at),
      right(String(place + 1), 2, later ? 'faint' : 'label'),
      ' ',
      cell(each.label, columns.label, later ? 'faint' : 'text'),
      cell(each.reads, columns.reads, later ? 'faint' : 'text'),
      cell(later ? '' : roomy ? each.value : short(each.value), columns.value, token),
      cell(later ? '' : each.meaning, meaning, token),
      right(later ? '' : String(costAt(transaction, place)), columns.cost, 'label'),
    );
    return place === at ? inverted(spans) : spans;
  });
  return [heading, ...rows];
}

/** An entry without its leading zeros. */
const short = (value: string): string => value.replace(/^0x0+(?=.)/, '0x');

const costAt = ({ steps }: Transaction, place: number): number =>
  steps[Math.min(place, steps.length - 1)]?.reads ?? 0;

const isRefusedAt = ({ steps, outcome }: Transaction, place: number): boolean =>
  place < steps.length ? steps[place].verdict === 'blocked' : outcome === 'blocked';

function mark(transaction: Transaction, place: number, at: number) {
  if (place > at) return span(`${glyph.later} `, 'faint');
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
