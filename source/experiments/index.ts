/** All experiments, in order. */
import type { Experiment } from './experiment.ts';
import { pcieBench } from './pcie-bench.ts';

export const experiments: readonly Experiment[] = [...pcieBench];
