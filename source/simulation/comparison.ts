/** Two machines, measure by measure: the same seed and commands, another boot line. */
import type { DeviceState, Snapshot } from './snapshot.ts';

/** A count, a share from 0 to 1, a word such as a domain type, or null where a measure makes no sense. */
export type Measured = number | string | null;

export type ComparisonRow = {
  /** `machine`, or the name of a device. */
  readonly subject: string;
  readonly measure: MachineMeasure | DeviceMeasure;
  readonly a: Measured;
  readonly b: Measured;
  /** b - a; null where one of them is no number. */
  readonly difference: number | null;
};

/** Counts of events have the names of Linux's perf events where there is one. */
const ofMachine = {
  requests: (state) => sum(state, 'requests'),
  bytes: (state) => sum(state, 'bytes'),
  iotlb_lookup: ({ counters }) => counters.iotlb_lookup,
  iotlb_hit_rate: ({ counters }) => share(counters.iotlb_hit, counters.iotlb_lookup),
  page_walks: ({ counters }) => counters.page_walks,
  iommu_mrds: ({ counters }) => counters.iommu_mrds,
  // Waits come on top: the kernel puts one behind each of the others.
  invalidations: ({ invalidations: { wait, ...others } }) => Object.values(others).reduce((a, b) => a + b, 0),
  iommu_cpu_cycles: ({ cpuCycles }) => cpuCycles,
  faults: ({ counters }) => counters.faults,
  corrupted_pages: ({ memory }) => memory.corruptedPages,
} as const satisfies Record<string, (state: Snapshot) => Measured>;

const ofDevice = {
  domain: ({ attachedDomain }) => attachedDomain,
  requests: ({ counts }) => counts.requests,
  bytes: ({ counts }) => counts.bytes,
  throughput_gbps: ({ counts }, { timeNs }) => gbpsOf(counts.bytes, timeNs),
  latency_p50_ns: ({ latency }) => latency?.p50Ns ?? null,
  latency_p99_ns: ({ latency }) => latency?.p99Ns ?? null,
  iotlb_hit_rate: ({ counts }) => share(counts.iotlb_hit, counts.iotlb_lookup),
  page_walks: ({ counts }) => counts.page_walks,
  faults: ({ counts }) => counts.faults,
} as const satisfies Record<string, (device: DeviceState, state: Snapshot) => Measured>;

export type MachineMeasure = keyof typeof ofMachine;
export type DeviceMeasure = keyof typeof ofDevice;

/** Every measure of both: the machine's first, then those of each device that both have. */
export function compareMachines(a: Snapshot, b: Snapshot): ComparisonRow[] {
  const rows = Object.entries(ofMachine).map(([measure, of]) =>
    rowOf('machine', measure as MachineMeasure, of(a), of(b)),
  );
  for (const device of a.devices) {
    const other = b.devices.find(({ name }) => name === device.name);
    if (other === undefined) continue;
    for (const [measure, of] of Object.entries(ofDevice)) {
      rows.push(rowOf(device.name, measure as DeviceMeasure, of(device, a), of(other, b)));
    }
  }
  return rows;
}

const rowOf = (
  subject: string,
  measure: ComparisonRow['measure'],
  a: Measured,
  b: Measured,
): ComparisonRow => ({
  subject,
  measure,
  a,
  b,
  difference: typeof a === 'number' && typeof b === 'number' ? withoutRest(b - a) : null,
});

const sum = ({ devices }: Snapshot, count: 'requests' | 'bytes'): number =>
  devices.reduce((total, { counts }) => total + counts[count], 0);

/** A difference without the rest that binary fractions leave. */
const withoutRest = (value: number): number => Number(value.toPrecision(12));

/** Gb/s since boot, to four digits. */
export const gbpsOf = (bytes: number, timeNs: number): number =>
  timeNs > 0 ? Number(((8 * bytes) / timeNs).toPrecision(4)) : 0;

/** Absent is not zero: what never looked has no hit rate. */
const share = (part: number, whole: number): number | null => (whole > 0 ? part / whole : null);
