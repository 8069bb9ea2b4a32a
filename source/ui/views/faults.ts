/** View 4: what was refused, grouped by device, reason and page, with the record that software read. */
import type { FaultGroup, Snapshot } from '../../simulation/snapshot.ts';
import { Fault, faultReason } from '../../vtd/faults/fault-reason.ts';
import { faultRecord } from '../../vtd/formats/fault-record.ts';
import { fieldLine } from '../bit-field.ts';
import { chart } from '../chart.ts';
import { explainFault } from '../explain-fault.ts';
import { exactly, iova, reasonCode, timeCell } from '../format.ts';
import { glyph } from '../glyphs.ts';
import {
  blank,
  cell,
  cut,
  ends,
  inverted,
  labelled,
  type Row,
  right,
  row,
  span,
  windowOf,
  wrap,
} from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';
import { matches } from '../selection.ts';
import { chartSpan, plots } from '../series.ts';
import { stepped, type View } from './view.ts';

/** With fewer rows the details of one fault say more than a list: under the caption of a demo, for one. */
const lowHeight = 14;

export const groupKey = ({ device, type, address, reason }: FaultGroup): string =>
  `${device} ${type} ${address} ${reason}`;

/** The newest kind of fault first, so that the rows stand still while more of the same kinds come. */
export function shownGroups({ snapshot, selection: { filter } }: Pick<Scene, 'snapshot' | 'selection'>) {
  const groups = snapshot.faults.toSorted((a, b) => b.firstNs - a.firstNs);
  if (filter === '') return groups;
  return groups.filter(({ device, bdf, type, address, reason, dmesg }) =>
    matches(filter, device, bdf, type, address, reasonCode(reason), faultReason(reason).meaning, dmesg),
  );
}

export const chosenGroup = (scene: Pick<Scene, 'snapshot' | 'selection'>): FaultGroup | null => {
  const groups = shownGroups(scene);
  const chosen = groups.find((group) => groupKey(group) === scene.selection.fault);
  return chosen ?? groups.toSorted((a, b) => b.lastNs - a.lastNs)[0] ?? null;
};

function draw(scene: Scene, area: Area): Row[] {
  const { snapshot } = scene;
  const groups = shownGroups(scene);
  const chosen = chosenGroup(scene);
  if (chosen === null) return empty(scene, area);
  const details = detailRows(chosen, snapshot, area);
  // The list has the rows that the details leave, and at least three groups; in a few rows, the chosen one.
  const room = Math.max(area.height < lowHeight ? 1 : 3, area.height - details.length - 3);
  const { start, end } = windowOf(groups.length, groups.indexOf(chosen), room);
  const list = groups.slice(start, end).map((group) => groupRow(group, group === chosen, area));
  const rows = [blank, heading(area), ...list];
  while (rows.length < Math.min(room, Math.max(5, Math.floor(area.height / 4))) + 2) rows.push(blank);
  return [...rows, blank, ...details];
}

type Widths = {
  time: number;
  device: number;
  bdf: number;
  op: number;
  address: number;
  reason: number;
  count: number;
};

function widths({ width, roomy }: Area): Widths {
  const fixed = roomy
    ? { time: 11, device: 9, bdf: width >= 108 ? 9 : 0, op: 6, address: 19, count: 8 }
    : { time: 10, device: 8, bdf: 0, op: 6, address: 15, count: 7 };
  const used = Object.values(fixed).reduce((sum, each) => sum + each, 0);
  return { ...fixed, reason: Math.min(52, width - used - 4) };
}

function heading(area: Area): Row {
  const at = widths(area);
  const name = (text: string, width: number) => cell(text, width, 'label');
  return row(
    ' ',
    right('last, ms', at.time, 'label'),
    '  ',
    name('device', at.device + at.bdf),
    name('op', at.op),
    name('address', at.address),
    name('reason', at.reason),
    right('count', at.count, 'label'),
  );
}

function groupRow(group: FaultGroup, chosen: boolean, area: Area): Row {
  const at = widths(area);
  const reason = `${reasonCode(group.reason)}  ${faultReason(group.reason).meaning}`;
  const spans = row(
    chosen ? glyph.selected : ' ',
    right(timeCell(group.lastNs), at.time),
    '  ',
    cell(group.device, at.device),
    ...(at.bdf === 0 ? [] : [cell(group.bdf, at.bdf)]),
    cell(group.type === 'interrupt' ? 'msi' : group.type, at.op),
    cell(cut(placeOf(group), at.address - 1), at.address),
    cell(cut(reason, at.reason), at.reason, 'blocked'),
    right(exactly(group.count), at.count),
  );
  return chosen ? inverted(spans) : spans;
}

/** The address asked for, or the index of an interrupt; a blocked message in compatibility format has none. */
function placeOf({ type, address, reason }: FaultGroup): string {
  if (type !== 'interrupt') return iova(address);
  return reason === Fault.INTERRUPT_COMPATIBILITY ? 'no index' : `index ${address}`;
}

const labelWidth = 10;

function detailRows(group: FaultGroup, snapshot: Snapshot, area: Area): Row[] {
  const width = Math.min(area.width - 2, 110);
  const { what, where, means } = explainFault(group, snapshot.devices);
  const rows: Row[] = [
    ...labelled('what', what, labelWidth, width),
    ...labelled('where', where, labelWidth, width),
    ...labelled('means', means, labelWidth, width),
  ];
  if (group.dmesg !== null) rows.push(...labelled('on Linux', group.dmesg, labelWidth, width));
  if (area.roomy) rows.push(blank);
  if (group.record !== null) {
    const fields = fieldLine(faultRecord, group.record, width - labelWidth);
    rows.push(...fields.map((line, i) => [cell(i === 0 ? 'was read' : '', labelWidth, 'label'), ...line]));
    if (area.roomy) rows.push(blank);
  }
  rows.push(...labelled('registers', registers(snapshot), labelWidth, width));
  rows.push(...queueRows(snapshot, width));
  if (area.roomy) rows.push(blank);
  rows.push(...rateRows(snapshot, width, area.roomy && area.height >= 26 ? 3 : 1));
  return rows.map((each) => [span(' '), ...each]);
}

