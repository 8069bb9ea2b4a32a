/** Two machines, measure by measure: the same seed and commands, another boot line. */
import type { DeviceState, Snapshot } from './snapshot.ts';

/** A count, a share from 0 to 1, or null where a measure makes no sense. */
export type Measured = number | null;

export type ComparisonRow = {
  /** `machine`, or the name of a device. */
  readonly subject: string;
  readonly measure: MachineMeasure | DeviceMeasure;
  readonly unit: string;
  readonly a: Measured;
  readonly b: Measured;
  /** b - a; null where one of them is no number. */
  readonly difference: number | null;
};

/** What a device is on a side: what its numbers have to be read with. */
export type ComparedDevice = {
  readonly name: string;
  readonly a: Side;
  readonly b: Side;
};

type Side = Pick<DeviceState, 'attachedDomain' | 'emulated'>;

type Measure<State> = { readonly unit: string; of(state: State, machine: Snapshot): Measured };

const measure = <State>(unit: string, of: Measure<State>['of']): Measure<State> => ({ unit, of });

/**
 * Counts of events have the names of Linux's perf events where there is one. A machine that does less counts less of
 * everything, so that what a request costs is told by itself.
 */
const ofMachine = {
  requests: measure('requests', (state: Snapshot) => sum(state, 'requests')),
  bytes: measure('B', (state) => sum(state, 'bytes')),
  iotlb_lookup: measure('look-ups', ({ counters }) => counters.iotlb_lookup),
  iotlb_hit_rate: measure('share', ({ counters }) => share(counters.iotlb_hit, counters.iotlb_lookup)),
  page_walks: measure('walks', ({ counters }) => counters.page_walks),
  page_walks_per_request: measure('walks/request', (state) =>
    share(state.counters.page_walks, sum(state, 'requests')),
  ),
  iommu_mrds: measure('reads', ({ counters }) => counters.iommu_mrds),
  iommu_mrds_per_request: measure('reads/request', (state) =>
    share(state.counters.iommu_mrds, sum(state, 'requests')),
  ),
  // Waits come on top: the kernel puts one behind each of the others.
  invalidations: measure('descriptors', ({ invalidations: { wait, ...others } }) =>
    Object.values(others).reduce((a, b) => a + b, 0),
  ),
  iommu_cpu_cycles: measure('cycles', ({ cpuCycles }) => cpuCycles),
  iommu_cpu_cycles_per_request: measure('cycles/request', (state) =>
    state.cpuCycles === null ? null : share(state.cpuCycles, sum(state, 'requests')),
  ),
  queue_wait_ns: measure(
    'ns',
    ({ queueWaitNs }) => queueWaitNs?.reduce((all, each) => all + each, 0) ?? null,
  ),
  faults: measure('faults', ({ counters }) => counters.faults),
  corrupted_pages: measure('pages', ({ memory }) => memory.corruptedPages),
} as const satisfies Record<string, Measure<Snapshot>>;

const ofDevice = {
  requests: measure('requests', ({ counts }: DeviceState) => counts.requests),
  bytes: measure('B', ({ counts }) => counts.bytes),
  throughput_gbps: measure('Gb/s', ({ counts }, { timeNs }) => gbpsOf(counts.bytes, timeNs)),
  latency_p50_ns: measure('ns', ({ latency }) => latency?.p50Ns ?? null),
  latency_p99_ns: measure('ns', ({ latency }) => latency?.p99Ns ?? null),
  iotlb_hit_rate: measure('share', ({ counts }) => share(counts.iotlb_hit, counts.iotlb_lookup)),
  page_walks: measure('walks', ({ counts }) => counts.page_walks),
  page_walks_per_request: measure('walks/request', ({ counts }) => share(counts.page_walks, counts.requests)),
  faults: measure('faults', ({ counts }) => counts.faults),
} as const satisfies Record<string, Measure<DeviceState>>;

export type MachineMeasure = keyof typeof ofMachine;
export type DeviceMeasure = keyof typeof ofDevice;

/** Every measure of both: the machine's first, then those of each device that both have. */
export function compareMachines(a: Snapshot, b: Snapshot): ComparisonRow[] {
  const machines = [a, b] as const;
  const rows = rowsOf('machine', ofMachine, machines, machines);
  for (const pair of pairs(a, b)) rows.push(...rowsOf(pair[0].name, ofDevice, pair, machines));
  return rows;
}

/** What each device is on both sides. */
export const comparedDevices = (a: Snapshot, b: Snapshot): ComparedDevice[] =>
  pairs(a, b).map(([device, other]) => ({ name: device.name, a: sideOf(device), b: sideOf(other) }));

const sideOf = ({ attachedDomain, emulated }: DeviceState): Side => ({ attachedDomain, emulated });

const pairs = (a: Snapshot, b: Snapshot): [DeviceState, DeviceState][] =>
  a.devices.flatMap((device) => {
    const other = b.devices.find(({ name }) => name === device.name);
    return other === undefined ? [] : [[device, other]];
  });

const rowsOf = <State>(
  subject: string,
  measures: Readonly<Record<string, Measure<State>>>,
  [a, b]: readonly [State, State],
  [machineA, machineB]: readonly [Snapshot, Snapshot],
): ComparisonRow[] =>
  Object.entries(measures).map(([name, { unit, of }]) => {
    const [left, right] = [of(a, machineA), of(b, machineB)];
    return {
      subject,
      measure: name as ComparisonRow['measure'],
      unit,
      a: left,
      b: right,
      difference: left === null || right === null ? null : withoutRest(right - left),
    };
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
