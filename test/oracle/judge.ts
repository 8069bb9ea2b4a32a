/** Says what two units make of a case: the same, something known, or a difference. */
import type { Case, UnitWords } from '../../source/conformance/case-file.ts';
import { differencesOf, type FieldDifference } from '../../source/conformance/compare.ts';
import type { StepResult } from '../../source/conformance/results.ts';
import { runCase } from '../../source/conformance/run-cases.ts';
import { knownDepartures } from './known-departures.ts';
import type { Request } from './situation.ts';

/** With a departure or a difference, the index of the step in which it shows. */
export type Verdict =
  | { readonly is: 'same' }
  | { readonly is: 'departure'; readonly at: number; readonly name: string }
  | { readonly is: 'difference'; readonly at: number; readonly fields: readonly FieldDifference[] };

/** Only the first step that differs is judged: what follows may follow from it. */
export function judge(
  unit: UnitWords,
  entry: Case,
  ours: readonly StepResult[],
  theirs: readonly StepResult[],
): Verdict {
  const at = ours.findIndex((answer, index) => differencesOf(answer, theirs[index]).length > 0);
  if (at < 0) return { is: 'same' };
  const { requests: seen } = runCase(unit, entry, { observe: true });
  const requestsOf = (index: number): Request[] => {
    const step = entry.steps[index];
    const device = step.op === 'dma' ? step.device : 0;
    return seen[index].map((request) => ({ ...request, device }));
  };
  const situation = {
    unit,
    entry,
    at,
    ours: ours[at],
    theirs: theirs[at],
    requests: requestsOf(at),
    earlier: entry.steps.slice(0, at).flatMap((_, index) => requestsOf(index)),
  };
  const known = knownDepartures.find(({ explains }) => explains(situation));
  if (known !== undefined) return { is: 'departure', at, name: known.name };
  return { is: 'difference', at, fields: differencesOf(ours[at], theirs[at]) };
}
