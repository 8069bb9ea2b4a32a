/** The edu device lent through VFIO, and the network card whose group changes its type. */
import type { DefaultType } from '../../../source/linux/boot/policy.ts';
import type { PagingDomain } from '../../../source/linux/domains/domain.ts';
import { Counter } from '../../../source/vtd/performance/counters.ts';
import { bdf } from '../../../source/vtd/source-id.ts';
import { DATA, FAULT_DELAY_NS, type Host, id } from '../../support/host.ts';
import { hostOf } from '../../support/recorded-machine.ts';
import { PAGE } from '../../support/recording/recorded-driver.ts';
import { phaseOf, type RunName, recordedRun } from '../../support/recording/recorded-run.ts';
import { consoleOf, UNTRACED, writtenIn } from '../../support/recording/written.ts';
import { entryOf, flagsOf } from './context-entry.ts';
import type { Chapter, Departure, Figure } from './figure.ts';

const edu = id('00:08.0');
const nic = id('00:05.0');
/** Where the process maps 16 KiB, and where its device writes. */
const BUFFER = 0x10_0000;
const TARGET = BUFFER + 2 * PAGE;
/** One access of 64 bytes is 16 of 4. */
const ACCESSES = 16;

const runs = ['default', 'on', 'on-strict', 'on-pt', 'sm-on'] as const;

const departures: readonly Departure[] = [
  {
    run: 'sm-on',
    phases: ['vfio-dma-after-unmap'],
    names: ['faults', "lines of the kernel's log"],
    why:
      'QEMU answers a fault of scalable mode with the code of legacy mode, and records the PASID that the request was ' +
      'translated with. The simulated unit does as the specification says: 0x79 and no PASID ([conformance](conformance.md)).',
  },
];

/** Where the four pages of the process lay: in this run the first two together and the others alone, else in one piece. */
const pagesOf = (run: RunName): readonly number[] =>
  (run === 'on-pt' ? [0, 1, 4, 8] : [0, 1, 2, 3]).map((page) => DATA + page * PAGE);

const ENTRIES = 'entries, and how often each was invalidated';

export function lending(): Chapter[] {
  const figures = runs.flatMap((run) => lend(run));
  const isOfInterrupts = ({ name }: Figure) => name === ENTRIES;
  return [
    {
      title: 'Devices lent, and changed types',
      figures: figures.filter((figure) => !isOfInterrupts(figure)),
      departures,
    },
    { title: 'Interrupt entries of e1000e', figures: figures.filter(isOfInterrupts), departures: [] },
  ];
}

