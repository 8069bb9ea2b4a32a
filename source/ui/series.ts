/** The three series of the charts: hit rate, walks and faults over time. */
import type { SeriesColumn, Snapshot } from '../simulation/snapshot.ts';
import { absent, ceiling, duration, percentInText, quantity, round } from './format.ts';

export type Plot = {
  readonly title: string;
  readonly short: string;
  /** The number now. */
  readonly now: string;
  /** Between 0 and 1; null where there was nothing to measure. */
  readonly values: readonly (number | null)[];
  readonly scale: string;
};

const perSecond = (count: number, { spanNs }: SeriesColumn): number =>
  spanNs > 0 ? (count * 1e9) / spanNs : 0;

/** The plots of the last `width` columns; their scales hold for what is shown. */
export function plots(snapshot: Snapshot, width: number): Plot[] {
  const columns = snapshot.series.filter(({ spanNs }) => spanNs > 0).slice(-width);
  const { rates } = snapshot;
  // Absent is not zero: an IOMMU that is off neither walks nor refuses.
  const now = (rate: number) => (snapshot.unit.translation ? `${quantity(rate)}/s` : absent);
  return [
    {
      title: 'IOTLB hit rate',
      short: 'hit',
      now: percentInText(rates.iotlb_hit, rates.iotlb_lookup),
      values: columns.map(({ iotlb_hit, iotlb_lookup }) =>
        iotlb_lookup > 0 ? iotlb_hit / iotlb_lookup : null,
      ),
      scale: '0 to 100 %',
    },
    ratePlot('Walks', 'walks', now(rates.page_walks), columns, (column) => column.page_walks),
    ratePlot('Faults', 'faults', now(rates.faults), columns, (column) => column.faults),
  ];
}

function ratePlot(
  title: string,
  short: string,
  now: string,
  columns: readonly SeriesColumn[],
  count: (column: SeriesColumn) => number,
): Plot {
  const values = columns.map((column) => perSecond(count(column), column));
  // The ceiling comes from what is shown: it rises at once, and falls when the peak has left the chart.
  const top = ceiling(Math.max(0, ...values));
  return {
    title,
    short,
    now,
    values: values.map((value) => value / top),
    scale: `0 to ${round(top)}/s`,
  };
}

/** How much time the last columns of a chart cover. */
export function chartSpan(snapshot: Snapshot, width: number): string {
  const columns = snapshot.series.filter(({ spanNs }) => spanNs > 0).slice(-width);
  const whole = columns.reduce((sum, { spanNs }) => sum + spanNs, 0);
  return whole === 0 ? '' : `last ${duration(whole)}`;
}
