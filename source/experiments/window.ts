/**
 * The benchmark of Neugebauer et al., SIGCOMM 2018: a device reads or writes at random within a window of a host's
 * memory, many requests at a time or one.
 */
import { Random } from '../machine/random.ts';
import type { Values } from '../parameters/registry.ts';
import { Latencies } from '../timing/latencies.ts';
import { portOf } from '../timing/times.ts';
import { Counter } from '../vtd/performance/counters.ts';
import { CONTIGUOUS, Host } from './host.ts';

const PAGE = 4096;
const LARGE_PAGE = 2 ** 21;
const WARM_UP = 4000;

export type WindowRun = {
  readonly values: Values;
  /** How the window is mapped. */
  readonly pages: '4 KiB' | '2 MiB' | 'none';
  readonly windowBytes: number;
  /** Bytes of each request. */
  readonly bytes: number;
  readonly type: 'read' | 'write';
  /** Whether the device warmed the last-level cache first. */
  readonly isWarm: boolean;
  readonly outstanding: number;
  /** Requests to measure, after some for the caches to fill. */
  readonly requests: number;
};

export type WindowResult = {
  readonly gbps: number;
  readonly meanNs: number;
  readonly latencies: Latencies;
  readonly hitRatio: number;
  /** Walks per second, in millions. */
  readonly walksM: number;
};

const bootLines = {
  '4 KiB': 'intel_iommu=on,sp_off',
  '2 MiB': 'intel_iommu=on',
  none: 'intel_iommu=off',
} as const;

export function runWindow(options: WindowRun): WindowResult {
  const { values, windowBytes, bytes, type, isWarm, outstanding, requests } = options;
  const host = new Host({ boot: bootLines[options.pages], values });
  const window = mapWindow(host, options.pages, windowBytes);
  const port = portOf(host.timed, values, host.clock);
  const random = new Random(1, `${type} ${bytes} ${windowBytes}`);
  const latencies = new Latencies();
  const slots = windowBytes / bytes;
  const warmShare = isWarm ? Math.min(1, values['llc.bytes'] / windowBytes) : 0;
  let done = 0;
  let started = 0;
  const { counts } = host.unit.translator;
  let before = counts.slice();

  const finished = (_: number, ns: number) => {
    done++;
    if (done === WARM_UP) {
      started = host.clock.now();
      before = counts.slice();
    }
    if (done > WARM_UP) latencies.add(ns);
  };
  const address = (): number => {
    const offset = random.below(slots) * bytes;
    return window(offset);
  };
  const read = (): void => {
    const at = address();
    const warm = random.next() < warmShare;
    port.read(host.device, Math.floor(at / 2 ** 32), at | 0, bytes, warm, (outcome, ns) => {
      finished(outcome, ns);
      read();
    });
  };
  const write = (): void => {
    const at = address();
    port.write(host.device, Math.floor(at / 2 ** 32), at | 0, bytes, write, finished);
  };
  if (type === 'read') for (let i = 0; i < outstanding; i++) read();
  else write();
  host.run(() => done >= WARM_UP + requests);

  const elapsed = host.clock.now() - started;
  const counted = (counter: number) => counts[counter] - before[counter];
  return {
    gbps: (8 * bytes * requests) / elapsed,
    meanNs: latencies.mean,
    latencies,
    hitRatio: counted(Counter.iotlb_hit) / Math.max(1, counted(Counter.iotlb_lookup)),
    walksM: (1000 * counted(Counter.page_walks)) / elapsed,
  };
}

/** Make a window reachable for the device. Returns the device's address of an offset. */
function mapWindow(
  { kernel, device }: Host,
  pages: WindowRun['pages'],
  bytes: number,
): (offset: number) => number {
  const chunk = pages === '2 MiB' ? LARGE_PAGE : PAGE;
  const starts: number[] = [];
  for (let offset = 0; offset < bytes; offset += chunk) {
    const physical = pages === '2 MiB' ? CONTIGUOUS + offset : kernel.dataFrames.allocate();
    starts.push(kernel.map(device, physical, chunk, 'both', 0).address);
  }
  return (offset) => starts[Math.floor(offset / chunk)] + (offset % chunk);
}
