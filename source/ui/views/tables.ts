/** View 2: what is in memory: from RTADDR to the page, a breadcrumb, the entries of one table, and its fields. */
import type { TableLevel, TablePath } from '../../simulation/snapshot.ts';
import { firstStageEntryLayout } from '../../vtd/formats/first-stage-entry.ts';
import { levelName } from '../../vtd/formats/paging-entry.ts';
import { pasidTableEntry } from '../../vtd/formats/pasid-table-entry.ts';
import { bitField, fieldLine } from '../bit-field.ts';
import { fieldsOf, layoutOf, rangeText, type ShownField, speaking } from '../entry-fields.ts';
import { exactly, frame, hexText, iova, plural, reasonCode, wordText } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { entryTable, isEmpty, placeText, shownEntries } from '../parts/entry-table.ts';
import {
  blank,
  cell,
  cut,
  ends,
  fitRows,
  labelled,
  type Row,
  right,
  row,
  rowWidth,
  span,
  wrap,
} from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';
import type { Chosen } from '../selection.ts';
import { indexAt, levelShift, withIndex } from '../walk-indices.ts';
import { stepped, type View } from './view.ts';

const widest = 120;

/** What is shown: the way of an address, or that of a guest-physical address through the second stage below it. */
type Shown = {
  readonly levels: readonly TableLevel[];
  readonly at: number;
  /** The address whose indices choose the entries; null until the source has said which. */
  readonly address: string | null;
  readonly isBelow: boolean;
};

const clamped = (place: number | null, length: number): number =>
  Math.min(length - 1, Math.max(0, place ?? length - 1));

function shownOf({ selection }: Scene, path: TablePath): Shown {
  const { below, address, level, belowLevel } = selection;
  if (below === null || !path.isNested) {
    return { levels: path.levels, at: clamped(level, path.levels.length), address, isBelow: false };
  }
  // Until the source has caught up there is nothing to show below.
  const levels = path.below?.levels ?? [];
  return { levels, at: clamped(belowLevel, levels.length), address: below, isBelow: true };
}

const isPaging = ({ kind }: TableLevel): boolean => kind === 'page table' || kind === 'first-stage table';

/** The entry the cursor is on: of a page table the chosen address decides, before the source has caught up. */
function chosenIndex(level: TableLevel, address: string | null): number {
  return isPaging(level) && address !== null ? indexAt(address, level.level) : level.index;
}

/** The guest-physical address that an entry of a nested way leads to, as the walk goes on from it; or null. */
function guestTarget({ isNested }: TablePath, level: TableLevel, address: string): string | null {
  if (!isNested) return null;
  const place = (table: bigint, next: number) => hexText(table + 8n * BigInt(indexAt(address, next)));
  if (level.kind === 'PASID table') {
    const { FSPTPTR, FSPM } = pasidTableEntry.decode(level.words);
    return place(FSPTPTR, 4 + Number(FSPM));
  }
  if (level.kind !== 'first-stage table') return null;
  const fields = firstStageEntryLayout(level.level, level.words[0]).decode(level.words);
  if (fields.P === 0n) return null;
  if (level.level > 1 && fields.PS !== 1n) return place(fields.ADDR, level.level - 1);
  return hexText(fields.ADDR + (BigInt(address) & ((1n << BigInt(levelShift(level.level))) - 1n)));
}

function draw(scene: Scene, area: Area): Row[] {
  const path = scene.snapshot.tables;
  const isOff = scene.snapshot.source === 'simulation' && !scene.snapshot.unit.translation;
  if (path === null || path.levels.length === 0 || isOff) return empty(scene, area);
  const width = Math.min(area.width, widest);
  const { levels, at, address, isBelow } = shownOf(scene, path);
  const level = levels[at];
  const crumbs = [blank, breadcrumb(scene, path, width), secondRow(scene, path, width)];
  if (level === undefined) return [...crumbs, blank, row('   ', span('Reading the second stage.', 'label'))];
  const index = chosenIndex(level, address);
  const entries = shownEntries(level, index);
  const chosen = entries.find((entry) => entry.index === index);
  const words = level.kind === 'RTADDR' ? level.words : (chosen?.words ?? level.words);
  const shownAddress = isBelow ? (address ?? path.address) : path.address;
  const head = [...crumbs, title(level, shownAddress, isBelow, width)];
  const end = isBelow ? belowRows(path, width) : endRows(path, width);
  const least = level.kind === 'RTADDR' ? 0 : Math.min(entries.length + 1, 4);
  const fieldRoom = Math.max(4, area.height - head.length - end.length - least - 3);
  const fields = fieldRows(level, index, words, width, area.height >= 30, fieldRoom);
  const details = fields.slice(0, fieldRoom);
  const room = area.height - head.length - end.length - details.length - 2;
  const list =
    level.kind === 'RTADDR'
      ? []
      : entryTable(level, entries, {
          index,
          address: shownAddress,
          bdf: scene.device?.bdf ?? '',
          isBelow,
          width,
          room: Math.max(2, room),
        });
  return [
    ...head,
    ...list,
    blank,
    ...details,
    ...fitRows([], area.height - head.length - list.length - details.length - end.length - 1),
    ...end,
  ];
}

