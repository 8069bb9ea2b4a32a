/** The comparison of two machines as text for people. */
import { Box, renderToString, Text } from 'ink';
import { Table } from 'ink-table';
import type { ComparisonReport } from '../output/compare.ts';
import type { ComparisonRow, Measured } from '../simulation/comparison.ts';
import { exactly, percentInText } from './format.ts';

const WIDTH = 120;

/** Plain text without colours. Measures that are the same on both sides are left out for devices. */
export function comparisonText(comparison: ComparisonReport): string {
  return `${renderToString(<ComparisonText comparison={comparison} />, { columns: WIDTH })}\n`;
}

function ComparisonText({ comparison }: { readonly comparison: ComparisonReport }) {
  const { a, b, rows, simulatedNs, seed } = comparison;
  const shown = rows.filter((row) => row.subject === 'machine' || row.a !== row.b);
  return (
    <Box flexDirection="column">
      <Text>{`A            ${lineText(a.boot)}`}</Text>
      <Text>{`B            ${lineText(b.boot)}`}</Text>
      <Text>{`simulated    ${(simulatedNs / 1e6).toFixed(3)} ms each, seed ${seed}`}</Text>
      <Text> </Text>
      <Table
        data={shown.map(tableRow)}
        columns={['subject', 'measure', right('A'), right('B'), right('B to A')]}
      />
    </Box>
  );
}

const lineText = (boot: string): string => (boot === '' ? '(no word about the IOMMU)' : boot);

const right = (key: 'A' | 'B' | 'B to A') => ({ key, align: 'right' as const });

function tableRow(row: ComparisonRow) {
  return {
    subject: row.subject,
    measure: row.measure,
    A: text(row, row.a),
    B: text(row, row.b),
    'B to A': row.difference === null ? '-' : differenceText(row),
  };
}

function text({ measure }: ComparisonRow, value: Measured): string {
  if (value === null) return '-';
  if (typeof value === 'string') return value;
  return measure === 'iotlb_hit_rate' ? percentInText(value, 1) : exactly(value);
}

/** Shares differ by points of a per cent, as shown beside it; counts by numbers. */
function differenceText({ measure, a, b, difference }: ComparisonRow): string {
  const isShare = measure === 'iotlb_hit_rate';
  const value = isShare ? shownPercent(b) - shownPercent(a) : (difference as number);
  if (difference === 0) return 'same';
  const sign = (difference as number) > 0 ? '+' : '-';
  const size = Math.abs(value);
  return isShare ? `${sign}${size.toFixed(1)} points` : sign + exactly(size);
}

const shownPercent = (share: Measured): number => Number.parseFloat(percentInText(share as number, 1));
