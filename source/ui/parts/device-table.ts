/** The devices of the machine, one row each, with the lanes of their requests. */
import type { DeviceState, Snapshot } from '../../simulation/snapshot.ts';
import { badge, domainText, isTranslated, laneToken, ownerText } from '../fate.ts';
import { absent, duration, gigabits, percent, quantity } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { landingWidth, lane, laneHeading } from '../lane.ts';
import { cell, type Row, right, row, span, windowOf } from '../rows.ts';

/** Widths with the gap before the next column; 0 leaves a column out. */
type Columns = {
  readonly name: number;
  readonly description: number;
  readonly bdf: number;
  readonly group: number;
  readonly owner: number;
  readonly badge: number;
  readonly domain: number;
  readonly lane: number;
  readonly requests: number;
  readonly hit: number;
  readonly walks: number;
  readonly throughput: number;
  readonly p50: number;
  readonly p99: number;
};

const longestLane = 44;
/** Below these a lane gives no more room to a further column: to how fast and how long, and to words. */
const shortestLane = 13;
const comfortableLane = 16;

/** Which columns fit, given the longest name. What is left goes to the lane. */
export function tableColumns(width: number, devices: readonly DeviceState[]): Columns {
  const longest = Math.max(0, ...devices.map(({ name }) => name.length));
  const fixed = {
    name: Math.min(18, Math.max(7, longest)) + 1,
    // Names of a recording hold the place already.
    bdf: width >= 98 && !devices.every(({ name, bdf }) => name.includes(bdf)) ? 9 : 0,
    group: width >= 98 ? 5 : 0,
    owner: 9,
    badge: 4,
    domain: width >= 72 ? 10 : 0,
    requests: 6,
    hit: 6,
    walks: width >= 72 ? 7 : 0,
  };
  const used = Object.values(fixed).reduce((sum, each) => sum + each, 0);
  // The marker before the name, what follows the arrow, and a margin at the right.
  let left = width - used - 1 - (1 + landingWidth) - 1;
  const optional = (columns: number, least: number): number => {
    if (left - columns < least) return 0;
    left -= columns;
    return columns;
  };
  // A recording knows neither bytes nor times.
  const isMeasured = devices.some(({ latency }) => latency !== null);
  const measured = (columns: number, least: number) =>
    isMeasured && width >= 98 ? optional(columns, least) : 0;
  const throughput = measured(6, shortestLane);
  const p99 = measured(8, shortestLane);
  const p50 = measured(8, comfortableLane);
  const description = optional(28, comfortableLane);
  const lane = Math.max(9, Math.min(longestLane, left));
  return { ...fixed, throughput, p50, p99, description, lane };
}

/** What the chosen device moves and how long it takes, in a line, where the table has no room for it; or null. */
export function speedLine(snapshot: Snapshot, chosen: DeviceState | null, width: number): Row | null {
  if (chosen === null || chosen.latency === null || tableColumns(width, snapshot.devices).p99 > 0)
    return null;
  const { p50Ns, p99Ns } = chosen.latency;
  return row(
    span(` ${chosen.name}`, 'title'),
    span(`  ${gigabits(chosen.rates.bytes)} Gb/s   latency p50 ${duration(p50Ns)}, p99 ${duration(p99Ns)}`),
  );
}

export function deviceTable(
  snapshot: Snapshot,
  devices: readonly DeviceState[],
  chosen: DeviceState | null,
  width: number,
  height: number,
): Row[] {
  const columns = tableColumns(width, snapshot.devices);
  const corruptors = new Set(snapshot.memory.corrupted.map(({ device }) => device));
  const { start, end } = windowOf(devices.length, chosen === null ? 0 : devices.indexOf(chosen), height - 1);
  const body = devices.slice(start, end).map((device) => {
    return deviceRow(device, columns, device === chosen, corruptors.has(device.name));
  });
  return [heading(columns), ...body];
}

function heading(columns: Columns): Row {
  const name = (text: string, width: number) => cell(width === 0 ? '' : text, width, 'label');
  const number = (text: string, width: number) => right(width === 0 ? '' : text, width, 'label');
  return row(
    ' ',
    name('Device', columns.name),
    name('', columns.description),
    name('', columns.bdf),
    name('', columns.group),
    name('owner', columns.owner),
    name(columns.domain === 0 ? '' : 'domain', columns.badge + columns.domain),
    ...laneHeading(columns.lane),
    number('DMA/s', columns.requests),
    number('hit', columns.hit),
    number('walk/s', columns.walks),
    number('Gb/s', columns.throughput),
    number('p50', columns.p50),
    number('p99', columns.p99),
  );
}

function deviceRow(device: DeviceState, columns: Columns, chosen: boolean, corrupted: boolean): Row {
  const { rates, lane: way, latency } = device;
  const token = laneToken(way);
  const looked = isTranslated(way);
  const weight = chosen ? { inverse: true } : {};
  const optional = (text: string, width: number) =>
    width === 0 ? [] : [cell(text, width - 1, 'text', weight), span(' ', 'text', weight)];
  const number = (text: string, width: number) =>
    width === 0 ? [] : [right(text, width, text === absent ? 'faint' : 'text')];
  return row(
    span(chosen ? glyph.selected : ' ', 'text', weight),
    cell(device.name, columns.name, 'text', chosen ? { inverse: true, bold: true } : {}),
    ...optional(device.description, columns.description),
    ...optional(device.bdf, columns.bdf),
    ...optional(device.group === null ? absent : `g${device.group}`, columns.group),
    cell(ownerText(device), columns.owner - 1, 'text', weight),
    ' ',
    cell(badge(way), columns.badge, token, { bold: true }),
    ...(columns.domain === 0 ? [] : [cell(domainText(device), columns.domain)]),
    ...lane(device, columns.lane, corrupted),
    ...number(quantity(rates.requests), columns.requests),
    ...number(looked ? percent(rates.iotlb_hit, rates.iotlb_lookup) : absent, columns.hit),
    ...number(looked ? quantity(rates.page_walks) : absent, columns.walks),
    ...number(gigabits(rates.bytes), columns.throughput),
    ...number(latency === null ? absent : duration(latency.p50Ns), columns.p50),
    ...number(latency === null ? absent : duration(latency.p99Ns), columns.p99),
  );
}
