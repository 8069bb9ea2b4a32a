/** One step of a case that two units answer differently, with all that may say why. */
import { type Case, QUEUE_ADDRESS, QUEUE_ENTRIES, type UnitWords } from '../conformance/case-file.ts';
import type { FieldDifference } from '../conformance/compare.ts';
import type { ObservedRequest } from '../conformance/dma-engine.ts';
import type { StepResult } from '../conformance/results.ts';
import type { Step as WalkStep } from '../vtd/translation/step.ts';

/** `at` is the index of its step. */
export type Request = ObservedRequest & { readonly device: number; readonly at: number };

export type Situation = {
  readonly unit: UnitWords;
  readonly entry: Case;
  /** Index of the step. */
  readonly at: number;
  readonly ours: StepResult;
  readonly theirs: StepResult;
  /** In which fields the answers differ; one of them, for a departure that only tells the same state differently. */
  readonly fields: readonly FieldDifference[];
  /** How the simulated unit decided the requests of this step, and those before it in the case. */
  readonly requests: readonly Request[];
  readonly earlier: readonly Request[];
};

/** The context entry that decided a request, as its first word, or 0 where none was reached. */
export const contextWord = ({ steps }: Request): number =>
  steps.findLast(({ words, stage }) => stage.startsWith('context') && words.length > 0)?.words[0] ?? 0;

export const faultOf = ({ steps }: Request): number => steps.at(-1)?.fault ?? 0;

/** The step that told where a request leads: the leaf, or the cached translation. */
export const leafOf = ({ steps }: Request): WalkStep | undefined =>
  steps.findLast(
    ({ stage, verdict }) =>
      stage === 'paging entry' || stage === 'first-stage entry' || (stage === 'IOTLB' && verdict === 'hit'),
  );

/** What a queue holds at a byte offset, as far as posted by this step: its qwords, two or four. */
export function descriptorAt({ entry, at }: Situation, offset: string): readonly bigint[] {
  const slots = new Map<number, readonly bigint[]>();
  let tail = 0;
  let isOn = false;
  for (const step of entry.steps.slice(0, at + 1)) {
    if (step.op === 'reg' && step.register === 'IQT') tail = Number(step.value & 0x7fff0n);
    if (step.op === 'poke' && step.address >= QUEUE_ADDRESS) {
      slots.set(step.address - QUEUE_ADDRESS, [step.qwords[0], step.qwords[1] ?? 0n]);
    }
    if (step.op !== 'qi' && step.op !== 'qi256') continue;
    // The first use sets the queue up.
    if (!isOn) tail = 0;
    isOn = true;
    const bytes = step.op === 'qi' ? 16 : 32;
    for (const descriptor of [...step.descriptors, [0x25n, 0n]]) {
      slots.set(tail, descriptor);
      tail = (tail + bytes) % (bytes * QUEUE_ENTRIES);
    }
  }
  return slots.get(Number(offset)) ?? [0n, 0n];
}
