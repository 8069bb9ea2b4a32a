/** The published figures that experiments are held against: `fixtures/experiments/published.json`. */
import published from '../../fixtures/experiments/published.json' with { type: 'json' };

/** x, the figure, and how far a simulated one may be off as a share of it; null where it is no gate. */
type Figure = readonly [x: number, value: number, tolerance: number | null];

type Published = {
  readonly source: string;
  readonly grade: string;
  readonly series: Readonly<Record<string, readonly Figure[]>>;
};

const all = published as unknown as Readonly<Record<string, Published>>;

/** Where the figures of an experiment are from, with their grade: A primary, B quoted, C third party, M recalled. */
export const citationOf = (id: string): string => `${all[id].source}; grade ${all[id].grade}`;

/** The figures of one series; none where nothing is published for it. */
export const figuresOf = (id: string, series: string): readonly Figure[] => all[id].series[series] ?? [];