/** `RTADDR › bus 05 › 05:00.0 › PML4 0 › …`, the chosen part inverse. */
function breadcrumb(scene: Scene, path: TablePath, width: number): Row {
  const at = clamped(scene.selection.level, path.levels.length);
  const isBelow = shownOf(scene, path).isBelow;
  return crumbRow(
    path.levels.map((level) => crumb(level, scene.device?.bdf ?? '')),
    at,
    !isBelow,
    width,
  );
}

/** Under the way of a nested address: where its chosen entry leads in the guest, or the second stage below that. */
function secondRow(scene: Scene, path: TablePath, width: number): Row {
  const { levels, at, address, isBelow } = shownOf(scene, path);
  if (isBelow) {
    const crumbs = levels.map((level) => crumb(level, ''));
    return crumbRow([`second stage of guest ${iova(address ?? '0x0')}`, ...crumbs], at + 1, true, width);
  }
  const target = guestTarget(path, levels[at], address ?? path.address);
  if (target === null) return blank;
  return row(span(`   leads to guest ${iova(target)}; enter: how the second stage finds that`, 'label'));
}

function crumbRow(texts: readonly string[], at: number, isActive: boolean, width: number): Row {
  const parts = texts.map((text, i) => {
    const isChosen = i === at;
    return [
      span(i === 0 ? ' ' : ` ${glyph.deeper} `, 'label'),
      span(isChosen ? ` ${text} ` : text, isChosen ? 'title' : 'text', { inverse: isChosen && isActive }),
    ];
  });
  const full = parts.flat();
  // Too long a path keeps its end: the beginning is the same for every address.
  if (rowWidth(full) <= width) return full;
  const short = [...parts];
  while (short.length > at + 1 || short.length > 2) {
    if (rowWidth(short.flat()) + 4 <= width) break;
    short.shift();
  }
  return [span(` ${glyph.cut}`, 'label'), ...short.flat()];
}

function crumb(level: TableLevel, bdf: string): string {
  switch (level.kind) {
    case 'RTADDR':
      return 'RTADDR';
    case 'root table':
    case 'scalable root table':
      return `bus ${level.index.toString(16).padStart(2, '0')}`;
    case 'context table':
    case 'scalable context table':
      return bdf;
    case 'PASID directory':
      return `directory ${level.index}`;
    case 'PASID table':
      return `PASID ${level.index}`;
    case 'first-stage table':
    case 'page table':
      return `${levelName(level.level)} ${level.index}`;
  }
}

function title(level: TableLevel, address: string, isBelow: boolean, width: number): Row {
  if (level.kind === 'RTADDR')
    return row(span(' RTADDR', 'title'), '   the register where every look-up begins');
  const name = isPaging(level) ? levelName(level.level) : level.kind;
  const text = name.charAt(0).toUpperCase() + name.slice(1);
  const where =
    level.guest === null
      ? ` at ${frame(level.base ?? '0x0')}`
      : ` at guest ${iova(level.guest)}, host ${frame(level.base ?? '0x0')}`;
  const covers = isPaging(level) ? coverage(level, address, isBelow) : '';
  const used = ` ${level.entries.filter((entry) => !isEmpty(entry)).length} of ${level.size} in use `;
  const left = row(span(` ${text}`, 'title'), where, span(covers, 'label'));
  return ends(left, row(span(used, 'label')), width);
}

