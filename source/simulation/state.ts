/** A simulation as a snapshot. */

import type { Domain } from '../linux/domains/domain.ts';
import type { Device } from '../machine/devices/device.ts';
import { previewMachine } from '../machine/preview.ts';
import { hex, hexOf } from '../vtd/bits.ts';
import { leafBytes } from '../vtd/caches/iotlb.ts';
import { namedCounts } from '../vtd/performance/counters.ts';
import { bdf } from '../vtd/source-id.ts';
import type { Iommu } from '../vtd/unit/iommu.ts';
import { Global, Offset } from '../vtd/unit/registers.ts';
import { laneOf } from './lane.ts';
import { reachOf } from './reach.ts';
import type { Simulation } from './simulation.ts';
import type {
  DeviceState,
  DomainType,
  FaultRegisters,
  Focus,
  Inspected,
  LatencySummary,
  Notice,
  RunState,
  Snapshot,
} from './snapshot.ts';
import { tablePath, translationTypeOf } from './tables.ts';

const EVENTS_SHOWN = 120;
const FAULT_GROUPS_SHOWN = 200;
const CORRUPTED_SHOWN = 64;

/** What a snapshot says besides what the simulation itself knows. */
export type RunningState = {
  readonly state: RunState;
  readonly speed: number;
  readonly notice: Notice | null;
  readonly focus: Focus;
  readonly other: Snapshot | null;
  readonly inspected: Inspected | null;
  readonly experiment: Snapshot['experiment'];
};

export function snapshotOf(
  simulation: Simulation,
  { state, speed, notice, focus, other, inspected, experiment }: RunningState,
): Snapshot {
  const { machine, journal, statistics } = simulation;
  const { unit, kernel, options } = machine;
  const rates = statistics.rates();
  const total = (name: 'requests' | 'iotlb_lookup' | 'iotlb_hit' | 'page_walks' | 'faults') =>
    rates.reduce((sum, rate) => sum + rate[name], 0);
  const focused = machine.find(focus.device ?? '') ?? machine.devices[0];
  return {
    source: 'simulation',
    title: null,
    boot: options.boot,
    machine: previewMachine(
      unit.capabilities,
      options.build,
      options.platform,
      machine.values['pc.pciBus'] === 'yes',
    ),
    seed: options.seed,
    timeNs: simulation.now,
    state,
    speed,
    phase: null,
    unit: unitRegisters(unit),
    counters: namedCounts(unit.translator.counts),
    invalidations: { ...unit.invalidator.counts },
    rates: {
      requests: total('requests'),
      iotlb_lookup: total('iotlb_lookup'),
      iotlb_hit: total('iotlb_hit'),
      page_walks: total('page_walks'),
      faults: total('faults'),
    },
    devices: machine.devices.map((device, index) => ({
      ...deviceIdentity(simulation, device),
      counts: simulation.countsOf(index),
      rates: rates[index],
      latency: latencyOf(device),
      reach: reachOf(simulation, device),
    })),
    series: statistics.columns.slice(),
    events: journal.events.slice(-EVENTS_SHOWN),
    faults: [...journal.groups.values()].sort((a, b) => b.lastNs - a.lastNs).slice(0, FAULT_GROUPS_SHOWN),
    faultRegisters: faultRegisters(simulation),
    transactions: focus.view === 'dma' ? journal.transactionsOf(focused.model.name) : [],
    tables:
      focus.view === 'tables'
        ? tablePath(machine, focused, focus.address ?? usedAddress(simulation, focused), focus.below ?? null)
        : null,
    cpuCycles: Math.round(kernel.cycles),
    queueWaitNs: kernel.cpuUse.map(({ queueWaitNs }) => Math.round(queueWaitNs)),
    dmesg: kernel.log.lines.slice(),
    memory: {
      corruptedPages: journal.corruptedPages.size,
      corrupted: [...journal.corruptedPages.values()].slice(-CORRUPTED_SHOWN),
    },
    notice,
    inspected,
    other,
    experiment,
  };
}

