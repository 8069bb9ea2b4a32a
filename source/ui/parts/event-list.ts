/** The newest events, the last at the bottom. */
import type { EventLine, Snapshot } from '../../simulation/snapshot.ts';
import { bytes, frame, iova, padAddresses, plural, timeCell } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { cell, cut, ends, type Row, right, row, span } from '../rows.ts';
import type { Scene } from '../scene.ts';
import { matches } from '../selection.ts';
import type { Token } from '../theme/tokens.ts';

/** Events that the filter leaves; all, if the filter is about something else. */
export function shownEvents({ snapshot, selection: { filter } }: Pick<Scene, 'snapshot' | 'selection'>) {
  if (filter === '') return snapshot.events;
  return snapshot.events.filter((event) =>
    matches(filter, event.actor, event.verb, event.object, event.how, event.result, event.device),
  );
}

export function eventList(scene: Scene, width: number, height: number): Row[] {
  if (height <= 0) return [];
  const { snapshot, selection } = scene;
  const events = shownEvents(scene);
  const upTo = selection.event;
  const last = upTo === null ? events.length : events.findLastIndex(({ id }) => id <= upTo) + 1;
  const shown = events.slice(Math.max(0, last - (height - 1)), last);
  const rows = shown.map((event) => eventRow(event, width));
  if (rows.length === 0) rows.push(row(span(` ${nothing(scene)}`, 'label')));
  return [title(snapshot, selection, events.length - last, width), ...rows];
}

function title(snapshot: Snapshot, selection: Scene['selection'], newer: number, width: number): Row {
  const following =
    selection.event === null ? 'following' : `${plural(newer, 'newer', 'newer')}, end follows`;
  const { corruptedPages, corrupted } = snapshot.memory;
  const owner = corrupted.at(-1)?.owner;
  const spoiled =
    corruptedPages > 0
      ? span(
          `   ${glyph.corrupt} ${plural(corruptedPages, 'corrupted page')}${owner === undefined ? '' : `: ${owner}`}`,
          'corrupt',
        )
      : '';
  const filter = selection.filter === '' ? '' : span(`   filter ${selection.filter}`, 'key');
  const left = row(span(' Events', 'title'), span(', ms', 'label'), filter, spoiled);
  return ends(left, row(span(` ${following} `, 'label')), width);
}

function nothing({ snapshot, selection }: Scene): string {
  if (selection.filter !== '') return `No event matches ${selection.filter}. / changes the filter.`;
  return snapshot.state === 'paused' ? 'Nothing yet: paused. space runs the machine.' : 'Nothing yet.';
}

function eventRow(event: EventLine, width: number): Row {
  const roomy = width >= 96;
  const token = tokenOf(event);
  const object = roomy ? event.object : event.object.replace(/^(iova|addr) /, '');
  const sign = signOf(event);
  const size = event.bytes > 0 ? bytes(event.bytes) : '';
  // A bare address is a host frame; nine digits keep the column straight. One that was passed on unchanged looks unchanged.
  const isAddress = /^0x[0-9a-f]+$/i.test(event.result);
  const isUnchanged = isAddress && padAddresses(event.object, 9).endsWith(` ${frame(BigInt(event.result))}`);
  const result = isUnchanged ? iova(BigInt(event.result)) : isAddress ? frame(event.result) : event.result;
  const left = row(
    right(timeCell(event.timeNs), roomy ? 10 : 9, 'label'),
    ' ',
    cell(event.actor, roomy ? 8 : 7),
    cell(event.verb, roomy ? 7 : 6),
    cell(/^0x/.test(object) ? iova(object) : padAddresses(object, 8), roomy ? 19 : 13),
  );
  // Without a sign between them, how and result are one sentence.
  const rest =
    sign === ''
      ? row(span([event.how, result].filter((text) => text !== '').join('  '), token))
      : row(cell(event.how, roomy ? 17 : 15, token), span(`${sign}  `, token), span(result, token));
  const room = Math.min(width - 1, 128);
  const shown = ends([...left, ...rest], row(span(size === '' ? '' : ` ${size}`)), room);
  return shown.map((part) => ({ ...part, text: cut(part.text, room) }));
}

function signOf({ kind, result, how }: EventLine): string {
  if (kind === 'fault') return glyph.refused;
  if (kind === 'corruption') return glyph.corrupt;
  return result !== '' && how !== '' && (kind === 'dma' || kind === 'interrupt' || kind === 'command')
    ? glyph.leads
    : '';
}

function tokenOf({ kind }: EventLine): Token {
  if (kind === 'fault') return 'blocked';
  return kind === 'corruption' ? 'corrupt' : 'text';
}
