/**
 * The lines above the footer: what the screen says itself, a prompt, what came of the last action with what
 * one would type on a real machine, or a hint about the chosen device.
 */
import type { Notice } from '../../simulation/snapshot.ts';
import { hint } from '../hint.ts';
import { visible } from '../line.ts';
import { blank, cell, cut, labelled, type Row, row, rowWidth, span, wrap } from '../rows.ts';
import type { Scene } from '../scene.ts';
import { isBootLine, type Prompt } from '../selection.ts';

const labelWidth = 8;

/** At most so many rows; none if there is nothing to say. */
export function noticeRows(scene: Scene, width: number, height: number, withHint: boolean): Row[] {
  const { selection, snapshot, device } = scene;
  const { prompt, message } = selection;
  const room = width - 1;
  if (prompt !== null && !isBootLine(prompt)) return promptRows(scene, prompt, width).slice(0, height);
  if (message !== null) return indent(labelled('', message, 0, room).slice(0, height));
  if (selection.welcome) return indent(welcome(room, height));
  const notice = shownNotice(scene);
  if (notice !== null) return indent(noticeText(notice, room, height));
  if (!withHint || device === null) return [];
  const canChange = scene.refusal({ name: 'device', device: device.name, to: 'flip' }) === null;
  if (snapshot.state === 'ended') return indent(labelled('hint', ended, labelWidth, room).slice(0, height));
  return indent(labelled('hint', hint(device, canChange), labelWidth, room).slice(0, height));
}

const ended = 'The recording is at its end. What it showed last stays here; q quits.';

/** For the first start: what this is, and two ways to go on. */
function welcome(width: number, height: number): Row[] {
  const what = 'A simulated PC with an Intel VT-d IOMMU. Nothing touches your machine.';
  const said = labelled('welcome', what, labelWidth, width).slice(0, Math.max(1, height - 1));
  const offers = [
    [']', 'a tour of two minutes'],
    ['any other key', 'goes on'],
    [':welcome', 'comes back'],
  ].map(([key, word], i) => row(i === 0 ? '' : '   ', span(key, 'key'), ` ${word}`));
  let offered = row(cell('', labelWidth));
  for (const offer of offers) {
    if (rowWidth(offered) + rowWidth(offer) <= width) offered = [...offered, ...offer];
  }
  return [...said, offered];
}

/** What came of the last action, unless it was put away. */
export const shownNotice = ({ snapshot, selection }: Pick<Scene, 'snapshot' | 'selection'>): Notice | null =>
  snapshot.notice !== null && snapshot.notice.id !== selection.hushed ? snapshot.notice : null;

const indent = (rows: readonly Row[]): Row[] => rows.map((each) => [span(' '), ...each]);

function noticeText(notice: Notice, width: number, height: number): Row[] {
  const reserved = Math.min(notice.linux.length, 1);
  const token = notice.ok ? 'text' : 'blocked';
  const said = labelled(notice.ok ? 'done' : 'refused', notice.text, labelWidth, width, token);
  const text = said.slice(0, Math.max(1, Math.min(2, height - reserved)));
  const room = height - text.length;
  const all = notice.linux.flatMap((line) => wrap(line, width - labelWidth));
  const lines = all.slice(0, room);
  const hidden = all.length - lines.length;
  const typed = lines.map((line, i) => {
    const more = hidden > 0 && i === lines.length - 1 ? `  (${hidden} more)` : '';
    const shown = cut(line, Math.max(8, width - labelWidth - more.length));
    return row(cell(i === 0 ? 'linux' : '', labelWidth, 'label'), span(shown), span(more, 'label'));
  });
  return [...text, ...typed];
}

function promptRows(scene: Scene, prompt: Prompt, width: number): Row[] {
  const sign = prompt.kind === 'command' ? ':' : '/';
  const rows = [row(` ${sign}`, ...inputSpans(prompt, width - 3)), below(scene, prompt, width)];
  return [blank, ...rows];
}

/** The line being typed, with the cursor as an inverse cell. */
export function inputSpans({ line }: Prompt, width: number): Row {
  const { before, at, after } = visible(line, Math.max(1, width));
  return row(before, span(at, 'text', { inverse: true }), after);
}

function below({ tools }: Scene, prompt: Prompt, width: number): Row {
  const say = (text: string, wrong = false) =>
    row(span(cut(`  ${text}`, width), wrong ? 'blocked' : 'label'));
  if (prompt.error !== null) return say(suggestionFirst(prompt.error, width), true);
  if (prompt.open.length > 0) return say(prompt.open.join('  '));
  if (prompt.kind === 'filter') return say('shows devices, events and faults with all of these words');
  const word = prompt.line.text.trimStart().split(/\s+/)[0];
  const found = tools.commandHelp.find(({ usage }) => word !== '' && usage.startsWith(word));
  if (found === undefined) return say(tools.commandHelp.map(({ usage }) => usage.split(' ')[0]).join('  '));
  return say(`${found.usage}   ${found.help}`);
}

/** Where an error does not fit its line, what was meant matters more than all that could have been. */
function suggestionFirst(error: string, width: number): string {
  const [whole, expected, meant] = /^(.*)\. (Did you mean .*\?)$/s.exec(error) ?? [error, error, null];
  return meant === null || whole.length + 2 <= width ? error : `${meant} ${expected}`;
}
