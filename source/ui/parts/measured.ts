/** The table of what a scene of a demo measured: a row for each machine or moment, a bar beside each count. */
import type { MeasuredRow } from '../../simulation/snapshot.ts';
import { absent, exactly } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { blank, cell, type Row, right, row, span, wrap } from '../rows.ts';
import type { Area } from '../screen.ts';

type Value = MeasuredRow['values'][number]['value'];

type Column = {
  readonly gap: number;
  readonly heading: readonly string[];
  readonly values: readonly (Value | undefined)[];
  readonly texts: readonly string[];
  readonly width: number;
  /** Columns of its bar, 0 for none. */
  readonly bar: number;
};

const margin = 3;
/** Columns between two figures, and where they are many. */
const gap = 3;
const narrowGap = 2;
/** Longer headings take another line. */
const headingWidth = 11;
/** Of a row's name. */
const shortestLabel = 8;
/** A shorter bar says nothing. */
const shortestBar = 5;
const longestBar = 24;

/** The table with a blank row before it; air between its rows where the height has room for it. */
export function measuredRows(measured: readonly MeasuredRow[], { width, height }: Area): Row[] {
  const longest = Math.max(...measured.map((each) => each.row.length));
  const columns = columnsOf(measured, width - 2 * margin - longest);
  // Figures come whole; the name of a row gives way.
  const figures = columns.reduce((sum, column) => sum + column.gap + column.width + column.bar, 0);
  const labelWidth = Math.min(longest, Math.max(shortestLabel, width - margin - 1 - figures));
  const lines = measured.map((each, i) =>
    row(
      ' '.repeat(margin),
      cell(each.row, labelWidth, 'title'),
      ...columns.flatMap((column) => figure(column, i)),
    ),
  );
  const head = headingRows(columns, labelWidth);
  const spaced = height > 2 * lines.length + head.length;
  return [blank, ...head, ...lines.flatMap((line) => (spaced ? [blank, line] : [line]))];
}

/** Their last lines stand over the figures. */
function headingRows(columns: readonly Column[], labelWidth: number): Row[] {
  const height = Math.max(...columns.map(({ heading }) => heading.length));
  return Array.from({ length: height }, (_, line) =>
    row(
      ' '.repeat(margin + labelWidth),
      ...columns.flatMap(({ heading, gap: before, width, bar }) => [
        right(heading[line - height + heading.length] ?? '', before + width, 'label'),
        span(' '.repeat(bar)),
      ]),
    ),
  );
}

function figure({ values, texts, gap: before, width, bar }: Column, i: number) {
  const text = right(texts[i], before + width, values[i] === undefined ? 'faint' : 'text', { bold: true });
  return bar === 0 ? [text] : [text, cell(` ${barOf(values, i, bar - 1)}`, bar, 'translated')];
}

function columnsOf(measured: readonly MeasuredRow[], room: number): Column[] {
  const headings = [...new Set(measured.flatMap(({ values }) => values.map(({ heading }) => heading)))];
  const columns = headings.map((heading) => {
    const values = measured.map((each) => each.values.find((value) => value.heading === heading)?.value);
    const texts = values.map(textOf);
    const lines = wrap(heading, headingWidth);
    return {
      heading: lines,
      values,
      texts,
      width: Math.max(...[...lines, ...texts].map(({ length }) => length)),
    };
  });
  // One bar alone has nothing to be longer than.
  const counted = ({ values }: Pick<Column, 'values'>) =>
    values.filter((value) => typeof value === 'number').length > 1;
  const figures = columns.reduce((sum, { width }) => sum + gap + width, 0);
  const before = figures <= room ? gap : narrowGap;
  const left = Math.floor((room - figures) / Math.max(1, columns.filter(counted).length));
  const bar = left < shortestBar ? 0 : Math.min(longestBar, left);
  return columns.map((column) => ({ ...column, gap: before, bar: counted(column) ? bar : 0 }));
}

function textOf(value: Value | undefined): string {
  if (value === undefined) return absent;
  if (typeof value === 'string') return value;
  return exactly(Number.isInteger(value) ? value : Number(value.toFixed(value < 100 ? 1 : 0)));
}

/** Something is not nothing: a small count keeps a trace of a bar. */
function barOf(values: Column['values'], i: number, width: number): string {
  const value = values[i];
  if (typeof value !== 'number' || !(value > 0)) return '';
  const most = Math.max(...values.map((each) => (typeof each === 'number' ? each : 0)));
  const cells = Math.round((width * value) / most);
  // Not as high as a row, so that bars one below the other stay apart.
  return cells === 0 ? glyph.line : glyph.eighth6.repeat(cells);
}
