/** The speaker's notes, for a second terminal: what to say in this scene, what it ran, what comes next. */
import type { DemoState } from '../../simulation/snapshot.ts';
import { blank, cell, cut, ends, fitRows, labelled, type Row, row, rowWidth, span } from '../rows.ts';

const labelWidth = 18;
/** Less of the title than this says nothing. */
const shortestTitle = 12;

/** The time since a demo began, and the scene with which it did. */
export type Talk = { readonly elapsedMs: number; readonly first: number };

/** Exactly so many rows. */
export function notesRows(demo: DemoState | null, talk: Talk, width: number, height: number): Row[] {
  const foot = ends(
    row(span(' follows the demo over a local socket', 'label')),
    row(span('q', 'key'), span(' quit, the demo goes on ')),
    width,
  );
  const body = demo === null ? waiting(width) : [head(demo, talk, width), blank, ...scene(demo, width)];
  return [...fitRows(body, height - 1), foot];
}

function waiting(width: number): Row[] {
  const text = 'dmascope demo claims plays one in another terminal. This one waits for it.';
  return [
    row(span(' notes', 'title')),
    blank,
    row('   ', span('No demo runs.', 'title')),
    blank,
    ...labelled('', text, 3, width - 2),
  ];
}

function head(demo: DemoState, talk: Talk, width: number): Row {
  const { title, scene: at, scenes, minutes } = demo;
  const place = at > scenes ? 'the end' : `scene ${at} of ${scenes}`;
  const planned = minutes === null ? '' : ` of ${clock((scenes - talk.first + 1) * shareMs(demo))}`;
  const late = behindMs(demo, talk);
  const word = minutes === null ? '' : `   ${paceText(late)}`;
  const right = row(
    `${place}    `,
    span(clock(talk.elapsedMs), 'title'),
    span(planned, 'label'),
    span(`${word} `, isOnTime(late) ? 'ok' : late > 0 ? 'blocked' : 'text', { bold: true }),
  );
  const room = width - rowWidth(right) - 12;
  const name = room < shortestTitle ? '' : `   ${cut(title, room)}`;
  const left = row(span(' notes', 'title'), span(name, 'label'));
  return ends(left, right, width);
}

/** What is planned for a scene: all have the same share. */
const shareMs = ({ scenes, minutes }: DemoState): number => ((minutes ?? 0) * 60_000) / scenes;

/** How far a talk is behind its plan; negative: ahead of it. */
export function behindMs(demo: DemoState, { elapsedMs, first }: Talk): number {
  // Scenes that were left out at the beginning are nobody's lead.
  const planned = (scene: number) => Math.max(0, Math.min(scene, demo.scenes) - first + 1) * shareMs(demo);
  const until = planned(demo.scene);
  if (elapsedMs > until) return Math.max(0, elapsedMs - until);
  return Math.min(0, elapsedMs - planned(demo.scene - 1));
}

/** Less than this nobody notices. */
const NOTICED_MS = 30_000;
const isOnTime = (late: number): boolean => Math.abs(late) < NOTICED_MS;

function paceText(late: number): string {
  if (isOnTime(late)) return 'on time';
  return `${Math.max(1, Math.round(Math.abs(late) / 60_000))} min ${late > 0 ? 'behind' : 'ahead'}`;
}

function scene(
  { heading, caption, notes, commands, results, next, scene: at }: DemoState,
  width: number,
): Row[] {
  const line = (label: string, text: string, token: 'text' | 'label' = 'text') =>
    labelled(label, text, labelWidth, width - 4, token).map((each) => [span('   '), ...each]);
  const failed = results.filter(({ holds }) => !holds);
  const said = notes.flatMap(({ kind, text }) => line(kind, text));
  return [
    row(' ', span(cut(heading, width - 2), 'title', { bold: true })),
    ...caption.flatMap((text) => labelled('', text, 3, width - 2, 'label')),
    blank,
    ...said,
    ...(said.length === 0 ? [] : [blank]),
    ...(next === null
      ? []
      : [
          ...line('next', `${at + 1}  ${next.heading}`),
          ...next.notes.filter(({ kind }) => kind === 'say').flatMap(({ text }) => line('', text, 'label')),
        ]),
    ...(next === null ? [] : [blank]),
    ...failed.flatMap(({ expression, got }) => line('not as expected', `${expression}: got ${got}`)),
    ...line(
      'if it goes wrong',
      '[ goes back and ] comes again: every scene is carried out anew from the seed.',
      'label',
    ),
    blank,
    ...commands.map((text, i) =>
      row(
        '   ',
        cell(i === 0 ? 'this scene ran' : '', labelWidth, 'label'),
        span(cut(text, width - labelWidth - 5), 'label'),
      ),
    ),
  ];
}

/** `04:12` */
function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
}
