/** What an experiment has measured so far: its curves beside the published points, and what fails. */
import { type Experiment, type Point, rounded, type Series } from '../../experiments/experiment.ts';
import { xText } from '../../output/experiment.ts';
import type { ExperimentState } from '../../simulation/snapshot.ts';
import { chart } from '../chart.ts';
import { glyph } from '../glyphs.ts';
import { cell, cut, ends, type Row, right, row, type Span, span, widthOf, wrap } from '../rows.ts';
import type { Area } from '../screen.ts';
import { shapeOf } from '../shape.ts';
import type { Token } from '../theme/tokens.ts';

const LABEL = 10;
/** A bar for what was simulated, a mark for what was published, and room between points. */
const COLUMN = 8;
/** A title, two rows of bars, and four of figures. */
const LEAST_CHART = 7;
/** So few points are rows of figures and no curve. */
const FEW = 2;

/** @param first the first series shown, or null: as many of the last ones as there is room for */
export function resultRows(
  known: ExperimentState,
  experiment: Experiment,
  area: Area,
  first: number | null,
): Row[] {
  const { result } = known;
  const failed = result.checks
    .filter(({ pass }) => !pass)
    .map(({ name, found, expected }) =>
      row(' ', span('FAIL ', 'blocked'), cut(`${name}: ${found}; expected ${expected}`, area.width - 7)),
    );
  const notes =
    result.note === null || known.state === 'running' || area.height < 14
      ? []
      : noteRows(result.note, area.width - 2 - LABEL, Math.max(1, Math.floor(area.height / 8)));
  const all = result.series.filter(({ points }) => points.length > 0);
  const height = area.height - 1 - failed.length - notes.length;
  const start = Math.min(first ?? lastFit(all, height), Math.max(0, all.length - 1));
  const visible = all.slice(start, start + fitting(all.slice(start), height));
  const places =
    visible.length === all.length
      ? ''
      : `   series ${start + 1} to ${start + visible.length} of ${all.length}`;
  const head = ends(
    row(' ', span(`${result.id} `, 'title'), result.preset, span(places, 'label')),
    row(verdict(known), ' '),
    area.width,
  );
  return [head, ...seriesRows(visible, experiment, { ...area, height }), ...failed, ...notes];
}

function noteRows(note: string, width: number, most: number): Row[] {
  const lines = wrap(note, width);
  const shown = [...lines.slice(0, most - 1), cut(lines.slice(most - 1).join(' '), width)];
  return shown.map((line, i) => row(' ', cell(i === 0 ? 'note' : '', LABEL, 'label'), line));
}

function verdict({ state, done, of, result: { kind, pass } }: ExperimentState): Span {
  if (state === 'running') return span(`${done} of ${of} points`, 'label');
  if (state === 'stopped') return span(`stopped at ${done} of ${of} points`, 'label');
  if (!pass) return span('FAILS', 'blocked');
  if (kind === 'demonstration') return span('shape as reported', 'ok');
  return span('passes', 'ok');
}

const isCurve = ({ points }: Series): boolean => points.length > FEW;

/** Rows that a series takes at least: as a curve, or below the heading that figures share. */
const leastOf = (series: Series, before: Series | undefined): number => {
  if (isCurve(series)) return LEAST_CHART;
  return series.points.length + (before === undefined || isCurve(before) ? 1 : 0);
};

/** How many of the first series there is room for; one at least. */
function fitting(all: readonly Series[], height: number): number {
  let used = 0;
  const end = all.findIndex((series, i) => {
    used += leastOf(series, all[i - 1]);
    return i > 0 && used > height;
  });
  return end < 0 ? all.length : end;
}

/** The first series from which on there is room for all. */
function lastFit(all: readonly Series[], height: number): number {
  const start = all.findIndex((_, i) => fitting(all.slice(i), height) === all.length - i);
  return Math.max(0, start);
}

function seriesRows(visible: readonly Series[], experiment: Experiment, area: Area): Row[] {
  const used = visible.reduce((sum, series, i) => sum + leastOf(series, visible[i - 1]), 0);
  const spare = Math.floor((area.height - used) / Math.max(1, visible.filter(isCurve).length));
  return visible.flatMap((series, i) => {
    if (isCurve(series))
      return curve(series, experiment, { ...area, height: LEAST_CHART + Math.max(0, spare) });
    const isFirst = i === 0 || isCurve(visible[i - 1]);
    return figures(series, isFirst, area);
  });
}

