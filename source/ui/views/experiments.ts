/** View: published measurements. One to pick, and its curve as it grows. */
import type { Experiment, Point, Result, Series } from '../../experiments/experiment.ts';
import { rounded } from '../../experiments/experiment.ts';
import { experiments as all } from '../../experiments/index.ts';
import { citationOf } from '../../experiments/published.ts';
import { chart } from '../chart.ts';
import { blank, cell, cut, ends, inverted, type Row, right, row, span, windowOf, wrap } from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';
import type { Token } from '../theme/tokens.ts';
import { stepped, type View } from './view.ts';

const chosenAt = ({ selection }: Scene): number =>
  Math.min(all.length - 1, Math.max(0, selection.cursors.experiments ?? 0));

function draw(scene: Scene, area: Area): Row[] {
  const chosen = chosenAt(scene);
  const room = Math.max(3, Math.min(all.length, Math.floor(area.height / 3)));
  const { start, end } = windowOf(all.length, chosen, room);
  const list = all.slice(start, end).map((experiment, i) => listRow(experiment, start + i === chosen, area));
  const result = resultOf(scene, all[chosen]);
  const below =
    result === null
      ? about(all[chosen], area)
      : curve(scene, result, { ...area, height: area.height - room - 2 });
  return [blank, ...list, blank, ...below];
}

/** What is known of an experiment, if it is the one that ran last. */
function resultOf({ snapshot }: Scene, { id }: Experiment): Result | null {
  const result = snapshot.experiment?.result;
  return result?.id === id ? result : null;
}

function listRow({ id, kind, title }: Experiment, isChosen: boolean, { width }: Area): Row {
  const line = row(
    ' ',
    cell(id, 5, 'title'),
    cell(kind === 'gate' ? '' : 'demo', 5, 'label'),
    cell(cut(title, width - 12), width - 12),
  );
  return isChosen ? inverted(line) : line;
}

function about({ id, setup, note }: Experiment, { width }: Area): Row[] {
  const text = (label: string, words: string): Row[] =>
    wrap(words, width - 14).map((line, i) => row(' ', cell(i === 0 ? label : '', 12, 'label'), line));
  return [
    ...text('measured', setup),
    ...text('by', citationOf(id)),
    ...(note === undefined ? [] : text('note', note)),
    blank,
    row(
      ' ',
      span('enter', 'key'),
      ' runs it.  ',
      span(`:experiment ${id} live`, 'key'),
      ' boots a machine set up like it.',
    ),
  ];
}

function curve({ snapshot }: Scene, result: Result, area: Area): Row[] {
  const { done = 0, of = 0 } = snapshot.experiment ?? {};
  const isOver = done === of;
  const verdict: [string, Token] = !isOver
    ? [`${done} of ${of} points`, 'label']
    : result.pass
      ? ['passes', 'ok']
      : ['FAILS', 'blocked'];
  const head = ends(
    row(' ', span(`${result.id} `, 'title'), result.preset),
    row(span(...verdict)),
    area.width,
  );
  const failed = result.checks.filter(({ pass }) => !pass);
  const checks = failed.map(({ name, found, expected }) =>
    row(' ', span('FAIL ', 'blocked'), cut(`${name}: ${found}; expected ${expected}`, area.width - 7)),
  );
  const shown = result.series.filter(({ points }) => points.length > 0);
  const each = Math.max(4, Math.floor((area.height - 1 - checks.length) / Math.max(1, shown.length)));
  const fit = Math.max(1, Math.floor((area.height - 1 - checks.length) / each));
  // The newest series while it runs; afterwards the first ones.
  const visible = isOver ? shown.slice(0, fit) : shown.slice(-fit);
  return [head, ...visible.flatMap((series) => seriesRows(series, { ...area, height: each })), ...checks];
}

/** Two bars for each point, simulated and published, and below them the figures. */
function seriesRows({ name, unit, points }: Series, { width, height }: Area): Row[] {
  const column = 9;
  const fit = Math.max(2, Math.floor((width - 12) / column));
  // Where not all find room: from the first to the last, evenly.
  const shown =
    points.length <= fit
      ? points
      : Array.from({ length: fit }, (_, i) => points[Math.round((i * (points.length - 1)) / (fit - 1))]);
  const top = Math.max(...shown.flatMap(({ simulated, published }) => [simulated, published ?? 0])) || 1;
  const bars = shown.flatMap(({ simulated, published }) => {
    const bar = (value: number | null) =>
      value === null ? [null, null, null] : [value / top, value / top, value / top];
    return [...bar(simulated), null, ...bar(published), null, null];
  });
  const lines = chart(bars, bars.length, Math.max(1, height - 4));
  const figures = (label: string, text: (point: Point) => string, token: (point: Point) => Token): Row =>
    row(' ', cell(label, 10, 'label'), ...shown.map((point) => cell(text(point), column, token(point))));
  const plain = (): Token => 'text';
  return [
    row(' ', span(cut(`${name}, ${unit}`, width - 2), 'label')),
    ...lines.map((line) => row(' ', cell('', 10), line)),
    figures(
      'at',
      ({ x, xUnit }) => xLabel(x, xUnit),
      () => 'label',
    ),
    figures(
      'simulated',
      ({ simulated }) => rounded(simulated),
      ({ pass }) => (pass === false ? 'blocked' : 'text'),
    ),
    figures('published', ({ published }) => (published === null ? '' : rounded(published)), plain),
  ];
}

function xLabel(x: number, unit: string): string {
  if (unit !== 'B' || x < 1024) return rounded(x);
  return x < 2 ** 20 ? `${rounded(x / 1024)}K` : `${rounded(x / 2 ** 20)}M`;
}

function inspect(scene: Scene, area: Area): Row[] {
  const result = resultOf(scene, all[chosenAt(scene)]);
  if (result === null) return [];
  const lines = Object.entries(result.parameters).map(([name, value]) =>
    row(' ', cell(name, 26, 'label'), right(String(value), Math.max(1, area.width - 29))),
  );
  return [blank, row(span(' Parameters', 'title')), blank, ...lines];
}

export const experiments: View = {
  name: 'experiments',
  title: 'Experiments',
  short: 'Exp',
  rail: false,
  hint: false,
  words: { vertical: 'experiment', enter: 'run it' },
  draw,
  inspect,
  move: (scene, direction, by) => ({
    cursors: { ...scene.selection.cursors, experiments: stepped(chosenAt(scene), direction, by, all.length) },
  }),
  enter: (scene) => ({ name: 'experiment', experiment: all[chosenAt(scene)].id, as: 'run' }),
};
