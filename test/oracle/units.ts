/** The units that tests run on: every word of the cases that matters in legacy mode, on and off. */
import type { UnitWords } from '../../source/conformance/case-file.ts';

const usual: UnitWords = {
  awBits: 48,
  scalableMode: false,
  firstStage: false,
  cachingMode: false,
  passThrough: true,
};

export const units: Readonly<Record<string, UnitWords>> = {
  '48 bits': usual,
  '39 bits': { ...usual, awBits: 39 },
  '48 bits, caching mode, no pass-through': { ...usual, cachingMode: true, passThrough: false },
  '48 bits, able of scalable mode': { ...usual, scalableMode: true },
};