/** The registers that say what state a unit is in. */
export function unitRegisters(unit: Iommu): Snapshot['unit'] {
  const gsts = unit.read32(Offset.GSTS);
  return {
    name: unit.name,
    translation: (gsts & Global.TE) !== 0,
    gsts: hexOf(0, gsts),
    cap: hex(unit.capabilities.cap),
    ecap: hex(unit.capabilities.ecap),
    rtaddr: hexOf(...highFirst(unit.read64(Offset.RTADDR))),
  };
}

/** Who a device is and where its DMA goes; without counts. */
export function deviceIdentity(
  { machine }: Simulation,
  device: Device,
): Omit<DeviceState, 'counts' | 'rates' | 'latency' | 'reach'> {
  const { model, guest } = device;
  const record = machine.kernel.device(model.sourceId);
  const translation = machine.kernel.policy.translation;
  const { attached } = record;
  const attachedDomain: DomainType = !translation ? 'none' : (attached?.type ?? 'blocked');
  const owner =
    guest !== null
      ? (`guest ${guest.name}` as const)
      : device.process !== null
        ? 'process'
        : record.driver === null || record.claimed
          ? 'none'
          : 'host';
  return {
    name: model.name,
    bdf: bdf(model.sourceId),
    description: model.description,
    group: record.group,
    owner,
    driver: record.driver,
    defaultDomain: record.defaultType ?? 'none',
    attachedDomain,
    lane: laneOf[attachedDomain],
    did: attached?.did ?? null,
    pageBytes: pageBytes(device, attached),
    translationType: translation ? translationTypeOf(machine, model.sourceId) : null,
    virtualIommu: device.virtualIommu?.kind ?? null,
    emulated: device.emulated,
    untrusted: record.fn.untrusted,
  };
}

/** The size of the largest pages that a device's requests can be translated by. */
function pageBytes({ virtualIommu }: Device, attached: Domain | null): number | null {
  if (attached === null || attached.type === 'identity') return null;
  if (attached.type !== 'nested') return largestPage(attached.table.leaves);
  const sizes = [virtualIommu?.table.leaves ?? [], attached.parent.table.leaves].map(largestPage);
  return sizes.includes(null) ? null : Math.min(...(sizes as number[]));
}

/** How long a device's requests took lately; null before the first. */
export function latencyOf({ latencies }: Device): LatencySummary | null {
  if (latencies.count === 0) return null;
  const [p50Ns, p99Ns, p999Ns] = [0.5, 0.99, 0.999].map((share) => Math.round(latencies.percentile(share)));
  return { p50Ns, p99Ns, p999Ns };
}

function largestPage(leaves: readonly number[]): number | null {
  for (let level = leaves.length - 1; level >= 1; level--) if (leaves[level] > 0) return leafBytes(level);
  return null;
}

/** The last address a device used, or 0. */
function usedAddress({ journal }: Simulation, device: Device): string {
  const own = journal.transactions.get(device.model.name) ?? [];
  // An interrupt has no page.
  return own.findLast(({ interrupt }) => interrupt === undefined)?.address ?? '0x0';
}

function faultRegisters({ machine }: Simulation): FaultRegisters {
  const { faultLog, translator } = machine.unit;
  const counts = namedCounts(translator.counts);
  let inUse = 0;
  for (let i = 0; i < faultLog.records; i++) if (faultLog.holds(i)) inUse++;
  return {
    records: faultLog.records,
    inUse,
    overflow: faultLog.overflow,
    pending: faultLog.pending,
    interrupts: machine.kernel.faultInterrupts,
    lost: counts.faults - counts.faults_recorded,
    queue: machine.kernel.queueErrors,
  };
}

const highFirst = ([lo, hi]: [number, number]): [number, number] => [hi, lo];