function lend(run: RunName): Figure[] {
  const host = hostOf(run);
  const { kernel } = host;
  const figures: Figure[] = [];
  const figure = (phase: string, name: string, recorded: string, simulated: string) =>
    figures.push({ run, phase, device: '', name, recorded, simulated });
  const written = (phase: string, action: () => void, ...phases: string[]) => {
    const own = (line: string) => isOf(host, line);
    figure(
      phase,
      'descriptors',
      listed(writtenIn(run, ...(phases.length > 0 ? phases : [phase])).filter(own)),
      listed(host.during(action).filter(own)),
    );
  };
  const lookup = (phase: string, type: 'read' | 'write', address: number) => {
    const found = phaseOf(recordedRun(run), phase).entries.flatMap(({ event }) =>
      event.kind === 'lookup' && event.sourceId === edu
        ? [`${event.hit ? 'hit' : 'miss'} ${event.iova}`]
        : [],
    );
    const before = misses(host);
    host.dma(bdf(edu), type, address);
    figure(
      phase,
      'requests',
      found.join(', '),
      `${misses(host) > before ? 'miss' : 'hit'} 0x${address.toString(16)}`,
    );
  };
  const console = consoleOf(run);
  const shown = (what: string) => console.find((line) => line.startsWith(what))?.slice(what.length) ?? '';

  written('vfio-bind', () => kernel.claim(edu));
  figure('vfio-bind', 'type of the group', shown('type after bind: '), `${kernel.device(edu).defaultType}`);
  let domain: PagingDomain | null = null;
  written('vfio-set-iommu', () => {
    domain = kernel.attachUnmanaged(edu, 2);
  });
  const owned = domain as PagingDomain | null;
  if (owned === null) throw new Error('nothing was attached');
  written('vfio-mapped', () =>
    kernel.mapForOwner(
      owned,
      BUFFER,
      pagesOf(run).map((physical) => ({ physical, bytes: PAGE })),
    ),
  );
  lookup('vfio-dma-read', 'read', BUFFER);
  figure('vfio-dma-read', 'context entry', recordedEntry(run, 'vfio-dma-read'), entryOf(host, edu));
  lookup('vfio-dma-write', 'write', TARGET);
  written('vfio-unmap', () => kernel.unmapForOwner(owned, BUFFER, 4 * PAGE));
  const after = 'vfio-dma-after-unmap';
  const logged = host.log.length;
  const targets = Array.from({ length: ACCESSES }, (_, i) => TARGET + 4 * i);
  const outcomes = targets.map((address) => host.dma(bdf(edu), 'write', address));
  host.clock.advance(FAULT_DELAY_NS);
  figure(
    after,
    'faults',
    faultsIn(
      phaseOf(recordedRun(run), after).entries.flatMap(({ event }) =>
        event.kind === 'fault' && event.sourceId === edu && event.write
          ? [{ address: Number(event.address), reason: event.reason }]
          : [],
      ),
    ),
    faultsIn(targets.map((address, i) => ({ address, reason: Number(outcomes[i].replace('fault ', '')) }))),
  );
  figure(
    after,
    "lines of the kernel's log",
    console
      .flatMap((line) => /^\[ *[\d.]+\] (DMAR: (?:DRHD: handling|\[DMA).*)$/.exec(line)?.[1] ?? [])
      .join('; '),
    host.log.slice(logged).join('; '),
  );
  written('vfio-close', () => kernel.release(edu));
  figure('vfio-close', 'type of the group', shown('type after close: '), `${kernel.device(edu).defaultType}`);

  const entries = (lines: readonly string[]) => lines.filter((line) => line.startsWith('iec'));
  const freed = entries(host.during(() => kernel.bindDriver(nic, 'e1000e')));
  freed.push(...entries(host.during(() => kernel.bindDriver(nic, null))));
  // The one that is freed last is that of a pin of the IOAPIC, which the card asks for before it has vectors.
  const own = new Set(entries(writtenIn(run, 'nic-unbind')).slice(0, -1));
  if (run !== 'on-strict') {
    figure(
      'init, ping-e1000e, nic-unbind',
      ENTRIES,
      perVector(writtenIn(run, 'init', 'ping-e1000e', 'nic-unbind').filter((line) => own.has(line))),
      perVector(freed),
    );
  }
  const types: DefaultType[] = [];
  const change = () => {
    for (const type of ['identity', 'DMA', 'DMA-FQ'] as const) {
      kernel.setGroupType(nic, type);
      types.push(kernel.device(nic).defaultType ?? type);
    }
  };
  const phase = 'type identity, DMA, DMA-FQ';
  // The marks of the phases are a few lines off.
  written(phase, change, 'nic-unbind', 'nic-type-change', 'type');
  figure(
    phase,
    'type of the group',
    console.flatMap((line) => /^wrote \S+ -> (\S+)$/.exec(line)?.[1] ?? []).join(', '),
    types.join(', '),
  );
  return figures;
}

/** Descriptors that are not about interrupts or the network card that goes on working. */
function isOf(host: Host, line: string): boolean {
  if (/^(gcmd|wait|iec)/.test(line)) return false;
  const did = host.kernel.device(id('00:06.0')).attached?.did ?? 0;
  return did <= 1 || !line.startsWith(`iotlb 0x${did.toString(16)}00`);
}

const listed = (lines: readonly string[]): string =>
  lines.map((line) => (line.startsWith('pasid-cache') ? UNTRACED : line)).join(', ') || 'none';

/** `16 writes, 0x102000 to 0x10203c: 0x05`, of writes that follow one another; the addresses one by one where they do not. */
function faultsIn(faults: readonly { address: number; reason: number }[]): string {
  const reasons = [...new Set(faults.map(({ reason }) => `0x${reason.toString(16).padStart(2, '0')}`))].join(
    ' ',
  );
  const addresses = faults.map(({ address }) => address);
  const isRow = addresses.every((address, i) => address === addresses[0] + 4 * i);
  const shown = isRow ? [addresses[0], addresses[addresses.length - 1]] : addresses;
  return `${faults.length} writes, ${shown.map((address) => `0x${address.toString(16)}`).join(isRow ? ' to ' : ' ')}: ${reasons}`;
}

/** `3 × 5`: so many entries, each invalidated so often. */
function perVector(lines: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return `${counts.size} × ${[...new Set(counts.values())].join(' ')}`;
}

function misses(host: Host): number {
  const counts = host.unit.translator.countRequester(edu);
  return counts[Counter.iotlb_lookup] - counts[Counter.iotlb_hit];
}

function recordedEntry(run: RunName, phase: string): string {
  for (const { event } of phaseOf(recordedRun(run), phase).entries) {
    if (event.kind === 'context' && event.sourceId === edu && !event.hit)
      return flagsOf(event.high, event.low);
  }
  return '';
}
