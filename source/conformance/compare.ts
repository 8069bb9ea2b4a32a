/** Compares what cases answered with what they should have. */
import type { CaseFile } from './case-file.ts';
import type { Results, StepResult } from './results.ts';

export type Difference = {
  readonly group: string;
  readonly case: string;
  /** From 1. */
  readonly step: number;
  /** Where in the step's answer: `fault.reason`, `watch.0x800000`. */
  readonly field: string;
  readonly expected: string;
  readonly got: string;
};

/** Expected answers in the order of the file; null for a case of which nothing is expected. */
export type Expected = {
  readonly groups: readonly {
    readonly name: string;
    readonly results: readonly { readonly name: string; readonly steps: readonly StepResult[] | null }[];
  }[];
};

/** What a file expects of its own cases. */
export function expectationsOf({ groups }: CaseFile): Expected {
  return {
    groups: groups.map(({ name, cases }) => ({
      name,
      results: cases.map((entry) => ({ name: entry.name, steps: entry.expect })),
    })),
  };
}

/** All differences, in the order of the cases. Both must stem from the same file. */
export function compare(results: Results, expected: Expected): Difference[] {
  return expected.groups.flatMap((group, g) =>
    group.results.flatMap((entry, c) => {
      const place = { group: group.name, case: entry.name };
      const steps = results.groups[g]?.results[c]?.steps ?? [];
      return (entry.steps ?? []).flatMap((answer, s) =>
        differencesOf(answer, steps[s]).map((difference) => ({ ...place, step: s + 1, ...difference })),
      );
    }),
  );
}

export type FieldDifference = Pick<Difference, 'field' | 'expected' | 'got'>;

/** In which fields two answers of one step differ. */
export function differencesOf(expected: unknown, got: unknown, field = ''): FieldDifference[] {
  if (isObject(expected) && isObject(got)) {
    const keys = [...new Set([...Object.keys(expected), ...Object.keys(got)])];
    return keys.flatMap((key) =>
      differencesOf(expected[key], got[key], field === '' ? key : `${field}.${key}`),
    );
  }
  return expected === got ? [] : [{ field, expected: textOf(expected), got: textOf(got) }];
}

/** A difference in one line. */
export const differenceText = (difference: Difference): string =>
  `group "${difference.group}", case "${difference.case}", step ${difference.step}: ` +
  `${difference.field} should be ${difference.expected}, got ${difference.got}`;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? 'nothing' : JSON.stringify(value);
