/** View: two machines side by side, from one seed under one workload, on one scale. */
import { type ComparisonRow, compareMachines } from '../../simulation/comparison.ts';
import type { DeviceState, SeriesColumn, Snapshot } from '../../simulation/snapshot.ts';
import { chart } from '../chart.ts';
import { badge, laneToken, ownerText } from '../fate.ts';
import { absent, ceiling, duration, percentInText, quantity, relative, round } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { lane } from '../lane.ts';
import { blank, cell, cutMiddle, type Row, right, row, span, wrap } from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';
import { chosenDevice, shownDevices } from '../selection.ts';
import type { Token } from '../theme/tokens.ts';
import { stepped, type View } from './view.ts';

type Pair = { readonly a: Snapshot; readonly b: Snapshot };

type Widths = { readonly name: number; readonly side: number; readonly change: number };

/** Name, A, B and the change; wider windows give the two sides more room, up to what a lane needs. */
function widths({ width }: Area): Widths {
  const name = width >= 100 ? 26 : 20;
  const change = 11;
  return { name, change, side: Math.min(44, Math.floor((width - 2 - name - change) / 2)) };
}

function draw(scene: Scene, area: Area): Row[] {
  const { snapshot: a } = scene;
  const b = a.other;
  if (b === null) return empty(a, area);
  const pair = { a, b };
  const at = widths(area);
  const rows = [
    blank,
    headings(pair, at),
    blank,
    ...deviceRows(scene, pair, at),
    blank,
    ...measureRows(pair, at),
    blank,
  ];
  return [...rows, ...chartRows(pair, area, area.height - rows.length)];
}

function headings({ a, b }: Pair, { name, side, change }: Widths): Row {
  const title = (letter: string, { boot }: Snapshot) =>
    cell(`${letter}  ${cutMiddle(boot === '' ? '(empty boot line)' : boot, side - 5)}`, side, 'title');
  return row(' ', cell('', name), title('A', a), title('B', b), right('B to A', change, 'label'));
}

function deviceRows({ snapshot, selection }: Scene, pair: Pair, at: Widths): Row[] {
  const chosen = chosenDevice(snapshot, selection);
  const differences = rowsBySubject(pair);
  const machine = differences('machine', 'requests');
  return [
    numberRow('DMA requests', machine, quantity, at),
    ...shownDevices(snapshot, selection).flatMap((device) => {
      const other = pair.b.devices.find(({ name }) => name === device.name);
      const requests = differences(device.name, 'requests');
      if (other === undefined) return [];
      const weight = device === chosen ? { inverse: true } : {};
      const name = ` ${device.name.padEnd(7)}${at.name >= 26 ? ownerText(device) : ''}`;
      return [
        row(
          span(device === chosen ? glyph.selected : ' '),
          cell(name, at.name - 1, 'text', weight),
          ' ',
          ...deviceCell(device, at.side),
          ...deviceCell(other, at.side),
          ...change(requests, at.change),
        ),
      ];
    }),
  ];
}

/** Its requests, its badge, and its lane where there is room. */
function deviceCell(device: DeviceState, width: number): Row {
  const head = row(
    right(quantity(device.counts.requests), 7),
    '  ',
    cell(badge(device.lane), 4, laneToken(device.lane), { bold: true }),
  );
  const laneWidth = Math.min(20, width - 13 - 8);
  const way = laneWidth >= 8 ? lane(device, laneWidth, false) : [];
  const used = 13 + (laneWidth >= 8 ? laneWidth + 7 : 0);
  return [...head, ...way, span(' '.repeat(Math.max(0, width - used)))];
}

/** What one DMA takes: less than one of many things. */
const each = (value: number): string => (value < 10 ? String(Number(value.toPrecision(2))) : quantity(value));

/** A machine that sends less DMA costs less: reads and cycles are told by the DMA. */
const measures: readonly (readonly [ComparisonRow['measure'], string, (value: number) => string])[] = [
  ['iotlb_hit_rate', 'IOTLB hit rate', (value) => percentInText(value, 1)],
  ['page_walks', 'walks', quantity],
  ['iommu_mrds_per_request', 'memory reads a DMA', each],
  ['invalidations', 'invalidations', quantity],
  ['iommu_cpu_cycles_per_request', 'CPU cycles a DMA', each],
  ['faults', 'faults', quantity],
  ['corrupted_pages', 'corrupted pages', quantity],
];