function coverage(level: TableLevel, address: string, isBelow: boolean): string {
  const size = 1n << BigInt(levelShift(level.level + 1));
  const first = (BigInt(address) / size) * size;
  return `   ${isBelow ? 'guest' : 'iova'} ${iova(first)} to ${iova(first + size - 1n)}`;
}

function fieldRows(
  level: TableLevel,
  index: number,
  words: readonly number[],
  width: number,
  drawn: boolean,
  room: number,
): Row[] {
  const layout = layoutOf(level.kind, level.level, words);
  const name = isPaging(level) ? `${levelName(level.level)}[${index}]` : layout.name;
  const value = qwordsText(layout.bits, words);
  const heading = row(span(` ${name}`, 'title'), `  ${value}`, span(`  ${layout.source}`, 'label'));
  // Most of a large structure is reserved: its fields in words say more than its bits.
  const isLarge = layout.bits > 128;
  const bits =
    drawn && !isLarge
      ? [blank, ...bitField(layout, words, width - 4).map((each) => row('   ', ...each))]
      : [];
  const shown = speaking(fieldsOf(layout, words));
  if (shown.length + 2 + bits.length + (drawn ? 1 : 0) > room) {
    return [heading, ...fieldLine(layout, words, width - 4).map((each) => row('   ', ...each))];
  }
  return [
    heading,
    ...bits,
    ...(drawn ? [blank] : []),
    row(
      '   ',
      cell('bits', 8, 'label'),
      cell('field', 9, 'label'),
      cell('value', 14, 'label'),
      span('meaning', 'label'),
    ),
    ...[...shown].reverse().map((field) => fieldRow(field)),
  ];
}

/** An entry in qwords, the highest that is not zero first. */
function qwordsText(bits: number, words: readonly number[]): string {
  const used = bits === 128 ? 2 : Math.max(1, Math.ceil((words.findLastIndex((word) => word !== 0) + 1) / 2));
  return Array.from({ length: used }, (_, i) => wordText(words, used - 1 - i)).join(' ');
}

const fieldRow = (field: ShownField): Row =>
  row(
    '   ',
    cell(rangeText(field), 8),
    cell(field.name, 9, field.kind === 'reserved' ? 'blocked' : 'text'),
    cell(field.text, 14),
    span(field.meaning, field.kind === 'reserved' ? 'blocked' : 'label'),
  );

/** What a write to the address would meet now. */
function endRows(path: TablePath, width: number): Row[] {
  const rows = labelled(
    '',
    endText(path),
    1,
    width - 1,
    path.outcome !== 'blocked' ? 'text' : path.stale === null ? 'blocked' : 'stale',
  );
  const entries = path.levels.at(-1)?.entries ?? [];
  const stale = entries.filter((entry) => entry.inIotlb === true && isEmpty(entry)).length;
  // With little room the word STALE in the list has to do.
  if (stale === 0 || width < 72) return [blank, ...rows];
  const text = `${plural(stale, 'entry is', 'entries are')} gone from the table but still in the IOTLB: the device can reach the old page until it is invalidated.`;
  return [blank, ...rows, ...labelled('', text, 1, width - 1, 'stale')];
}

/** Where the second stage leads. */
function belowRows({ below }: TablePath, width: number): Row[] {
  if (below === null) return [];
  const { address, output } = below;
  const text =
    output === null
      ? `Guest-physical ${iova(address)} is not mapped by the second stage: the guest has no such memory.`
      : `Guest-physical ${iova(address)} is host-physical ${frame(output)}. esc goes back to the first stage.`;
  return [blank, ...labelled('', text, 1, width - 1, output === null ? 'blocked' : 'text')];
}

function endText({ address, outcome, output, fault, stale, ends: reason, device }: TablePath): string {
  const now = `A write of ${device} to ${iova(address)} now`;
  switch (outcome) {
    case 'blocked':
      if (stale !== null)
        return `${now} still goes to ${frame(stale)}, by the IOTLB. These tables refuse it with fault ${reasonCode(fault)} once that is invalidated.`;
      return `${now} is refused with fault ${reasonCode(fault)}${reason === null ? '.' : `: ${reason}.`}`;
    case 'passed':
      return `${now} goes straight through: ${reason ?? 'the entry says pass-through'}.`;
    case 'peer-to-peer':
      return `${now} goes to another device's registers without coming here: nothing below the unit redirects it.`;
    case 'untranslated':
      return `${now} goes to memory as it is: translation is off.`;
    case 'interrupt':
      return `${now} is an interrupt, not a memory access.`;
    case 'hit':
      return `${now} hits the IOTLB and goes to ${frame(output ?? '0x0')}.`;
    case 'walked':
      return `${now} walks these tables and goes to ${frame(output ?? '0x0')}.`;
  }
}

