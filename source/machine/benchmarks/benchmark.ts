/** Benchmarks as plain data, so that a live machine can boot with one in place of a device's workload. */
import { nothing } from '../../timing/request.ts';
import type { Bench } from './bench.ts';
import { type BulkLoad, startBulk } from './bulk.ts';
import { type ReceiveLoad, startReceive } from './receive.ts';
import { startUnmaps, type UnmapLoad } from './unmaps.ts';
import { startWindow, type WindowLoad } from './window.ts';

export type Benchmark =
  | ({ readonly kind: 'window' } & WindowLoad)
  | ({ readonly kind: 'receive' } & ReceiveLoad)
  | ({ readonly kind: 'bulk' } & BulkLoad)
  | ({ readonly kind: 'unmaps' } & UnmapLoad);

/** The device that a benchmark runs on; the others stand still. */
export const BENCHMARK_DEVICE = 'nic0';

/** CPUs that have a part in it. */
export const cpusOf = (benchmark: Benchmark): number => (benchmark.kind === 'receive' ? benchmark.cpus : 1);

export function startBenchmark(bench: Bench, benchmark: Benchmark): void {
  switch (benchmark.kind) {
    case 'window':
      return startWindow(bench, benchmark, nothing);
    case 'receive':
      startReceive(bench, benchmark, nothing);
      return;
    case 'bulk':
      startBulk(bench, benchmark, nothing);
      return;
    case 'unmaps':
      return startUnmaps(bench, benchmark, nothing, nothing);
  }
}