function measureRows(pair: Pair, at: Widths): Row[] {
  const find = rowsBySubject(pair);
  return measures.map(([measure, label, text]) => numberRow(label, find('machine', measure), text, at));
}

function numberRow(label: string, compared: ComparisonRow, text: (value: number) => string, at: Widths): Row {
  const { a, b } = compared;
  const side = (value: ComparisonRow['a']) => [
    right(value === null ? absent : text(value), 7),
    span(' '.repeat(at.side - 7)),
  ];
  return row(' ', cell(label, at.name), ...side(a), ...side(b), ...change(compared, at.change));
}

function change(compared: ComparisonRow, width: number): Row {
  const text = relative(compared);
  return [right(text, width, ...(text === 'same' || text === absent ? (['faint'] as const) : []))];
}

const rowsBySubject = ({ a, b }: Pair) => {
  const rows = compareMachines(a, b);
  return (subject: string, measure: string) =>
    rows.find((each) => each.subject === subject && each.measure === measure) as ComparisonRow;
};

type Charted = { readonly title: string; readonly token: Token; of(column: SeriesColumn): number };

const charted: readonly Charted[] = [
  { title: 'DMA', token: 'text', of: ({ requests }) => requests },
  { title: 'walks', token: 'translated', of: ({ page_walks }) => page_walks },
];

/** Each chart twice, one for each machine, on one scale. */
function chartRows(pair: Pair, area: Area, height: number): Row[] {
  const width = Math.min(100, area.width - 32);
  const each = Math.floor(height / charted.length);
  if (width < 10 || each < 2) return [];
  const lines = Math.min(4, Math.floor((each - 1) / 2));
  return charted.flatMap((what) => chartPair(what, pair, width, Math.max(1, lines), each > 2));
}

function chartPair(
  { title, token, of }: Charted,
  { a, b }: Pair,
  width: number,
  lines: number,
  gap: boolean,
) {
  const series = [a, b].map((side) => side.series.filter(({ spanNs }) => spanNs > 0).slice(-width));
  const rates = series.map((columns) => columns.map((column) => (of(column) * 1e9) / column.spanNs));
  const top = ceiling(Math.max(0, ...rates.flat()));
  const covered = series[0].reduce((sum, { spanNs }) => sum + spanNs, 0);
  const notes = [`0 to ${round(top)}/s, both`, covered > 0 ? `last ${duration(covered)}` : ''];
  const rows = rates.flatMap((values, side) =>
    chart(
      values.map((value) => value / top),
      width,
      lines,
    ).map((line, i) =>
      row(
        ' ',
        cell(i === 0 ? 'AB'[side] : '', 3, 'title'),
        cell(i === 0 ? title : '', 7, 'label'),
        span(line, token),
        '  ',
        span(i === 0 ? notes[side] : '', 'label'),
      ),
    ),
  );
  return gap ? [...rows, blank] : rows;
}

function empty({ source, boot }: Snapshot, { width }: Area): Row[] {
  const live = source === 'simulation';
  const text = live
    ? 'A second machine can run beside this one: the same seed, the same workloads and the same commands, and another kernel command line. What differs then comes from the boot line alone.'
    : 'A recording cannot be run again under another boot line. dmascope without replay can.';
  const examples = ['intel_iommu=on', 'intel_iommu=on iommu=pt', 'intel_iommu=on iommu.strict=1'];
  return [
    blank,
    row('   ', span('Nothing is compared.', 'title')),
    blank,
    ...wrap(text, Math.min(90, width - 6)).map((line) => row('   ', line)),
    blank,
    ...(live ? [row('   ', cell('c', 5, 'key'), 'choose the other boot line, for instance')] : []),
    ...(live
      ? examples.filter((line) => line !== boot).map((line) => row('   ', cell('', 5), `:compare ${line}`))
      : []),
  ];
}

export const compare: View = {
  name: 'compare',
  title: 'Compare',
  short: 'Cmp',
  rail: false,
  hint: false,
  words: { vertical: 'device' },
  draw,
  move({ snapshot, selection }, direction) {
    const devices = shownDevices(snapshot, selection);
    const chosen = chosenDevice(snapshot, selection);
    const at = chosen === null ? 0 : Math.max(0, devices.indexOf(chosen));
    return { device: devices[stepped(at, direction, 1, devices.length)]?.name ?? null };
  },
};
