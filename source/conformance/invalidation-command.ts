/** Register-based invalidation as software writes it: VT-d chapter 6.5.1. */
import { wordsToBig } from '../vtd/bits.ts';
import { contextCommand, invalidateAddress, iotlbCommand } from '../vtd/unit/registers.ts';
import type { Step } from './case-file.ts';

const granularities: Readonly<Record<string, number>> = { global: 1, domain: 2, device: 3, page: 3 };

/** The registers to write, in order, and what to write. */
export function commandOf(
  step: Omit<Extract<Step, { op: 'inv' }>, 'op'>,
): [register: string, value: bigint][] {
  const [cache, granularity] = step.kind.split('-');
  const { did: DID } = step;
  if (cache === 'cc') {
    const CIRG = granularities[granularity];
    return [['CCMD', wordsToBig(contextCommand.encode({ DID, SID: step.device, CIRG, ICC: 1 }))]];
  }
  const command = wordsToBig(iotlbCommand.encode({ DID, IIRG: granularities[granularity], IVT: 1 }));
  if (granularity !== 'page') return [['IOTLB', command]];
  const ADDR = step.address & ~0xfffn;
  return [
    ['IVA', wordsToBig(invalidateAddress.encode({ ADDR, AM: step.mask }))],
    ['IOTLB', command],
  ];
}
