import type { Situation } from '../situation.ts';

/** A way in which QEMU is known to answer differently from the specification. */
export type Departure = {
  readonly name: string;
  /** What QEMU does, and what the specification says. */
  readonly why: string;
  /**
   * Whether the units are in different states from then on. Otherwise they only tell the same state differently, and
   * each field of an answer is explained by itself.
   */
  readonly apart: boolean;
  /** The first major version of QEMU that does as the specification says. */
  readonly mendedIn?: number;
  readonly explains: (situation: Situation) => boolean;
};

/** Whether the step is a DMA. */
export const isDma = ({ ours }: Situation): boolean => ours.op === 'dma';

/** Whether the difference is in this field of the answer and in no other. */
export const isField = ({ fields }: Situation, name: string): boolean =>
  fields.every(({ field }) => field === name);

/** FSTS as a step answered it, or 0. */
export const status = (answer: Situation['ours']): bigint => ('fsts' in answer ? BigInt(answer.fsts) : 0n);

/** Whether a descriptor was posted before this step. */
export const usesQueue = ({ entry, at }: Situation): boolean =>
  entry.steps.slice(0, at).some(({ op }) => op === 'qi' || op === 'qi256');

/** Whether the step reads this register. */
export const reads = ({ entry, at }: Situation, register: string): boolean => {
  const step = entry.steps[at];
  return step.op === 'rdreg' && step.register === register;
};

/** The bits in which the values of a register differ. */
export const valueDifference = ({ ours, theirs }: Situation): bigint =>
  ours.op === 'rdreg' && theirs.op === 'rdreg' ? BigInt(ours.val) ^ BigInt(theirs.val) : 0n;
