/** What the steps of a case answer: plain data, written out as JSON as it stands. Numbers are `0x…` strings. */

export type FaultResult = {
  readonly reason: string;
  readonly sid: string;
  /** The page of the request. */
  readonly addr: string;
  readonly type: string;
  /** Only where the record says that the request had one. */
  readonly pasid?: string;
};

export type StepResult =
  | {
      readonly op: 'dma';
      readonly fault: FaultResult | null;
      readonly fsts: string;
      readonly watch: Readonly<Record<string, string>>;
    }
  | { readonly op: 'peek'; readonly addr: string; readonly val: string }
  | { readonly op: 'rdreg'; readonly reg: string; readonly val: string }
  | {
      readonly op: 'faults';
      readonly fsts: string;
      readonly pfo: boolean;
      readonly ppf: boolean;
      readonly fault: FaultResult | null;
    }
  | { readonly op: 'qi' | 'qi256'; readonly status: string; readonly iqh: string; readonly fsts: string }
  | { readonly op: 'enable' | 'poke' | 'reg' | 'clearFaults' | 'inv' };

export type CaseResult = { readonly name: string; readonly steps: readonly StepResult[] };
export type GroupResult = { readonly name: string; readonly results: readonly CaseResult[] };
export type Results = { readonly groups: readonly GroupResult[] };