function empty({ snapshot, device }: Scene, { width }: Area): Row[] {
  const name = device?.name ?? 'the device';
  const [heading, text] =
    snapshot.source === 'trace'
      ? [
          'No tables.',
          'A recording says what was asked and what came of it. It has no copy of the memory in which the tables lie.',
        ]
      : snapshot.unit.translation
        ? [`Reading the tables of ${name}.`, 'They appear with the next snapshot.']
        : [
            'No tables: the IOMMU is off.',
            'The root table may exist in memory, but no request is looked up in it. b edits the boot line: try intel_iommu=on.',
          ];
  return [
    blank,
    row('   ', span(heading, 'title')),
    blank,
    ...wrap(text, Math.min(90, width - 6)).map((line) => row('   ', line)),
  ];
}

function inspect(scene: Scene, area: Area): Row[] {
  const path = scene.snapshot.tables;
  if (path === null) return [];
  const rows: Row[] = [blank, row(span(' The whole path', 'title')), blank];
  const shown = shownOf(scene, path);
  const list = (levels: readonly TableLevel[], at: number) => {
    for (const [i, level] of levels.entries()) {
      const text = crumb(level, scene.device?.bdf ?? '');
      const where = level.entryAddress === null ? '' : frame(level.entryAddress);
      rows.push(
        row(
          span(i === at ? glyph.selected : ' '),
          cell(text, 12, i === at ? 'title' : 'text'),
          cell(where, 14, 'label'),
          wordText(level.words),
        ),
      );
    }
  };
  list(path.levels, shown.isBelow ? -1 : shown.at);
  if (path.isNested) rows.push(...nestedRows(path));
  if (shown.isBelow) {
    rows.push(blank, row(span(` Second stage of guest ${iova(shown.address ?? '0x0')}`, 'title')), blank);
    list(shown.levels, shown.at);
  }
  rows.push(blank);
  const end = path.output === null ? `ends: ${path.ends ?? 'refused'}` : `page at ${frame(path.output)}`;
  rows.push(
    ...wrap(end, area.width - 2).map((line) =>
      row(' ', span(line, path.output === null ? 'blocked' : 'text')),
    ),
  );
  const { counters } = scene.snapshot;
  rows.push(blank, row(span(' The unit so far', 'title')), blank);
  for (const [label, value] of [
    ['walks', counters.page_walks],
    ['memory reads', counters.iommu_mrds],
    ['context hits', counters.ctxt_cache_hit],
    ['paging-cache hits', counters.ss_nonleaf_hit],
  ] as const) {
    rows.push(row(' ', cell(label, 20, 'label'), right(exactly(value), 14)));
  }
  return rows.map((each) =>
    rowWidth(each) > area.width ? [span(cut(each.map(({ text }) => text).join(''), area.width))] : each,
  );
}

/** The tables of the guest, where the guest and where the host has them. */
function nestedRows({ levels }: TablePath): Row[] {
  const inGuest = levels.filter(({ guest }) => guest !== null);
  return [
    blank,
    row(span(' Tables of the guest', 'title')),
    blank,
    row(' ', cell('', 12), cell('guest', 14, 'label'), cell('host', 14, 'label')),
    ...inGuest.map((level) =>
      row(
        ' ',
        cell(levelName(level.level), 12),
        cell(iova(level.guest ?? '0x0'), 14),
        frame(level.base ?? '0x0'),
      ),
    ),
  ];
}

/** The chosen entry as the command `entry` names it, `nic0 context`; null where it names none. */
export function entryWords(scene: Scene): string | null {
  const { tables: path } = scene.snapshot;
  if (path === null || path.levels.length === 0) return null;
  const { levels, at, isBelow } = shownOf(scene, path);
  if (isBelow) return null;
  switch (levels[at].kind) {
    case 'root table':
    case 'scalable root table':
      return `${path.device} root`;
    case 'context table':
    case 'scalable context table':
      return `${path.device} context`;
    case 'PASID table':
      return `${path.device} pasid`;
    case 'page table':
    case 'first-stage table':
      // The entry at which the walk of an address ends.
      return at === levels.length - 1
        ? `${path.device} page ${scene.selection.address ?? path.address}`
        : null;
    default:
      return null;
  }
}

