/**
 * What the room reads while a demo plays: the scene and its sentence, whether what it expects is so, and what comes
 * next. It stands below the view, where the notice and the hint are otherwise.
 */
import type { DemoState } from '../../simulation/snapshot.ts';
import { glyph } from '../glyphs.ts';
import {
  blank,
  cut,
  ends,
  fitRows,
  labelled,
  type Row,
  row,
  rowWidth,
  span,
  widthOf,
  wrap,
} from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Tier } from '../screen.ts';
import type { Token } from '../theme/tokens.ts';
import { noticeRows, shownNotice } from './notice.ts';

/** Rows of the strip; the view has the others. */
const heights: Readonly<Record<Tier, number>> = { small: 0, compact: 9, normal: 11, rail: 12, wide: 12 };

export const captionHeight = (tier: Tier): number => heights[tier];

/** Columns of text that are still read as a sentence. */
const measure = 104;
const indent = 3;
/** Rows of expectations that are met: what a scene proves, but not what it says. A table proves more than they do. */
const mostChecks = ({ measured }: DemoState): number => (measured.length > 0 ? 1 : 2);
const labelWidth = 7;

/** Rows of text that a caption may have at the smallest size, so that none of it is cut. */
export const captionLines = (caption: readonly string[], width: number): string[] =>
  caption.flatMap((paragraph) => wrap(paragraph, Math.min(measure, width - 2 * indent)));

export function caption(scene: Scene, demo: DemoState, width: number): Row[] {
  const height = captionHeight(scene.screen.tier);
  const lower = bottom(scene, demo, width, height > heights.compact ? 3 : 2);
  const inner = height - 2 - lower.length;
  const lines = captionLines(demo.caption, width).slice(0, Math.max(1, inner - 1));
  const text = lines.map((line) => row(' '.repeat(indent), span(line)));
  const checks = checkRows(demo, width, Math.min(mostChecks(demo), inner - text.length));
  // Air where there is room for it: around the sentence first, and over the heading last.
  let spare = inner - text.length - checks.length;
  const gap = () => (spare-- > 0 ? [blank] : []);
  const [after, before, above, between] = [gap(), gap(), gap(), gap()];
  const upper = [rule(demo, width), ...above, heading(demo, width), ...between, ...text, ...after, ...checks];
  return [...fitRows([...upper, ...before], height - lower.length), ...lower];
}

/** The same where there is no room for a view: the place, the headline, the sentence, and what was not as expected. */
export function smallCaption(
  { scene, scenes, heading: text, caption: told, results }: DemoState,
  width: number,
): Row[] {
  const place = scene > scenes ? 'the end' : `${scene} of ${scenes}`;
  const broken = results.find(({ holds }) => !holds);
  const lines = (words: string, token: Token, bold = false) =>
    wrap(words, Math.max(8, width - 2)).map((line) => row(' ', span(line, token, { bold })));
  return [
    ...lines(`${place}  ${text}`, 'title', true),
    ...told.flatMap((paragraph) => lines(paragraph, 'text')),
    ...(broken === undefined ? [] : lines(`expected ${broken.expression}, got ${broken.got}`, 'blocked')),
  ];
}

/** `━━ title ━━━━━━━━━━ 3 of 8` */
function rule({ title, scene, scenes }: DemoState, width: number): Row {
  const place = scene > scenes ? ' the end ' : ` ${scene} of ${scenes} `;
  const name = ` ${cut(title, Math.max(8, width - place.length - 12))} `;
  const line = glyph.heavy.repeat(Math.max(2, width - widthOf(name) - widthOf(place) - 4));
  return row(
    ' ',
    span(glyph.heavy.repeat(2), 'label'),
    span(name, 'label'),
    span(line, 'label'),
    span(place, 'title'),
  );
}

const heading = ({ heading: text }: DemoState, width: number): Row =>
  row(' '.repeat(indent), span(cut(text, width - 2 * indent), 'title', { bold: true }));

/** How many expectations are met, and as many of them as fit, with what was found; what is not met comes first. */
function checkRows({ results }: DemoState, width: number, height: number): Row[] {
  if (results.length === 0) return [];
  const broken = results.find(({ holds }) => !holds);
  const met = results.filter(({ holds }) => holds).length;
  const mark = broken === undefined ? span(`${glyph.passed} `, 'ok') : span(`${glyph.refused} `, 'blocked');
  const left = row(' '.repeat(indent), mark, span(`${met} of ${results.length}   `, 'label'));
  const room = width - rowWidth(left) - indent;
  if (broken !== undefined) {
    const text = `expected ${broken.expression}, got ${broken.got}`;
    return [[...left, span(cut(text, room), 'blocked')]];
  }
  const lines = packed(results.map(found), room, height);
  const under = span(' '.repeat(rowWidth(left)));
  return lines.map((line, i) => [...(i === 0 ? left : [under]), span(line, 'label')]);
}

/** `groups = 6`, and where a limit was expected what was found: `iommu_requests > 1000 (4019)`. */
const found = ({ expression, got }: DemoState['results'][number]): string =>
  /[<>]|!=/.test(expression) ? `${expression} (${got})` : expression;

/** Texts beside each other in lines; the last line says that there are more of them. */
function packed(texts: readonly string[], width: number, height: number): string[] {
  const lines: string[] = [];
  for (const text of texts) {
    const longer = lines.length === 0 ? text : `${lines.at(-1)}   ${text}`;
    if (lines.length > 0 && (widthOf(longer) <= width || lines.length === height))
      lines[lines.length - 1] = longer;
    else lines.push(text);
  }
  return lines.map((line) => cut(line, width));
}

/** What came of improvising, a prompt, or what comes next. */
function bottom(scene: Scene, demo: DemoState, width: number, height: number): Row[] {
  const { prompt, message } = scene.selection;
  if (prompt !== null || message !== null || shownNotice(scene) !== null) {
    return noticeRows(scene, width, prompt === null ? height : 3, false);
  }
  const next = demo.next?.heading ?? (demo.scene > demo.scenes ? null : 'explore on your own');
  if (next === null) return [blank];
  const text = labelled(
    'next',
    cut(next, width - indent - labelWidth - 2),
    labelWidth,
    width - indent,
    'label',
  );
  return [ends(row(' '.repeat(indent), ...(text[0] ?? [])), [], width)];
}
