/** The comparison of two machines as text for people. */
import type { ComparisonReport } from '../output/compare.ts';
import type { ComparisonRow, Measured } from '../simulation/comparison.ts';
import { absent, exactly, percentInText, relative } from './format.ts';
import { glyph } from './glyphs.ts';
import { type DrawTable, plainTable } from './plain-table.ts';
import { wrap } from './rows.ts';

const WIDTH = 100;

/** Plain text without colours. Measures that are the same on both sides are left out for devices. */
export function comparisonText(comparison: ComparisonReport, draw: DrawTable = plainTable): string {
  const { a, b, rows, devices, notes, simulatedNs, seed } = comparison;
  const shown = rows.filter((row) => row.subject === 'machine' || row.a !== row.b);
  const domains = devices
    .filter((device) => device.a.attachedDomain !== device.b.attachedDomain)
    .map((device) => ({
      device: device.name,
      'domain in A': domainText(device.a),
      'domain in B': domainText(device.b),
    }));
  const lines = [
    `A            ${lineText(a.boot)}`,
    `B            ${lineText(b.boot)}`,
    `simulated    ${(simulatedNs / 1e6).toFixed(3)} ms each, seed ${seed}`,
    ...notes.flatMap((note) => ['', ...wrap(note, WIDTH)]),
    '',
    ...(domains.length === 0 ? [] : [draw(domains, ['device', 'domain in A', 'domain in B']), '']),
    draw(shown.map(tableRow), ['subject', 'measure', right('A'), right('B'), right('B to A')]),
  ];
  return `${lines.join('\n')}\n`;
}

const lineText = (boot: string): string => (boot === '' ? '(no word about the IOMMU)' : boot);

const domainText = ({ attachedDomain, emulated }: ComparisonReport['devices'][number]['a']): string =>
  emulated ? `${attachedDomain}, emulated` : attachedDomain;

const right = <Key extends string>(key: Key) => ({ key, align: 'right' as const });

const tableRow = (row: ComparisonRow) => ({
  subject: row.subject,
  measure: row.measure,
  A: text(row, row.a),
  B: text(row, row.b),
  'B to A': relative(row).replace(glyph.minus, '-').replace(absent, '-'),
});

function text({ unit }: ComparisonRow, value: Measured): string {
  if (value === null) return '-';
  if (unit === 'share') return percentInText(value, 1);
  return Number.isInteger(value) ? exactly(value) : Number(value.toPrecision(3)).toString();
}