export const tables: View = {
  name: 'tables',
  title: 'Tables',
  short: 'Tab',
  rail: true,
  hint: false,
  words: { vertical: 'entry', horizontal: 'level', enter: 'descend' },
  draw,
  inspect,
  move(scene, direction, by) {
    const path = scene.snapshot.tables;
    if (path === null) return null;
    const shown = shownOf(scene, path);
    const { levels, at, isBelow } = shown;
    if (levels.length === 0) return null;
    if (isBelow) return moveBelow(shown, direction, by);
    // From here on the address stands still, even if the source would choose another one.
    const address = scene.selection.address ?? path.address;
    if (direction === 'left' || direction === 'right') {
      return { address, level: stepped(at, direction, by, levels.length) };
    }
    return moveEntry(scene, levels[at], at, address, direction, by);
  },
  end: ({ selection }) => (selection.below === null ? { level: null } : { belowLevel: null }),
  enter(scene) {
    const path = scene.snapshot.tables;
    if (path === null) return 'There is no table to descend into.';
    const { levels, at, isBelow } = shownOf(scene, path);
    if (isBelow) {
      return at >= levels.length - 1
        ? 'This entry maps the page of the guest: there is no table below it. esc goes back to the first stage.'
        : { do: 'choose', change: { belowLevel: at + 1 } };
    }
    const address = scene.selection.address ?? path.address;
    const below = guestTarget(path, levels[at], address);
    if (below !== null) return { do: 'choose', change: { address, level: at, below, belowLevel: null } };
    if (at >= levels.length - 1)
      return path.ends === null
        ? 'This entry maps the page: there is no table below it.'
        : `The path ends here: ${path.ends}.`;
    return { do: 'choose', change: { address, level: at + 1 } };
  },
  leave(scene) {
    const path = scene.snapshot.tables;
    if (path === null) return null;
    if (shownOf(scene, path).isBelow) return { below: null, belowLevel: null };
    if (scene.selection.level === null) return null;
    const { at } = shownOf(scene, path);
    return at === 0 ? null : { level: at - 1 };
  },
  settle(scene) {
    const path = scene.snapshot.tables;
    if (path === null || scene.selection.address !== null || path.device !== scene.device?.name) return null;
    return { address: path.address };
  },
};

/** Below, another level, or another entry: another guest-physical address. */
function moveBelow(
  { levels, at, address }: Shown,
  direction: 'up' | 'down' | 'left' | 'right',
  by: number,
): Partial<Chosen> | null {
  if (direction === 'left' || direction === 'right')
    return { belowLevel: stepped(at, direction, by, levels.length) };
  const level = levels[at];
  const index = chosenIndex(level, address);
  const entries = shownEntries(level, index);
  const from = entries.findIndex((entry) => entry.index === index);
  const next = entries[stepped(from, direction, by, entries.length)];
  if (next === undefined || next.index === index || address === null) return null;
  return { below: withIndex(address, level.level, next.index), belowLevel: at };
}

/** Another entry is another address, or, in the upper tables, another device. */
function moveEntry(
  scene: Scene,
  level: TableLevel,
  at: number,
  address: string,
  direction: 'up' | 'down',
  by: number,
) {
  const index = chosenIndex(level, scene.selection.address);
  const entries = shownEntries(level, index);
  const from = entries.findIndex((entry) => entry.index === index);
  const next = entries[stepped(from, direction, by, entries.length)];
  if (next === undefined || next.index === index) return null;
  if (isPaging(level)) return { address: withIndex(address, level.level, next.index), level: at };
  const wanted =
    level.kind === 'root table' || level.kind === 'scalable root table'
      ? busOf(next.index)
      : placeText(level, address, next.index, scene.device?.bdf ?? '');
  // An entry of a PASID structure is an address space of the same device.
  if (level.kind === 'PASID directory' || level.kind === 'PASID table') return null;
  const device = scene.snapshot.devices.find(({ bdf }) => bdf.startsWith(wanted));
  return device === undefined ? null : { device: device.name, level: at };
}

const busOf = (index: number): string => `${index.toString(16).padStart(2, '0')}:`;
