/** Device rows as CSV (RFC 4180), one row for each device and moment. */
import type { Report } from './report.ts';

const COLUMNS = [
  'simulatedNs',
  'device',
  'bdf',
  'group',
  'owner',
  'defaultDomain',
  'attachedDomain',
  'emulated',
  'requests',
  'bytes',
  'iotlb_lookup',
  'iotlb_hit',
  'page_walks',
  'faults',
  'throughputGbps',
  'p50Ns',
  'p99Ns',
] as const;

export const csvHeader = (): string => csvLine(COLUMNS);

export function csvRows({ simulatedNs, devices }: Report): string {
  return devices
    .map(({ name, dma, ...device }) => {
      const { p50Ns = null, p99Ns = null } = dma.latency ?? {};
      const values: Record<string, unknown> = { ...device, ...dma, p50Ns, p99Ns, simulatedNs, device: name };
      return csvLine(COLUMNS.map((column) => values[column]));
    })
    .join('');
}

export const csvLine = (values: readonly unknown[]): string => `${values.map(cell).join(',')}\n`;

const cell = (value: unknown): string => {
  const text = value === null ? '' : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
