/** All experiments, in order. */
import type { Experiment } from './experiment.ts';
import { pcieBench } from './pcie-bench.ts';
import { receiveSide } from './receive-side.ts';

export const experiments: readonly Experiment[] = [...pcieBench, ...receiveSide];
