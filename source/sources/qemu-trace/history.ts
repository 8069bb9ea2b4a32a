/** Counts over recorded time: rates of the last second, and the columns of the charts. */
import type { DeviceCounts, SeriesColumn } from '../../simulation/snapshot.ts';
import type { Entry } from './event.ts';
import { deviceCounts, Tally } from './tally.ts';

const COLUMNS = 240;
const RATE_NS = 1e9;

const names = ['requests', 'iotlb_lookup', 'iotlb_hit', 'page_walks', 'faults'] as const;
const nothing: DeviceCounts = {
  requests: 0,
  bytes: 0,
  iotlb_lookup: 0,
  iotlb_hit: 0,
  page_walks: 0,
  faults: 0,
  interrupts: 0,
  interrupts_blocked: 0,
};

/** The counts of one requester, or of all, after each entry that changed them. */
class Track {
  private readonly tally = new Tally();
  private readonly positions: number[] = [];
  private readonly counts: DeviceCounts[] = [];

  add(position: number, event: Entry['event']): void {
    this.tally.add(event);
    this.positions.push(position);
    this.counts.push(deviceCounts(this.tally));
  }

  /** The counts of the entries before a position. */
  before(position: number): DeviceCounts {
    const at = firstNotBefore(this.positions, position);
    return at === 0 ? nothing : this.counts[at - 1];
  }
}

export class History {
  private readonly times: readonly number[];
  private readonly all = new Track();
  private readonly bySourceId = new Map<number, Track>();

  constructor(entries: readonly Entry[]) {
    this.times = entries.map(({ timeNs }) => timeNs);
    for (const [position, { event }] of entries.entries()) {
      if (!counted.has(event.kind) || !('sourceId' in event) || event.sourceId === null) continue;
      this.all.add(position, event);
      let track = this.bySourceId.get(event.sourceId);
      if (track === undefined) {
        track = new Track();
        this.bySourceId.set(event.sourceId, track);
      }
      track.add(position, event);
    }
  }

  /**
   * Events per second over the last recorded second.
   *
   * @param sourceId null for the whole unit
   */
  rates(sourceId: number | null, position: number, timeNs: number): DeviceCounts {
    const track = sourceId === null ? this.all : this.bySourceId.get(sourceId);
    if (track === undefined || timeNs === 0) return nothing;
    const from = track.before(firstNotBefore(this.times, timeNs - RATE_NS, position));
    const to = track.before(position);
    const seconds = Math.min(timeNs, RATE_NS) / 1e9;
    const rate = (name: (typeof names)[number]) => (to[name] - from[name]) / seconds;
    return { ...(Object.fromEntries(names.map((name) => [name, rate(name)])) as DeviceCounts), bytes: 0 };
  }

  /** The last columns up to a moment; their borders are multiples of their length, so that they stand still. */
  columns(position: number, timeNs: number, columnNs: number): SeriesColumn[] {
    const last = Math.floor(timeNs / columnNs);
    const columns: SeriesColumn[] = [];
    let from = this.countsAt(Math.max(0, last - COLUMNS + 1) * columnNs, position);
    for (let column = Math.max(0, last - COLUMNS + 1); column <= last; column++) {
      const end = (column + 1) * columnNs;
      const to = column === last ? this.all.before(position) : this.countsAt(end, position);
      const difference = (name: (typeof names)[number]) => to[name] - from[name];
      columns.push({
        spanNs: Math.min(end, timeNs) - column * columnNs,
        requests: difference('requests'),
        iotlb_lookup: difference('iotlb_lookup'),
        iotlb_hit: difference('iotlb_hit'),
        page_walks: difference('page_walks'),
        faults: difference('faults'),
      });
      from = to;
    }
    return columns;
  }

  private countsAt(timeNs: number, position: number): DeviceCounts {
    return this.all.before(firstNotBefore(this.times, timeNs, position));
  }
}

/** Events that change the counts of a device. */
const counted: ReadonlySet<Entry['event']['kind']> = new Set(['translation', 'passed', 'lookup', 'fault']);

/** Index of the first of rising numbers that is not below a value; `end` if all before it are. */
export function firstNotBefore(numbers: readonly number[], value: number, end = numbers.length): number {
  let low = 0;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
