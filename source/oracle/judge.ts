/** Says what two units make of a case: the same, something known, or a difference. */
import type { Case, UnitWords } from '../conformance/case-file.ts';
import { differencesOf, type FieldDifference } from '../conformance/compare.ts';
import type { StepResult } from '../conformance/results.ts';
import { runCase } from '../conformance/run-cases.ts';
import type { PhysicalMemory } from '../vtd/memory.ts';
import type { Departure } from './departures/departure.ts';
import { knownDepartures } from './known-departures.ts';
import type { Request, Situation } from './situation.ts';

export type Judgement = {
  /** What is known of the steps that differ, by index of the step. */
  readonly departures: readonly { readonly at: number; readonly name: string }[];
  /** Whether the comparison went on to the end of the case. */
  readonly isComplete: boolean;
  /** The first step that differs for no known reason. */
  readonly difference: { readonly at: number; readonly fields: readonly FieldDifference[] } | null;
};

export type JudgeOptions = {
  readonly table?: readonly Departure[];
  /** To be used again; whatever it holds is cleared. */
  readonly memory?: PhysicalMemory;
};

/**
 * Compare two answers to a case. What follows a step in which the units came apart may follow from it, so the
 * comparison ends there; after one that they only told differently it goes on.
 */
export function judge(
  unit: UnitWords,
  entry: Case,
  ours: readonly StepResult[],
  theirs: readonly StepResult[],
  { table = knownDepartures, memory }: JudgeOptions = {},
): Judgement {
  const departures: { at: number; name: string }[] = [];
  let seen: readonly (readonly Request[])[] | null = null;
  for (let at = 0; at < ours.length; at++) {
    const fields = differencesOf(ours[at], theirs[at]);
    if (fields.length === 0) continue;
    /** Most of what is only told differently is explained without them. */
    const observed = () => {
      seen ??= requestsOf(unit, entry, memory);
      return seen;
    };
    const situationOf = (some: readonly FieldDifference[]): Situation => ({
      ...{ unit, entry, at, ours: ours[at], theirs: theirs[at], fields: some },
      get requests() {
        return observed()[at];
      },
      get earlier() {
        return observed().slice(0, at).flat();
      },
    });
    const told = fields.map((field) => {
      const situation = situationOf([field]);
      return table.find(({ apart, explains }) => !apart && explains(situation));
    });
    const names = told.flatMap((known) => known?.name ?? []);
    if (names.length === fields.length) {
      departures.push(...[...new Set(names)].map((name) => ({ at, name })));
      continue;
    }
    const situation = situationOf(fields);
    const known = table.find(({ apart, explains }) => apart && explains(situation));
    if (known === undefined) return { departures, isComplete: false, difference: { at, fields } };
    departures.push({ at, name: known.name });
    return { departures, isComplete: false, difference: null };
  }
  return { departures, isComplete: true, difference: null };
}

/** How the simulated unit decides the requests of each step. */
function requestsOf(unit: UnitWords, entry: Case, memory?: PhysicalMemory): Request[][] {
  const { requests } = runCase(unit, entry, { observe: true, memory });
  return entry.steps.map((step, index) => {
    const device = step.op === 'dma' ? step.device : 0;
    return requests[index].map((request) => ({ ...request, device, at: index }));
  });
}
