import type { Step } from '../vtd/translation/step.ts';

/** The step in the terms of Intel's manuals, with the index of the entry that was read. */
export function stepIndex({ address }: Step): number {
  return address === null ? 0 : (address % 4096) / 8;
}
