/** The report of a headless run as text for people. */
import { Box, renderToString, Text } from 'ink';
import { Table } from 'ink-table';
import type { Report } from '../output/report.ts';
import { faultReason } from '../vtd/faults/fault-reason.ts';

const WIDTH = 160;

/** Plain text without colours; wide enough for every column. */
export function textReport(report: Report): string {
  return `${renderToString(<ReportText report={report} />, { columns: WIDTH })}\n`;
}

function ReportText({ report }: { readonly report: Report }) {
  const { counters, unit, memory, faults, halted } = report;
  return (
    <Box flexDirection="column">
      <Text>{`boot         ${report.boot === '' ? '(no word about the IOMMU)' : report.boot}`}</Text>
      <Text>{`unit         ${unit.name}`}</Text>
      <Text>{`IOMMU        ${unit.translation ? 'on' : 'off'}, GSTS ${unit.gsts}`}</Text>
      <Text>{`simulated    ${ms(report.simulatedNs)}, seed ${report.seed}`}</Text>
      {halted === null ? null : <Text>{`halted       ${halted}`}</Text>}
      <Text> </Text>
      <Table data={report.devices.map(deviceRow)} columns={deviceColumns} />
      <Text> </Text>
      <Text>{`memory reads for walks  ${counters.iommu_mrds}`}</Text>
      {report.perf.map(({ event, count }) => (
        <Text key={event}>{`${event}  ${count}`}</Text>
      ))}
      <Text>{`invalidations           ${invalidations(counters.invalidations)}`}</Text>
      {report.vfio.map(({ program, call, effect }, at) => (
        <Text key={at}>{`${program.padEnd(9)} ${call}${effect === '' ? '' : `    # ${effect}`}`}</Text>
      ))}
      {report.vfio.length === 0 ? null : <Text> </Text>}
      <Text>{`corrupted pages         ${memory.corruptedPages}`}</Text>
      <Text>{`faults                  ${counters.faults}`}</Text>
      {faultGroups(faults).map(({ count, last }) => (
        <Box key={`${last.device} ${last.type} ${last.reason}`} flexDirection="column">
          <Text>
            {`  ${last.device.padEnd(6)} ${last.type.padEnd(6)} ${last.reason} ` +
              `${faultReason(Number(last.reason)).meaning}: ${count}, last ${last.address} at ${ms(last.timeNs)}`}
          </Text>
          <Text>{`         ${last.dmesg ?? 'not recorded: the fault recording register was in use'}`}</Text>
        </Box>
      ))}
    </Box>
  );
}

type DeviceColumn = keyof ReturnType<typeof deviceRow>;

const right = (key: DeviceColumn) => ({ key, align: 'right' as const });

const deviceColumns: (DeviceColumn | ReturnType<typeof right>)[] = [
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
    hit: iotlb_lookup === 0 ? '-' : `${((100 * iotlb_hit) / iotlb_lookup).toFixed(1)}%`,
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
    .map(([name, count]) => `${name.replace('_', ' ')} ${count}`)
    .join(', ');
}
