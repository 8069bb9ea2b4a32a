/**
 * The help, in pages: every key that works here, from the key table; what signs and words mean; every command that can
 * be typed.
 */
import { groups, helpKeys } from '../keys.ts';
import { beside, blank, cell, ends, fitRows, type Row, row, span, wrap } from '../rows.ts';
import type { Scene } from '../scene.ts';
import { helpPages } from '../selection.ts';
import { viewNamed } from '../views/index.ts';
import { words } from '../words.ts';

const keyWidth = 11;

export function help(scene: Scene, width: number, height: number): Row[] {
  const lines = page(scene, width);
  const from = Math.min(scene.selection.helpFrom, Math.max(0, lines.length - (height - 2)));
  const more = lines.length > from + height - 2;
  const title = ends(titles(scene), row(span(more ? 'more below ' : ' ', 'label')), width);
  return fitRows([title, blank, ...lines.slice(from)], height);
}

/** The pages, the open one inverse. */
function titles({ selection }: Scene): Row {
  const names = { keys: `Keys in ${viewNamed(selection.view).title}`, words: 'Words', commands: 'Commands' };
  return helpPages.flatMap((page) => {
    if (page !== selection.help) return [span(` ${names[page]} `, 'label')];
    return [span(selection.ascii ? `[${names[page]}]` : ` ${names[page]} `, 'title', { inverse: true })];
  });
}

function page(scene: Scene, width: number): Row[] {
  switch (scene.selection.help) {
    case 'words':
      return glossary(width);
    case 'commands':
      return typed(scene, width);
    default:
      return keys(scene, width);
  }
}

/** One column below 100 columns, else two. */
function keys(scene: Scene, width: number): Row[] {
  const columns = width >= 96 ? 2 : 1;
  const columnWidth = Math.min(72, Math.floor((width - 2) / columns));
  const blocks = groups.map((group) => block(scene, group, columnWidth)).filter((rows) => rows.length > 0);
  return columns === 1 ? blocks.flat() : balanced(blocks, columnWidth);
}

const wordWidth = 15;

function glossary(width: number): Row[] {
  return words.flatMap(({ title, words: listed }) => [
    row(span(` ${title}`, 'title')),
    ...listed.flatMap(({ word, meaning }) =>
      wrap(meaning, Math.min(100, width - wordWidth - 4)).map((line, i) =>
        row('   ', cell(i === 0 ? word : '', wordWidth, 'key'), span(line)),
      ),
    ),
    blank,
  ]);
}

function block(scene: Scene, group: (typeof groups)[number], width: number): Row[] {
  const keys = helpKeys(scene).filter((key) => key.group === group);
  if (keys.length === 0) return [];
  const rows = keys.flatMap(({ shown, help: text, reason }) => {
    const full = reason === null ? text : `${text} (not now: ${reason.split('. ')[0].replace(/\.$/, '')})`;
    return wrap(full, width - keyWidth - 4).map((line, i) =>
      row('   ', cell(i === 0 ? shown : '', keyWidth, 'key'), span(line, reason === null ? 'text' : 'label')),
    );
  });
  return [row(span(` ${group}`, 'title')), ...rows, blank];
}

/** Blocks in their order, broken into two columns of about the same height. */
function balanced(blocks: readonly Row[][], width: number): Row[] {
  const whole = blocks.reduce((sum, rows) => sum + rows.length, 0);
  const left: Row[] = [];
  const rightRows: Row[] = [];
  for (const rows of blocks) (left.length + rows.length / 2 <= whole / 2 ? left : rightRows).push(...rows);
  return beside(
    [
      { rows: left, width },
      { rows: rightRows, width },
    ],
    Math.max(left.length, rightRows.length),
  );
}

/** Wider usages have a line of their own, so that one long command does not push all the others' help away. */
const usageWidth = 60;

function typed({ tools }: Scene, width: number): Row[] {
  if (tools.commandHelp.length === 0) return [];
  const at = width >= 150 ? usageWidth : 3;
  const commands = tools.commandHelp.flatMap(({ usage, help: text }) => {
    const name = `:${usage}`;
    const lines = wrap(text, width - at - 5).map((line) => row('   ', cell('', at), span(line)));
    if (name.length >= at) return [row('   ', span(name, 'key')), ...lines];
    return [row('   ', cell(name, at, 'key'), ...lines[0].slice(2)), ...lines.slice(1)];
  });
  return [row(span('   typed after :, in --exec, and in demos', 'label')), blank, ...commands];
}
