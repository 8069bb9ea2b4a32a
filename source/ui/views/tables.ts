/** View 2: what is in memory: from RTADDR to the page, a breadcrumb, the entries of one table, and its fields. */
import type { TableLevel, TablePath } from '../../simulation/snapshot.ts';
import { levelName } from '../../vtd/paging-entry.ts';
import { bitField } from '../bit-field.ts';
import { fieldsOf, layoutOf, rangeText, type ShownField, speaking } from '../entry-fields.ts';
import { exactly, frame, iova, plural, reasonCode, wordText } from '../format.ts';
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
import { indexAt, levelShift, withIndex } from '../walk-indices.ts';
import { stepped, type View } from './view.ts';

const widest = 120;

const chosenLevel = ({ selection }: Scene, { levels }: TablePath): number =>
  Math.min(levels.length - 1, Math.max(0, selection.level ?? levels.length - 1));

/** The entry the cursor is on: of a page table the chosen address decides, before the source has caught up. */
function chosenIndex({ selection }: Scene, level: TableLevel): number {
  if (level.kind !== 'page table' || selection.address === null) return level.index;
  return indexAt(selection.address, level.level);
}

function draw(scene: Scene, area: Area): Row[] {
  const path = scene.snapshot.tables;
  const isOff = scene.snapshot.source === 'simulation' && !scene.snapshot.unit.translation;
  if (path === null || path.levels.length === 0 || isOff) return empty(scene, area);
  const width = Math.min(area.width, widest);
  const at = chosenLevel(scene, path);
  const level = path.levels[at];
  const index = chosenIndex(scene, level);
  const entries = shownEntries(level, index);
  const chosen = entries.find((entry) => entry.index === index);
  const words = level.kind === 'RTADDR' ? level.words : (chosen?.words ?? level.words);
  const head = [blank, breadcrumb(scene, path, at, width), blank, title(level, path, width)];
  const end = endRows(path, width);
  const fields = fieldRows(level, index, words, width, area.height >= 30);
  const least = level.kind === 'RTADDR' ? 0 : Math.min(entries.length + 1, 4);
  const fieldRoom = Math.max(4, area.height - head.length - end.length - least - 3);
  const details = fields.slice(0, fieldRoom);
  const room = area.height - head.length - end.length - details.length - 2;
  const list =
    level.kind === 'RTADDR'
      ? []
      : entryTable(level, entries, index, path.address, scene.device?.bdf ?? '', width, Math.max(2, room));
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
function breadcrumb({ device }: Scene, path: TablePath, at: number, width: number): Row {
  const parts = path.levels.map((level, i) => {
    const isChosen = i === at;
    const text = crumb(level, device?.bdf ?? '');
    return [
      span(i === 0 ? ' ' : ` ${glyph.deeper} `, 'label'),
      span(isChosen ? ` ${text} ` : text, isChosen ? 'title' : 'text', { inverse: isChosen }),
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

function title(level: TableLevel, path: TablePath, width: number): Row {
  if (level.kind === 'RTADDR')
    return row(span(' RTADDR', 'title'), '   the register where every look-up begins');
  const name = level.kind === 'page table' ? levelName(level.level) : level.kind;
  const text = name.charAt(0).toUpperCase() + name.slice(1);
  const covers = level.kind === 'page table' ? coverage(level, path) : '';
  const used = `${level.entries.filter((entry) => !isEmpty(entry)).length} of ${level.size} in use `;
  const left = row(span(` ${text}`, 'title'), ` at ${frame(level.base ?? '0x0')}`, span(covers, 'label'));
  return ends(left, row(span(used, 'label')), width);
}

function coverage(level: TableLevel, { address }: TablePath): string {
  const size = 1n << BigInt(levelShift(level.level + 1));
  const first = (BigInt(address) / size) * size;
  return `   iova ${iova(first)} to ${iova(first + size - 1n)}`;
}

function fieldRows(
  level: TableLevel,
  index: number,
  words: readonly number[],
  width: number,
  drawn: boolean,
): Row[] {
  const layout = layoutOf(level.kind, level.level, words);
  const name = level.kind === 'page table' ? `${levelName(level.level)}[${index}]` : layout.name;
  const value = layout.bits === 128 ? `${wordText(words, 1)} ${wordText(words)}` : wordText(words);
  const heading = row(span(` ${name}`, 'title'), `  ${value}`, span(`  ${layout.source}`, 'label'));
  const bits = drawn ? [blank, ...bitField(layout, words, width - 4).map((each) => row('   ', ...each))] : [];
  const shown = speaking(fieldsOf(layout, words));
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
  const rows = labelled('', endText(path), 1, width - 1, path.outcome === 'blocked' ? 'blocked' : 'text');
  const entries = path.levels.at(-1)?.entries ?? [];
  const stale = entries.filter((entry) => entry.inIotlb === true && isEmpty(entry)).length;
  // With little room the word STALE in the list has to do.
  if (stale === 0 || width < 72) return [blank, ...rows];
  const text = `${plural(stale, 'entry is', 'entries are')} gone from the table but still in the IOTLB: the device can reach the old page until it is invalidated.`;
  return [blank, ...rows, ...labelled('', text, 1, width - 1, 'stale')];
}

function endText({ address, outcome, output, fault, ends: reason, device }: TablePath): string {
  const now = `A write of ${device} to ${iova(address)} now`;
  switch (outcome) {
    case 'blocked':
      return `${now} is refused with fault ${reasonCode(fault)}${reason === null ? '.' : `: ${reason}.`}`;
    case 'passed':
      return `${now} goes straight through: the context entry says pass-through.`;
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
  for (const [i, level] of path.levels.entries()) {
    const isChosen = i === chosenLevel(scene, path);
    const text = crumb(level, scene.device?.bdf ?? '');
    const where = level.entryAddress === null ? '' : frame(level.entryAddress);
    rows.push(
      row(
        span(isChosen ? glyph.selected : ' '),
        cell(text, 12, isChosen ? 'title' : 'text'),
        cell(where, 14, 'label'),
        wordText(level.words),
      ),
    );
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
    const at = chosenLevel(scene, path);
    // From here on the address stands still, even if the source would choose another one.
    const address = scene.selection.address ?? path.address;
    if (direction === 'left' || direction === 'right') {
      return { address, level: stepped(at, direction, by, path.levels.length) };
    }
    return moveEntry(scene, path.levels[at], at, address, direction, by);
  },
  end: () => ({ level: null }),
  enter(scene) {
    const path = scene.snapshot.tables;
    if (path === null) return 'There is no table to descend into.';
    const at = chosenLevel(scene, path);
    if (at >= path.levels.length - 1)
      return path.ends === null
        ? 'This entry maps the page: there is no table below it.'
        : `The path ends here: ${path.ends}.`;
    return { do: 'choose', change: { address: scene.selection.address ?? path.address, level: at + 1 } };
  },
  leave(scene) {
    const path = scene.snapshot.tables;
    if (path === null || scene.selection.level === null) return null;
    const at = chosenLevel(scene, path);
    return at === 0 ? null : { level: at - 1 };
  },
  settle(scene) {
    const path = scene.snapshot.tables;
    if (path === null || scene.selection.address !== null || path.device !== scene.device?.name) return null;
    return { address: path.address };
  },
};

/** Another entry is another address, or, in the upper tables, another device. */
function moveEntry(
  scene: Scene,
  level: TableLevel,
  at: number,
  address: string,
  direction: 'up' | 'down',
  by: number,
) {
  const index = chosenIndex(scene, level);
  const entries = shownEntries(level, index);
  const from = entries.findIndex((entry) => entry.index === index);
  const next = entries[stepped(from, direction, by, entries.length)];
  if (next === undefined || next.index === index) return null;
  if (level.kind === 'page table') return { address: withIndex(address, level.level, next.index), level: at };
  const wanted =
    level.kind === 'root table'
      ? busOf(next.index)
      : placeText(level, address, next.index, scene.device?.bdf ?? '');
  const device = scene.snapshot.devices.find(({ bdf }) => bdf.startsWith(wanted));
  return device === undefined ? null : { device: device.name, level: at };
}

const busOf = (index: number): string => `${index.toString(16).padStart(2, '0')}:`;
