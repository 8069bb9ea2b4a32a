/** The snapshot of the tables under iommu=pt: context entries and page tables as they were read from guest memory. */
import { readFileSync } from 'node:fs';
import type { PagingDomain } from '../../../source/linux/domains/domain.ts';
import { bdf } from '../../../source/vtd/source-id.ts';
import { DATA, type Host, id } from '../../support/host.ts';
import { hostOf, recordedFunctions } from '../../support/recorded-machine.ts';
import { PAGE } from '../../support/recording/recorded-driver.ts';
import { entryOf, flagsOf } from './context-entry.ts';
import type { Chapter, Figure } from './figure.ts';

const edu = id('00:08.0');
const nic = id('00:05.0');
const all = recordedFunctions.map(({ sourceId }) => sourceId);

type SnapshotEntry = {
  readonly device: string;
  readonly lo: string;
  readonly hi: string;
  /** Leaves and tables below it; missing in pass-through. */
  readonly leaf?: number;
  readonly tables?: number;
};

export function tables(): Chapter {
  const host = hostOf('on-pt');
  const { kernel } = host;
  const figures: Figure[] = [];
  const compare = (phase: string, devices: readonly number[]) => {
    const found = snapshot(phase).filter(({ device }) => devices.some((each) => bdf(each) === device));
    figures.push({
      ...{ run: 'on-pt', phase, device: '', name: 'context entries' },
      recorded: listed(found.map(recordedText)),
      simulated: listed(devices.map((each) => simulatedText(host, each))),
    });
  };
  compare('modules', all);
  kernel.claim(edu);
  const domain: PagingDomain = kernel.attachUnmanaged(edu, 2);
  compare('vfio-attached', all);
  const pieces = [0, 1, 4, 8].map((page) => ({ physical: DATA + page * PAGE, bytes: PAGE }));
  kernel.mapForOwner(domain, 0x10_0000, pieces);
  compare('vfio-mapped', all);
  kernel.release(edu);
  compare('vfio-closed', all);
  kernel.bindDriver(nic, null);
  for (const type of ['identity', 'DMA', 'DMA-FQ'] as const) kernel.setGroupType(nic, type);
  compare('type DMA-FQ', [nic, edu]);
  return { title: 'Tables in memory', figures, departures: [] };
}

const recordedText = ({ device, lo, hi, leaf, tables: count }: SnapshotEntry): string =>
  `${device} ${flagsOf(hi, lo)}${leaf === undefined ? '' : ` ${leaf} leaves ${count} tables`}`;

function simulatedText(host: Host, sourceId: number): string {
  const { attached } = host.kernel.device(sourceId);
  const table = attached !== null && 'table' in attached ? attached.table : null;
  const below = table === null ? '' : ` ${table.leaves[1]} leaves ${table.tables} tables`;
  return `${bdf(sourceId)} ${entryOf(host, sourceId)}${below}`;
}

/** Devices with the same entry as one. */
function listed(entries: readonly string[]): string {
  const byEntry = new Map<string, string[]>();
  for (const entry of entries) {
    const [device, ...rest] = entry.split(' ');
    const text = rest.join(' ');
    byEntry.set(text, [...(byEntry.get(text) ?? []), device]);
  }
  return [...byEntry].map(([text, devices]) => `${devices.join(' ')}: ${text}`).join('; ');
}

/** Context entries of a phase, as they were read from the recorded machine's memory. */
function snapshot(phase: string): SnapshotEntry[] {
  const entries: SnapshotEntry[] = [];
  let isIn = false;
  for (const line of readFileSync('fixtures/linux-6.12/table-snapshot-pt.txt', 'utf8').split('\n')) {
    const entry = /^ +(\S+) (\{.*\})$/.exec(line);
    if (entry === null) isIn = line.startsWith(`${phase} `);
    else if (isIn) entries.push({ device: entry[1], ...JSON.parse(entry[2]) });
  }
  return entries;
}
