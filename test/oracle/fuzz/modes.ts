/** What random cases may be about, and the units that each is tried on. */
import type fc from 'fast-check';
import type { Case, UnitWords } from '../../../source/conformance/case-file.ts';
import { queueCase } from '../cases/queue-case.ts';
import { registerCase } from '../cases/register-case.ts';
import { scalableCase, scalableChangeCase, scalableQueueCase } from '../cases/scalable/scalable-case.ts';
import { scalableStaleCase } from '../cases/scalable/stale-case.ts';
import { staleCase } from '../cases/stale-case.ts';
import { changeCase, translationCase } from '../cases/translation-case.ts';
import { firstStageUnits, scalableUnits, units } from '../units.ts';

export type Mode = {
  /** Whether it needs the scalable mode of QEMU 10. */
  readonly scalable: boolean;
  readonly about: string;
  readonly units: Readonly<Record<string, UnitWords>>;
  readonly cases: (unit: UnitWords) => fc.Arbitrary<Case>;
};

export const modes: Readonly<Record<string, Mode>> = {
  legacy: { scalable: false, about: 'tables and requests in legacy mode', units, cases: translationCase },
  changes: { scalable: false, about: 'changes of tables in use in legacy mode', units, cases: changeCase },
  queue: {
    scalable: false,
    about: 'invalidation registers and descriptors in legacy mode',
    units,
    cases: queueCase,
  },
  registers: { scalable: false, about: 'registers', units, cases: registerCase },
  stale: { scalable: false, about: 'what stays cached under any invalidations', units, cases: staleCase },
  scalable: {
    scalable: true,
    about: 'PASID structures and second-stage tables',
    units: scalableUnits,
    cases: scalableCase,
  },
  'scalable-changes': {
    scalable: true,
    about: 'changes of PASID structures and second-stage tables in use',
    units: scalableUnits,
    cases: scalableChangeCase,
  },
  'scalable-queue': {
    scalable: true,
    about: 'descriptors of 256 bits',
    units: scalableUnits,
    cases: scalableQueueCase,
  },
  'scalable-stale': {
    scalable: true,
    about: 'what stays cached of second-stage tables in scalable mode',
    units: scalableUnits,
    cases: scalableStaleCase,
  },
  'first-stage': {
    scalable: true,
    about: 'PASID structures and first-stage tables',
    units: firstStageUnits,
    cases: scalableCase,
  },
  'first-stage-changes': {
    scalable: true,
    about: 'changes of PASID structures and first-stage tables in use',
    units: firstStageUnits,
    cases: scalableChangeCase,
  },
  'first-stage-queue': {
    scalable: true,
    about: 'descriptors of 256 bits on a unit with first-stage tables',
    units: firstStageUnits,
    cases: scalableQueueCase,
  },
  'first-stage-stale': {
    scalable: true,
    about: 'what stays cached of first-stage tables',
    units: firstStageUnits,
    cases: scalableStaleCase,
  },
};
