/** All experiments, in order. */
import { cpu } from './cpu.ts';
import { demonstrations } from './demonstrations.ts';
import type { Experiment } from './experiment.ts';
import { iotlbWall } from './iotlb-wall.ts';
import { pcieBench } from './pcie-bench.ts';
import { receiveSide } from './receive-side.ts';
import { tenants } from './tenants.ts';

export const experiments: readonly Experiment[] = [
  ...pcieBench,
  ...receiveSide,
  ...iotlbWall,
  ...cpu,
  ...demonstrations,
  tenants,
];
