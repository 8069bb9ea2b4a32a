/** Measures a device that reads or writes at random within a window of host memory. */
import { startWindow, type WindowLoad, windowBoot } from '../machine/benchmarks/window.ts';
import type { Values } from '../parameters/registry.ts';
import { Latencies } from '../timing/latencies.ts';
import { Counter } from '../vtd/performance/counters.ts';
import { Host } from './host.ts';

const WARM_UP = 4000;

export type WindowRun = WindowLoad & {
  readonly values: Values;
  /** Requests to measure, after some for the caches to fill. */
  readonly requests: number;
  /** Told how long each of these took. */
  each?(ns: number): void;
};

export type WindowResult = {
  readonly gbps: number;
  readonly meanNs: number;
  readonly latencies: Latencies;
  readonly hitRatio: number;
  /** Walks per second, in millions. */
  readonly walksM: number;
};

export function runWindow(options: WindowRun): WindowResult {
  const { values, bytes, requests } = options;
  const host = new Host({ boot: windowBoot[options.pages], values });
  const latencies = new Latencies();
  let done = 0;
  let started = 0;
  const { counts } = host.unit.translator;
  let before = counts.slice();

  startWindow(host, options, (_, ns) => {
    done++;
    if (done === WARM_UP) {
      started = host.clock.now();
      before = counts.slice();
    }
    if (done <= WARM_UP) return;
    latencies.add(ns);
    options.each?.(ns);
  });
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
