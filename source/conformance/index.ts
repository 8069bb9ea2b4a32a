/** Conformance cases: the same tables, steps and answers for the simulated unit and for any other. */
export { answersText } from './answers-text.ts';
export type { Case, CaseFile, Group, Step, UnitWords } from './case-file.ts';
export { compare, type Difference, differenceText, expectationsOf } from './compare.ts';
export { MalformedCase } from './errors.ts';
export { readCases } from './read-cases.ts';
export type { Results } from './results.ts';
export { runCases } from './run-cases.ts';
