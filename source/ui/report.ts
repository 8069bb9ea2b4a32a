/** The report of a headless run as text for people. */
import type { Report } from '../output/report.ts';
import { faultReason } from '../vtd/faults/fault-reason.ts';
import { exactly, percent } from './format.ts';
import { type Column, type DrawTable, plainTable } from './plain-table.ts';

/** Plain text without colours. */
export function textReport(report: Report, draw: DrawTable = plainTable): string {
  const { counters, unit, memory, faults, halted } = report;
  const lines = [
    `boot         ${report.boot === '' ? '(no word about the IOMMU)' : report.boot}`,
    `unit         ${unit.name}`,
    `IOMMU        ${unit.translation ? 'on' : 'off'} (${report.iommuReason}), GSTS ${unit.gsts}`,
    `simulated    ${ms(report.simulatedNs)}, seed ${report.seed}`,
    ...(halted === null ? [] : [`halted       ${halted}`]),
    '',
    draw(report.devices.map(deviceRow), deviceColumns),
    '',
    `memory reads for tables ${counters.iommu_mrds}`,
    ...report.perf.map(({ event, count }) => `${event}  ${count}`),
    `invalidations           ${invalidations(counters.invalidations)}`,
    `CPU cycles for IOMMU    ${exactly(report.iommu_cpu_cycles)}`,
    `corrupted pages         ${memory.corruptedPages}`,
    `faults                  ${counters.faults}`,
    ...faultGroups(faults).flatMap(({ count, last }) => [
      `  ${last.device.padEnd(6)} ${last.type.padEnd(6)} ${last.reason} ` +
        `${faultReason(Number(last.reason)).meaning}: ${count}, last ${last.address} at ${ms(last.timeNs)}`,
      `         ${last.dmesg ?? 'not recorded: the fault recording register was in use'}`,
    ]),
    ...(report.vfio.length === 0 ? [] : ['']),
    ...report.vfio.map(
      ({ program, call, effect }) => `${program.padEnd(9)} ${call}${effect === '' ? '' : `    # ${effect}`}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

type DeviceColumn = keyof ReturnType<typeof deviceRow>;

const right = (key: DeviceColumn) => ({ key, align: 'right' as const });

const deviceColumns: readonly Column<DeviceColumn>[] = [
  'device',
  'bdf',
  right('group'),
  'owner',
  'default',
  'attached',
  right('requests'),
  right('hit'),
  right('walks'),
  right('faults'),
  right('Gb/s'),
  right('p50 ns'),
  right('p99 ns'),
];

function deviceRow(device: Report['devices'][number]) {
  const { iotlb_lookup, iotlb_hit } = device;
  return {
    device: device.name,
    bdf: device.bdf,
    group: device.group ?? '-',
    owner: device.emulated ? `${device.owner}, emulated` : device.owner,
    default: device.defaultDomain,
    attached: device.attachedDomain,
    requests: device.dma.requests,
    hit: iotlb_lookup === 0 ? '-' : percent(iotlb_hit, iotlb_lookup),
    walks: iotlb_lookup === 0 ? '-' : device.page_walks,
    faults: device.faults,
    'Gb/s': device.dma.throughputGbps.toFixed(2),
    'p50 ns': device.dma.latency?.p50Ns ?? '-',
    'p99 ns': device.dma.latency?.p99Ns ?? '-',
  };
}

type FaultLine = Report['faults'][number];

/** Faults of one device, type and reason, with the last that was recorded, in order of appearance. */
function faultGroups(faults: readonly FaultLine[]): { count: number; last: FaultLine }[] {
  const groups = new Map<string, { count: number; last: FaultLine }>();
  for (const fault of faults) {
    const key = `${fault.device} ${fault.type} ${fault.reason}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { count: 1, last: fault });
    else {
      group.count++;
      if (fault.dmesg !== null || group.last.dmesg === null) group.last = fault;
    }
  }
  return [...groups.values()];
}

const ms = (nanoseconds: number): string => `${(nanoseconds / 1e6).toFixed(3)} ms`;

function invalidations(counts: Report['counters']['invalidations']): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name.replaceAll('_', ' ')} ${count}`)
    .join(', ');
}