function registers({ faultRegisters: at }: Snapshot): string {
  const lost = at.lost > 0 ? `, ${exactly(at.lost)} lost` : '';
  return `now ${at.inUse} of ${at.records} records in use, overflow PFO ${at.overflow ? 1 : 0}, pending PPF ${at.pending ? 1 : 0}, ${exactly(at.interrupts)} interrupts${lost}`;
}

/** Errors of the invalidation queue, where there were any. */
function queueRows({ faultRegisters: { queue } }: Snapshot, width: number): Row[] {
  if (queue === undefined) return [];
  const kinds = [
    [queue.IQE, 'IQE, a descriptor refused'],
    [queue.ITE, 'ITE, no answer of a device'],
    [queue.ICE, 'ICE, an answer unasked'],
  ] as const;
  const met = kinds.filter(([count]) => count > 0).map(([count, what]) => `${exactly(count)} ${what}`);
  if (met.length === 0) return [];
  const last = queue.last === null ? '' : `; last: ${queue.last}`;
  return labelled('queue', `${met.join('; ')}${last}`, labelWidth, width);
}

function rateRows(snapshot: Snapshot, width: number, height: number): Row[] {
  const columns = Math.min(60, width - labelWidth - 30);
  if (columns < 8) return [];
  const plot = plots(snapshot, columns)[2];
  const bars = chart(plot.values, columns, height);
  const side = [plot.now, plot.scale, chartSpan(snapshot, columns)];
  const texts = height === 1 ? [`${plot.now}  ${plot.scale}`] : side;
  return bars.map((line, i) =>
    row(
      cell(i === 0 ? 'rate' : '', labelWidth, 'label'),
      span(line, 'blocked'),
      span(`  ${texts[i] ?? ''}`, i === 0 ? 'text' : 'label'),
    ),
  );
}

function empty({ snapshot, selection }: Scene, { width }: Area): Row[] {
  const queue = queueRows(snapshot, Math.min(110, width - 4));
  const say = (title: string, text: string, keys: readonly (readonly [string, string])[]): Row[] => [
    blank,
    row('   ', span(title, 'title')),
    blank,
    ...wrap(text, Math.min(90, width - 6)).map((line) => row('   ', line)),
    blank,
    ...keys.map(([key, what]) => row('   ', cell(key, 5, 'key'), what)),
    ...(queue.length === 0 ? [] : [blank, ...queue.map((each) => [span('   '), ...each])]),
  ];
  if (selection.filter !== '' && snapshot.faults.length > 0) {
    return say(
      `No fault matches ${selection.filter}.`,
      `${snapshot.faults.length} are there without the filter.`,
      [['/', 'another filter; esc takes it away']],
    );
  }
  const stray = ['x', 'send a stray DMA from the chosen device and see where it lands'] as const;
  const boot = ['b', 'edit the boot line: try intel_iommu=on'] as const;
  const live = snapshot.source === 'simulation';
  if (!snapshot.unit.translation) {
    return say(
      'No faults: the IOMMU is off.',
      'While translation is off no request is looked at, so none can be refused.',
      live ? [boot, stray] : [],
    );
  }
  return say(
    'No faults so far.',
    'Every request was either in passthrough or to a page that is mapped for its device.',
    live
      ? [stray, ['t', 'put the chosen device behind the IOMMU first, so that there is something to refuse']]
      : [],
  );
}

function inspect(scene: Scene, area: Area): Row[] {
  const group = chosenGroup(scene);
  if (group === null) return [];
  const title = ends(
    row(span(' Fault record', 'title')),
    row(span(`${group.device} ${group.bdf}`, 'label')),
    area.width,
  );
  if (group.record === null) return [blank, title, blank, row(span(' no record was kept for it', 'label'))];
  const decoded = fieldLine(faultRecord, group.record, 24);
  return [blank, title, blank, ...decoded.map((line) => row(' ', ...line))];
}

export const faults: View = {
  name: 'faults',
  title: 'Faults',
  short: 'Flt',
  count: (snapshot) => snapshot.faults.length,
  rail: true,
  hint: false,
  words: { vertical: 'fault', enter: 'its walk' },
  draw,
  inspect,
  move(scene, direction, by) {
    const groups = shownGroups(scene);
    const chosen = chosenGroup(scene);
    if (chosen === null) return null;
    const next = groups[stepped(groups.indexOf(chosen), direction, by, groups.length)];
    // Keys that act on a device act on the one in the chosen row, if it is one that can be chosen.
    const isKnown = scene.snapshot.devices.some(({ name }) => name === next.device);
    return isKnown ? { fault: groupKey(next), device: next.device } : { fault: groupKey(next) };
  },
  enter(scene) {
    const group = chosenGroup(scene);
    if (group === null) return 'There is no fault to look into.';
    if (group.transaction === null) return 'The request behind this fault was not kept.';
    const { device, address, transaction } = group;
    return { do: 'deeper', view: 'dma', change: { device, address, transaction, kept: null, step: null } };
  },
  settle(scene) {
    // The chosen group stays chosen when newer ones come in above it.
    if (scene.selection.fault !== null) return null;
    const first = chosenGroup(scene);
    return first === null ? null : { fault: groupKey(first) };
  },
};
