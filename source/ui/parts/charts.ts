/** The three charts, side by side, each with its number and its scale. */
import { chart } from '../chart.ts';
import { beside, cell, ends, type Row, row, span } from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';
import { chartSpan, type Plot, plots } from '../series.ts';
import type { Token } from '../theme/tokens.ts';

const gap = 3;
const widest = 60;

/** Rows of the bars themselves. */
export const barRows = ({ tier }: Area): number =>
  ({ small: 1, compact: 1, normal: 3, rail: 4, wide: 6 })[tier];

export function charts(scene: Scene, area: Area): Row[] {
  const width = Math.min(widest, Math.floor((area.width - 2 - 2 * gap) / 3));
  const height = barRows(area);
  const tokens: readonly Token[] = ['translated', 'text', 'blocked'];
  const panels = plots(scene.snapshot, width).map((plot, i) => ({
    rows: panel(plot, width, height, tokens[i], i === 0 ? chartSpan(scene.snapshot, width) : ''),
    width: i === 2 ? width : width + gap,
  }));
  return beside([{ rows: [], width: 1 }, ...panels], height + 2);
}

function panel(plot: Plot, width: number, height: number, token: Token, covered: string): Row[] {
  const name = plot.title.length + plot.now.length + 1 <= width ? plot.title : plot.short;
  const heading = ends(row(span(name, 'title')), row(span(plot.now, 'text', { bold: true })), width);
  const bars = chart(plot.values, width, height).map((line) => row(cell(line, width, token)));
  const times = plot.scale.length + covered.length + 1 <= width ? covered : '';
  return [heading, ...bars, ends(row(span(plot.scale, 'label')), row(span(times, 'label')), width)];
}
