/** The phases in which the host's devices do DMA. */
import { readFileSync } from 'node:fs';
import { Counter } from '../../../source/vtd/performance/counters.ts';
import { bdf } from '../../../source/vtd/source-id.ts';
import { DATA, type Host, id } from '../../support/host.ts';
import { hostOf } from '../../support/recorded-machine.ts';
import { IntelNetwork } from '../../support/recording/e1000e.ts';
import { NvmeDisk } from '../../support/recording/nvme.ts';
import { RecordedClock, TICK_NS } from '../../support/recording/recorded-clock.ts';
import { DD_REQUESTS, PAGE, type RecordedDriver } from '../../support/recording/recorded-driver.ts';
import {
  countsOf,
  type Happening,
  linesFor,
  linesOf,
  phaseOf,
  type RunName,
  recordedRun,
  textOf,
} from '../../support/recording/recorded-run.ts';
import { VirtioDisk } from '../../support/recording/virtio-disk.ts';
import { VirtioNetwork } from '../../support/recording/virtio-network.ts';
import { type Chapter, type Figure, inOrder } from './figure.ts';

const BUFFER = 16 * PAGE;

const translated = ['default', 'on', 'on-strict', 'sm-on'] as const;
const lazy = ['default', 'on', 'sm-on'] as const;

/** Which driver in which phases. */
const drivers = [
  { Driver: NvmeDisk, device: 'NVMe disk', phases: ['init', 'dd-nvme-read', 'dd-nvme-write', 'done'] },
  { Driver: VirtioDisk, device: 'virtio disk', phases: ['init', 'dd-vblk-read'] },
  { Driver: IntelNetwork, device: 'e1000e', phases: ['ping-e1000e', 'net-virtio'] },
  {
    Driver: VirtioNetwork,
    device: 'virtio network card',
    phases: ['init', 'net-virtio', 'idle', 'vfio-mapped'],
  },
] as const;

/** Under iommu=pt: which device works in which phase. */
const passing = [
  { phase: 'init', sourceId: id('00:03.0'), device: 'NVMe disk' },
  { phase: 'dd-nvme-read', sourceId: id('00:03.0'), device: 'NVMe disk' },
  { phase: 'dd-nvme-write', sourceId: id('00:03.0'), device: 'NVMe disk' },
  { phase: 'dd-vblk-read', sourceId: id('00:04.0'), device: 'virtio disk' },
  { phase: 'ping-e1000e', sourceId: id('00:05.0'), device: 'e1000e' },
  { phase: 'net-virtio', sourceId: id('00:06.0'), device: 'virtio network card' },
  { phase: 'idle', sourceId: id('00:06.0'), device: 'virtio network card' },
] as const;

/** Addresses of rings and queues stay; of buffers they are known only where all that came before was recorded. */
const withoutAddresses = (driver: RecordedDriver, happening: Happening): string => {
  if (happening.kind === 'domain' || (happening.kind === 'lookup' && driver.isShared(happening.address)))
    return textOf(happening);
  return textOf({ ...happening, address: 0, ...(happening.kind === 'pages' ? { pages: 0 } : {}) });
};

/** Invalidations of interrupt entries while e1000e is brought up and taken down: of a run in which none was cut. */
const interruptEntries = (): number =>
  phaseOf(recordedRun('on'), 'ping-e1000e').entries.filter(
    ({ event }) => event.kind === 'invalidation' && event.count === 'interrupt_entry',
  ).length;

function figuresOf(driver: RecordedDriver, run: RunName, phase: string, device: string): Figure[] {
  const { recorded, simulated, rest, isTracked } = driver.outcome(phase);
  if (recorded.length === 0 && simulated.length === 0) return [];
  const found = countsOf(recorded);
  const made = countsOf(simulated);
  const figure = (name: string, one: string | number, other: string | number): Figure => ({
    ...{ run, phase, device, name },
    recorded: `${one}`,
    simulated: `${other}`,
  });
  const text = (each: Happening) => (isTracked ? textOf(each) : withoutAddresses(driver, each));
  const order = inOrder(recorded.map(text), simulated.map(text));
  const [wanted, same] = isTracked ? order : order.map((count) => `${count} without addresses`);
  const figures = [
    figure('requests', found.requests, made.requests),
    figure('IOTLB misses', found.misses, made.misses),
    figure('page-selective invalidations', found.pages, made.pages),
    figure('domain flushes', found.domains, made.domains),
    figure('the same in order', wanted, same),
  ];
  const { lines } = phaseOf(driver.run, phase);
  const all = linesFor(driver.run, [...simulated, ...rest]);
  if (phase.startsWith('dd-')) figures.push(figure('lines of the whole phase', lines, all));
  if (phase === 'ping-e1000e') {
    const others = linesOf(driver.run, { requests: 0, misses: 0, waits: interruptEntries() });
    figures.push(figure('lines of the whole phase', lines, all + others));
  }
  return figures;
}

