/** What random cases may be about, and the units that each is tried on. */
import type fc from 'fast-check';
import type { Case, UnitWords } from '../../../source/conformance/case-file.ts';
import { queueCase } from '../cases/queue-case.ts';
import { changeCase, translationCase } from '../cases/translation-case.ts';
import { units } from '../units.ts';

export type Mode = {
  readonly about: string;
  readonly units: Readonly<Record<string, UnitWords>>;
  readonly cases: (unit: UnitWords) => fc.Arbitrary<Case>;
};

export const modes: Readonly<Record<string, Mode>> = {
  legacy: { about: 'tables and requests in legacy mode', units, cases: translationCase },
  changes: { about: 'changes of tables in use in legacy mode', units, cases: changeCase },
  queue: { about: 'invalidation registers and descriptors in legacy mode', units, cases: queueCase },
};
