/** What the simulated unit cannot do yet; a case that needs it is refused rather than answered wrongly. */
import type { Case, CaseFile, Step, UnitWords } from './case-file.ts';
import { UnsupportedCase } from './errors.ts';

const SCALABLE = 'scalable mode';
const TABLE_MODE = 3n << 10n;
const WIDE_DESCRIPTORS = 1n << 11n;

/** @throws UnsupportedCase for the first case that asks for it */
export function requireSupport({ groups }: CaseFile): void {
  for (const group of groups) {
    for (const entry of group.cases) {
      const place = { group: group.name, case: entry.name };
      const what = missingFor(group.unit, entry);
      if (what !== null) throw new UnsupportedCase(place, what);
      entry.steps.forEach((step, at) => {
        const missing = missingForStep(group.unit, step);
        if (missing !== null) throw new UnsupportedCase({ ...place, step: at + 1 }, missing);
      });
    }
  }
}

function missingFor(unit: UnitWords, entry: Case): string | null {
  return entry.scalable || (unit.scalableMode && (entry.rtaddr & TABLE_MODE) !== 0n) ? SCALABLE : null;
}

function missingForStep(unit: UnitWords, step: Step): string | null {
  if (step.op === 'qi256') return 'a queue of 256-bit descriptors (qi256)';
  if (step.op !== 'reg' || !unit.scalableMode) return null;
  if (step.register === 'RTADDR' && (step.value & TABLE_MODE) !== 0n) return SCALABLE;
  return step.register === 'IQA' && (step.value & WIDE_DESCRIPTORS) !== 0n
    ? 'a queue of 256-bit descriptors'
    : null;
}
