/** The first two rows: which machine this is, how it runs, and the views. */

import { speedText } from '../../commands/speed.ts';
import type { Snapshot } from '../../simulation/snapshot.ts';
import { time } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { cell, cut, cutMiddle, ends, type Row, right, row, type Span, span, widthOf } from '../rows.ts';
import type { Scene } from '../scene.ts';
import { views } from '../views/index.ts';

/** Wide enough for the longest state, so that the fields after it stand still. */
const stateWidth = 12;

export function header({ snapshot, selection, screen }: Scene): Row {
  const roomy = screen.tier !== 'compact';
  const booting = selection.log?.started === true;
  const gap = roomy ? '   ' : ' ';
  const rightPart = row(
    gap,
    ...state(snapshot, booting),
    right(booting ? time(0) : time(snapshot.timeNs), 11),
    ...(roomy ? [span(`   ${origin(snapshot)}`, 'label')] : []),
    ' ',
  );
  const name = roomy ? ' dmascope   ' : ' dmascope  ';
  const prefix = roomy ? 'linux ro ' : '';
  const room = screen.width - rightPart.reduce((sum, { text }) => sum + widthOf(text), 0) - name.length;
  const title = snapshot.title === null ? '' : `${cut(snapshot.title, Math.floor(room / 3))}: `;
  const line = snapshot.boot === '' ? '(empty boot line)' : snapshot.boot;
  const left = row(
    span(name, 'title'),
    span(title, 'key'),
    span(prefix, 'label'),
    span(cutMiddle(line, room - prefix.length - widthOf(title))),
  );
  return ends(left, rightPart, screen.width);
}

const origin = ({ seed, source }: Snapshot): string =>
  source === 'trace' ? 'recorded' : seed === null ? '' : `seed ${seed}`;

function state(snapshot: Snapshot, booting: boolean): Span[] {
  const fill = (text: string) => span(' '.repeat(Math.max(0, stateWidth - widthOf(text))));
  if (booting) return [span(`${glyph.boot} BOOT`, 'title'), fill('x BOOT')];
  if (snapshot.state === 'paused') {
    const text = `${glyph.pause}${glyph.pause} PAUSED`;
    return [span(text, 'title', { inverse: true }), fill(text)];
  }
  if (snapshot.state === 'ended') return [span(`${glyph.ended} ENDED`, 'title'), fill('x ENDED')];
  const word = snapshot.source === 'trace' ? 'PLAY' : 'RUN';
  const { speed, reached } = snapshot;
  if (reached == null) return [cell(`${glyph.arrow} ${word} ${speedText(speed)}`, stateWidth, 'title')];
  return [cell(`${glyph.arrow} ${word} ~${speedText(reached)}`, stateWidth, 'label')];
}

export function tabs({ snapshot, selection, screen, trouble }: Scene): Row {
  // Places are kept for counts, so that a first fault moves no title.
  const width = (long: boolean) =>
    views.reduce((sum, view) => sum + (long ? view.title : view.short).length + 4 + (view.count ? 3 : 0), 0);
  // What is wrong needs the room more than long titles do.
  const long = trouble === null && width(true) <= screen.width;
  const parts = views.flatMap((view, i) => {
    const count = view.count?.(snapshot) ?? 0;
    const title = `${i + 1} ${long ? view.title : view.short}${count > 0 ? ` ${count > 99 ? '99+' : count}` : ''}`;
    const chosen = view.name === selection.view;
    if (!chosen) return [span(` ${title} `)];
    // A terminal without Unicode may have no inverse either.
    return [span(selection.ascii ? `[${title}]` : ` ${title} `, 'title', { inverse: true })];
  });
  const side = trouble ?? (snapshot.phase === null ? '' : `phase ${snapshot.phase}`);
  const room = screen.width - parts.reduce((sum, { text }) => sum + widthOf(text), 0) - 3;
  const note = span(cut(side, Math.max(0, room)), trouble === null ? 'label' : 'blocked');
  return ends(row(...parts), row(note, ' '), screen.width);
}
