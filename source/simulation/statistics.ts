/** Counts over time: the columns of the charts, and rates over about a second on the wall. */
import type { DeviceCounts, SeriesColumn } from './snapshot.ts';

export type Totals = { readonly timeNs: number; readonly devices: readonly DeviceCounts[] };

const COLUMNS = 240;
/** Samples a column; a rate is taken over the last RATE_SAMPLES of them. */
const SAMPLES_PER_COLUMN = 2;
const RATE_SAMPLES = 4;

const COUNTED = [
  'requests',
  'bytes',
  'iotlb_lookup',
  'iotlb_hit',
  'page_walks',
  'faults',
  'interrupts',
  'interrupts_blocked',
] as const;

export class Statistics {
  /** Simulated length of a column: half a second on the wall at the current speed. */
  columnNs: number;
  readonly columns: SeriesColumn[] = [];
  private readonly samples: Totals[];
  private columnStart: Totals;
  private readonly read: () => Totals;

  /** @param read the totals now */
  constructor(read: () => Totals, columnNs: number) {
    this.read = read;
    this.columnNs = columnNs;
    this.columnStart = read();
    this.samples = [this.columnStart];
  }

  /** When the next sample is due. */
  nextSample(): number {
    return (this.samples.at(-1) as Totals).timeNs + this.columnNs / SAMPLES_PER_COLUMN;
  }

  /** Take a sample now; every second one ends a column. */
  sample(): void {
    const now = this.read();
    this.samples.push(now);
    if (this.samples.length > RATE_SAMPLES + 1) this.samples.shift();
    if (now.timeNs - this.columnStart.timeNs >= this.columnNs * 0.999) {
      this.columns.push(column(this.columnStart, now));
      if (this.columns.length > COLUMNS) this.columns.shift();
      this.columnStart = now;
    }
  }

  /** Events per second of each device over the last samples. */
  rates(): DeviceCounts[] {
    const now = this.read();
    const first = this.samples[0];
    const seconds = (now.timeNs - first.timeNs) / 1e9;
    // A moment after boot one event would count for thousands a second.
    const known = now.timeNs - first.timeNs >= this.columnNs / (2 * SAMPLES_PER_COLUMN);
    return now.devices.map((counts, i) => {
      const before = first.devices[i];
      const rate = (name: (typeof COUNTED)[number]) => (known ? (counts[name] - before[name]) / seconds : 0);
      return Object.fromEntries(COUNTED.map((name) => [name, rate(name)])) as DeviceCounts;
    });
  }
}

function column(from: Totals, to: Totals): SeriesColumn {
  const difference = (name: (typeof COUNTED)[number]) =>
    to.devices.reduce((sum, counts, i) => sum + counts[name] - from.devices[i][name], 0);
  return {
    spanNs: to.timeNs - from.timeNs,
    requests: difference('requests'),
    iotlb_lookup: difference('iotlb_lookup'),
    iotlb_hit: difference('iotlb_hit'),
    page_walks: difference('page_walks'),
    faults: difference('faults'),
  };
}
