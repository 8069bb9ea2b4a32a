/** View: published measurements. One to pick, and its curve as it grows. */
import type { Experiment } from '../../experiments/experiment.ts';
import { experiments as all } from '../../experiments/index.ts';
import { citationOf } from '../../experiments/published.ts';
import type { ExperimentState } from '../../simulation/snapshot.ts';
import { resultRows } from '../parts/experiment-result.ts';
import { blank, cell, cut, inverted, labelled, type Row, right, row, span, windowOf } from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';
import { stepped, type View } from './view.ts';

const LABEL = 12;

const chosenAt = ({ selection }: Scene): number =>
  Math.min(all.length - 1, Math.max(0, selection.cursors.experiments ?? 0));

/** The first series shown, where somebody chose one. */
const seriesAt = ({ selection }: Scene): number | null => selection.cursors.series ?? null;

function draw(scene: Scene, area: Area): Row[] {
  const chosen = chosenAt(scene);
  const known = knownOf(scene, all[chosen]);
  // Before anything is measured the list is what there is to see.
  const share = known === null ? 0.5 : area.roomy ? 0.3 : 0.2;
  const room = Math.max(3, Math.min(all.length, Math.floor(area.height * share)));
  const { start, end } = windowOf(all.length, chosen, room);
  const list = all.slice(start, end).map((experiment, i) => listRow(experiment, start + i === chosen, area));
  const below =
    known === null
      ? about(all[chosen], area)
      : resultRows(known, all[chosen], { ...area, height: area.height - room - 2 }, firstOf(scene, known));
  return [blank, ...list, blank, ...below];
}

/** While it runs the newest series are shown, afterwards the first ones; or those that were chosen. */
const firstOf = (scene: Scene, { state }: ExperimentState): number | null =>
  seriesAt(scene) ?? (state === 'running' ? null : 0);

/** What is known of an experiment, if it is the one that ran last. */
function knownOf({ snapshot }: Scene, { id }: Experiment): ExperimentState | null {
  const { experiment } = snapshot;
  return experiment?.result.id === id ? experiment : null;
}

function listRow({ id, kind, title }: Experiment, isChosen: boolean, { width }: Area): Row {
  const line = row(
    ' ',
    cell(id, 8, 'title'),
    cell(kind === 'gate' ? '' : 'demo', 5, 'label'),
    cell(cut(title, width - 15), width - 15),
  );
  return isChosen ? inverted(line) : line;
}

function about({ id, setup, note }: Experiment, { width }: Area): Row[] {
  const text = (label: string, words: string): Row[] => labelled(` ${label}`, words, LABEL + 1, width - 1);
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

function inspect(scene: Scene, area: Area): Row[] {
  const experiment = all[chosenAt(scene)];
  const known = knownOf(scene, experiment);
  if (known === null) return [];
  const { parameters, checks } = known.result;
  const text = (label: string, words: string): Row[] =>
    labelled(` ${label}`, words, LABEL + 1, area.width - 1);
  return [
    blank,
    ...text('measured', experiment.setup),
    ...text('by', citationOf(experiment.id)),
    blank,
    row(span(' Parameters', 'title')),
    ...Object.entries(parameters).map(([name, value]) =>
      row(' ', cell(name, 26, 'label'), right(String(value), Math.max(1, area.width - 29))),
    ),
    ...(checks.length === 0 ? [] : [blank, row(span(' Checks', 'title'))]),
    ...checks.flatMap(({ name, found, expected, pass }) =>
      labelled(
        pass ? ' pass' : ' FAIL',
        `${name}: ${found}; expected ${expected}`,
        6,
        area.width - 1,
        pass ? 'text' : 'blocked',
      ),
    ),
  ];
}

/** Another series to begin with. */
function besideSeries(scene: Scene, by: number): Record<string, number> | null {
  const known = knownOf(scene, all[chosenAt(scene)]);
  if (known === null) return null;
  const last = known.result.series.length - 1;
  return { series: Math.min(last, Math.max(0, (seriesAt(scene) ?? 0) + by)) };
}

export const experiments: View = {
  name: 'experiments',
  title: 'Experiments',
  short: 'Exp',
  rail: false,
  hint: false,
  words: { vertical: 'experiment', horizontal: 'series', enter: 'run it' },
  draw,
  inspect,
  move(scene, direction, by) {
    const { cursors } = scene.selection;
    if (direction === 'left' || direction === 'right') {
      const series = besideSeries(scene, direction === 'left' ? -by : by);
      return series && { cursors: { ...cursors, ...series } };
    }
    const { series: _, ...others } = cursors;
    return { cursors: { ...others, experiments: stepped(chosenAt(scene), direction, by, all.length) } };
  },
  enter: (scene) => ({ name: 'experiment', experiment: all[chosenAt(scene)].id, as: 'run' }),
  cancel: ({ snapshot }) =>
    snapshot.experiment?.state === 'running' ? { name: 'experiment', experiment: null } : null,
};