/** Under iommu=pt the devices do as much DMA as one likes: nothing of it reaches the unit's caches or its queue. */
function passedThrough(): Figure[] {
  const run = 'on-pt';
  const host = hostOf(run);
  const figures: Figure[] = [];
  for (const { phase, sourceId, device } of passing) {
    const events = phaseOf(recordedRun(run), phase).entries.map(({ event }) => event);
    const lookups = events.filter(({ kind }) => kind === 'lookup').length;
    const iotlb = (kind: 'iotlb_page' | 'iotlb_domain') =>
      events.filter((event) => event.kind === 'invalidation' && event.count === kind).length;
    const made = work(host, sourceId);
    const figure = (name: string, one: number, other: number): Figure => ({
      ...{ run, phase, device, name },
      recorded: `${one}`,
      simulated: `${other}`,
    });
    figures.push(
      figure('requests', lookups, made.lookups),
      figure('IOTLB misses', lookups, made.lookups),
      figure('page-selective invalidations', iotlb('iotlb_page'), made.pages),
      figure('domain flushes', iotlb('iotlb_domain'), made.domains),
    );
  }
  return figures;
}

/** 64 buffers of 64 KiB, mapped, written page by page, and unmapped. */
function work(host: Host, sourceId: number) {
  const { kernel, unit } = host;
  const before = unit.translator.countRequester(sourceId)[Counter.iotlb_lookup];
  const written = host.during(() => {
    for (let i = 0; i < DD_REQUESTS; i++) {
      const mapping = kernel.map(sourceId, DATA + i * BUFFER, BUFFER, 'fromDevice');
      for (let at = 0; at < BUFFER; at += PAGE) host.dma(bdf(sourceId), 'write', mapping.address + at);
      kernel.unmap(sourceId, mapping);
    }
    host.clock.advance(1e9);
  });
  return {
    lookups: unit.translator.countRequester(sourceId)[Counter.iotlb_lookup] - before,
    pages: written.filter((line) => /^iotlb \S+f2 /.test(line)).length,
    domains: written.filter((line) => /^iotlb \S+e2 /.test(line)).length,
  };
}

/** A driver of a run that has followed its recording, once for all chapters. */
type Followed = {
  readonly run: RunName;
  readonly device: string;
  readonly phases: readonly string[];
  readonly driver: RecordedDriver;
};

export function followAll(): Followed[] {
  return translated.flatMap((run) => {
    const recording = recordedRun(run);
    const clock = new RecordedClock(recording);
    const host = hostOf(run, clock);
    return drivers.map(({ Driver, device, phases }) => ({
      ...{ run, device, phases },
      driver: new Driver(host, clock, recording).play(),
    }));
  });
}

/** Counted before the phase was cut. */
function wholeRead({ run, device, driver }: Followed): Figure[] {
  const file = 'fixtures/linux-6.12/whole-phases.json';
  const counts: Record<string, ReturnType<typeof countsOf>> = JSON.parse(readFileSync(file, 'utf8'))[
    'dd-nvme-read'
  ];
  if (!(driver instanceof NvmeDisk) || counts[run] === undefined) return [];
  const { simulated, rest } = driver.outcome('dd-nvme-read');
  const made = countsOf([...simulated, ...rest]);
  const names = {
    requests: 'requests',
    misses: 'IOTLB misses',
    pages: 'page-selective invalidations',
    domains: 'domain flushes',
  };
  return (Object.keys(names) as (keyof typeof names)[]).map((key) => ({
    ...{ run, phase: 'dd-nvme-read, uncut', device, name: names[key] },
    recorded: `${counts[run][key]}`,
    simulated: `${made[key]}`,
  }));
}

export function dma(followed: readonly Followed[]): Chapter {
  const figures = followed.flatMap((each) => [
    ...each.phases.flatMap((phase) => figuresOf(each.driver, each.run, phase, each.device)),
    ...wholeRead(each),
  ]);
  return { title: "DMA of the host's devices", figures: [...figures, ...passedThrough()], departures: [] };
}

/** How many flushes of a run a timer made, and in which tick after the one that the simulated timer was due in. */
export type FlushTimes = {
  readonly run: RunName;
  readonly flushes: number;
  readonly inTick: number;
  readonly nextTick: number;
};

export const flushTimes = (followed: readonly Followed[]): FlushTimes[] =>
  lazy.map((run) => {
    const late = followed
      .filter((each) => each.run === run)
      .flatMap(({ driver, phases }) => phases.flatMap((phase) => driver.outcome(phase).late));
    const inTick = (tick: number) => late.filter((each) => Math.floor(each / TICK_NS) === tick).length;
    return { run, flushes: late.length, inTick: inTick(0), nextTick: inTick(1) };
  });