/** Few points: a row for each. */
function figures({ name, unit, points }: Series, isFirst: boolean, { width }: Area): Row[] {
  const nameWidth = Math.max(16, Math.min(48, width - 46));
  // Where there is no room for both, the unit gives way.
  const title = widthOf(named(name, unit)) > nameWidth ? name : named(name, unit);
  const heading = row(
    ' ',
    cell('', nameWidth + 1),
    cell('at', 13, 'label'),
    right('simulated', 10, 'label'),
    right('published', 10, 'label'),
  );
  const rows = points.map((point, i) =>
    row(
      ' ',
      cell(i === 0 ? title : '', nameWidth, 'label'),
      ' ',
      cell(xText(point.x, point.xUnit), 13),
      right(rounded(point.simulated), 10, point.pass === false ? 'blocked' : 'text'),
      right(publishedText(point), 10),
      right(off(point), 9, point.pass === false ? 'blocked' : 'label'),
    ),
  );
  return isFirst ? [heading, ...rows] : rows;
}

const named = (name: string, unit: string): string => (unit === '' ? name : `${name}, ${unit}`);

/** A bar and a mark for each point, and below them the figures. */
function curve({ name, unit, points }: Series, experiment: Experiment, { width, height }: Area): Row[] {
  const fit = Math.max(2, Math.floor((width - LABEL - 2) / COLUMN));
  const kept = shapeOf(
    points.map(({ simulated, published }) => published ?? simulated),
    fit,
  );
  const shown = kept.map((i) => points[i]);
  const left = points.length - shown.length;
  const top = Math.max(...shown.flatMap(({ simulated, published }) => [simulated, published ?? 0])) || 1;
  const lines = height - (points.some(({ published }) => published !== null) ? 5 : 3);
  const columns = shown.map(({ simulated, published, pass }) => ({
    bar: chart(Array<number>(3).fill(simulated / top), 3, lines),
    token: pass === false ? ('blocked' as const) : ('text' as const),
    mark: published === null ? null : mark(published / top, lines),
  }));
  const bars = Array.from({ length: lines }, (_, line) =>
    row(
      right(line === 0 ? rounded(top) : line === lines - 1 ? '0' : '', LABEL, 'label'),
      ' ',
      ...columns.flatMap(({ bar, token, mark: at }) => [
        span(bar[line], token),
        span(at?.line === line ? ` ${at.glyph.repeat(3)} ` : '     ', 'key'),
      ]),
    ),
  );
  const legend = row(
    span(glyph.eighth8.repeat(3)),
    span(' simulated  ', 'label'),
    span(glyph.heavy.repeat(3), 'key'),
    span(' published ', 'label'),
  );
  const line = (label: string, text: (point: Point) => string, token: (point: Point) => Token): Row =>
    row(' ', cell(label, LABEL, 'label'), ...shown.map((point) => cell(text(point), COLUMN, token(point))));
  const judged = (token: Token) => (point: Point) => (point.pass === false ? 'blocked' : token);
  const isCompared = shown.some(({ published }) => published !== null);
  const omitted = left === 0 ? '' : `; ${shown.length} of ${points.length} points`;
  const title = row(' ', span(`${named(name, unit)}, by ${xTitle(experiment)}${omitted}`, 'label'));
  return [
    isCompared ? ends(title, legend, width) : title,
    ...bars,
    line('at', short, () => 'label'),
    line('simulated', ({ simulated }) => rounded(simulated), judged('text')),
    ...(isCompared
      ? [line('published', publishedText, () => 'key'), line('off by', off, judged('label'))]
      : []),
  ];
}

const publishedText = ({ published }: Point): string => (published === null ? '' : rounded(published));

/** Where a mark stands: the line from the top, and how high in it. */
function mark(share: number, lines: number): { readonly line: number; readonly glyph: string } {
  const up = Math.min(lines - 1, Math.floor(share * lines));
  const within = share * lines - up;
  return {
    line: lines - 1 - up,
    glyph: within < 1 / 3 ? glyph.eighth1 : within < 2 / 3 ? glyph.heavy : glyph.under,
  };
}

/** How far a point is off what was published, with a mark where that is too far. */
function off({ simulated, published, pass }: Point): string {
  if (published === null) return '';
  const percent = 100 * (simulated / published - 1);
  const figure = Math.abs(percent) < 9.95 ? percent.toFixed(1) : percent.toFixed(0);
  const signed = percent < 0 ? figure.replace('-', glyph.minus) : `+${figure}`;
  return `${pass === false ? glyph.refused : ''}${signed} %`;
}

/** What x is, with its unit where the values do not have it. */
const xTitle = ({ xName, xUnit }: Experiment): string =>
  ['', 'B', '1/s', xName].includes(xUnit) ? xName : `${xName} in ${xUnit}`;

const short = ({ x, xUnit }: Point): string =>
  xUnit === 'B' || xUnit === '1/s' ? xText(x, xUnit) : rounded(x);
