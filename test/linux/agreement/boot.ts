/** What the kernel does and says while it sets the unit up, and what sysfs shows then. */

import { wordsToBig } from '../../../source/vtd/bits.ts';
import { bdf } from '../../../source/vtd/source-id.ts';
import { Offset } from '../../../source/vtd/unit/registers.ts';
import type { Host } from '../../support/host.ts';
import { hostOf, recordedFunctions } from '../../support/recorded-machine.ts';
import { type RunName, recordedRun } from '../../support/recording/recorded-run.ts';
import { consoleOf, registerAtBoot, UNTRACED, writtenIn } from '../../support/recording/written.ts';
import { entryOf, flagsOf } from './context-entry.ts';
import { type Chapter, type Figure, inOrder } from './figure.ts';

const runs = ['default', 'on', 'on-strict', 'on-pt', 'sm-on', 'off'] as const;

/** GSTS.TES as GCMD.TE asks for it. */
const TRANSLATION = 0x8000_0000;
const FLAGS = 0xfffn;
/** With the IOMMU off: three commands, the whole entry cache, and four entries of pins. */
const INTERRUPT_SET_UP = 13;

export function boot(): Chapter {
  return { title: 'Boot', figures: runs.flatMap((run) => bootOf(run)), departures: [] };
}

function bootOf(run: RunName): Figure[] {
  const host = hostOf(run);
  const figures: Figure[] = [];
  const figure = (name: string, recorded: string, simulated: string) =>
    figures.push({ run, phase: 'boot', device: '', name, recorded, simulated });

  const [recorded, simulated] = inOrder(setUp(writtenIn(run, 'boot'), run), setUp(host.written, run));
  figure('commands and descriptors', recorded, simulated);
  const flags = (values: readonly bigint[]) =>
    values.map((value) => `0x${(value & FLAGS).toString(16)}`).join(' ');
  const registers = [Offset.IQA, Offset.IRTA, Offset.RTADDR];
  figure(
    'IQA, IRTA, RTADDR',
    flags(registers.map((offset) => registerAtBoot(run, offset))),
    flags(registers.map((offset) => wordsToBig(host.unit.read64(offset)))),
  );
  const entries = recordedEntries(run);
  figure(
    'context entries',
    entries.map(([sourceId, entry]) => `${bdf(sourceId)} ${entry}`).join(', '),
    entries.map(([sourceId]) => `${bdf(sourceId)} ${entryOf(host, sourceId)}`).join(', '),
  );
  const console = consoleOf(run);
  const used = '/sys/class/iommu/dmar0/intel-iommu/domains_used';
  figure(
    'domains_used',
    console.find((line) => line.startsWith(used))?.split(' = ')[1] ?? '',
    read(host, used),
  );
  figure('groups', ...inOrder(recordedGroups(console), groupsOf(host)));
  figure("lines of the kernel's log", ...inOrder(recordedLog(console), logOf(host)));
  return figures;
}

/** What is written until translation is turned on, or with it off until interrupts are remapped. */
function setUp(written: readonly string[], run: RunName): string[] {
  const last = written.findIndex(
    (line) => line.startsWith('gcmd') && (Number(line.slice(5)) & TRANSLATION) !== 0,
  );
  const end = run === 'off' ? INTERRUPT_SET_UP : last + 1;
  let status: number | null = null;
  return written.slice(0, end).map((line) => {
    const [kind, low, high] = line.split(' ');
    if (kind === 'pasid-cache') return UNTRACED;
    if (kind !== 'wait') return line;
    // Where the status of the first wait is written is of the machine's memory.
    status ??= Number(high);
    return `${kind} ${low} ${Number(high) - status}`;
  });
}

/** The context entries that QEMU read until the first device was lent, by device. */
function recordedEntries(run: RunName): [sourceId: number, entry: string][] {
  const found = new Map<number, string>();
  for (const { name, entries } of recordedRun(run).phases) {
    if (name.startsWith('vfio')) break;
    for (const { event } of entries) {
      if (event.kind === 'context' && !event.hit) found.set(event.sourceId, flagsOf(event.high, event.low));
    }
  }
  return [...found].sort(([a], [b]) => a - b);
}

/** `6 DMA-FQ 0000:00:1f.0` and its reserved regions, of each device of a group. */
function recordedGroups(console: readonly string[]): string[] {
  return console.flatMap((line) => {
    const match = /^group (\d+) type (\S+) (\S+) .* resv=(.*)$/.exec(line);
    return match === null
      ? []
      : `${match[1]} ${match[2]} ${match[3]} ${match[4].replaceAll(';', ' ').trim()}`;
  });
}

function groupsOf(host: Host): string[] {
  const folder = '/sys/kernel/iommu_groups';
  return recordedFunctions.flatMap(({ sourceId }) => {
    const { group } = host.kernel.device(sourceId);
    if (group === null) return [];
    const [type, regions] = ['type', 'reserved_regions'].map((name) =>
      read(host, `${folder}/${group}/${name}`),
    );
    return `${group} ${type} 0000:${bdf(sourceId)} ${regions.replaceAll('\n', ' ')}`;
  });
}

function read(host: Host, path: string): string {
  const file = host.kernel.files().read(path);
  return file?.kind === 'file' ? file.text.trim() : '';
}

/** What the kernel prints about the IOMMU, without what it only repeats of the firmware. */
const ABOUT = /^(DMAR(-IR)?|iommu|x2apic|pci \S+): /;
const OF_FIRMWARE = /RMRR|IOAPIC id|DRHD base/;

function recordedLog(console: readonly string[]): string[] {
  const end = console.findIndex((line) => line.startsWith('@@dd-nvme-read'));
  return told(console.slice(0, end).flatMap((line) => /^\[ *[\d.]+\] (.*)$/.exec(line)?.[1] ?? []));
}

const logOf = (host: Host): string[] => told(host.log);

function told(lines: readonly string[]): string[] {
  return lines
    .filter((line) => ABOUT.test(line))
    .map((line) => line.replace(/(?<=reg_base_addr )\S+/, 'BASE'))
    .filter((line) => !OF_FIRMWARE.test(line));
}
