/**
 * A translation as a sequence of steps: what the unit looked at, what it found there and what follows.
 * The same run of the walk that decides a request produces them, so that what is explained is what happened.
 */
export type Stage =
  | 'gate'
  | 'interrupt range'
  | 'context cache'
  | 'root entry'
  | 'context entry'
  | 'PASID cache'
  | 'PASID directory entry'
  | 'PASID table entry'
  | 'pass-through'
  | 'width'
  | 'IOTLB'
  | 'paging-structure cache'
  | 'first-stage cache'
  | 'first-stage entry'
  | 'paging entry'
  | 'output'
  | 'protected memory'
  | 'interrupt remapping'
  | 'interrupt request'
  | 'interrupt-entry cache'
  | 'interrupt-remapping entry'
  | 'source validation'
  | 'posted-interrupt descriptor'
  | 'interrupt'
  | 'translation request'
  | 'translated request'
  | 'page request';

/** `passed` and `blocked` end a request, and so does `hit` of the IOTLB; after the others it goes on. */
export type Verdict = 'go on' | 'hit' | 'miss' | 'passed' | 'blocked';

export type Step = {
  readonly stage: Stage;
  /** Level of a paging entry or a paging-structure cache, 5 to 1. */
  readonly level: number;
  /** Where the entry was read, or null where nothing was read from memory. */
  readonly address: number | null;
  /** The raw entry as 32-bit words, least significant first; empty where there is none. */
  readonly words: readonly number[];
  readonly verdict: Verdict;
  /** The fault reason, or 0. */
  readonly fault: number;
  /** Memory reads of the request so far, this step's included. */
  readonly reads: number;
  /** The rule applied, by clause of the specification. */
  readonly clause: string;
  /**
   * In a nested walk, the guest-physical address that this step is about, and the level of the first-stage entry that
   * lies there; level 0: the page. Null in every other step.
   */
  readonly guest: { readonly level: number; readonly address: number } | null;
};
