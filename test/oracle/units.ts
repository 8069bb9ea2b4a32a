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

export const scalableUnits: Readonly<Record<string, UnitWords>> = {
  'second stage, 48 bits': { ...usual, scalableMode: true },
  'second stage, 39 bits, no pass-through': { ...usual, awBits: 39, scalableMode: true, passThrough: false },
  'second stage, caching mode': { ...usual, scalableMode: true, cachingMode: true },
};

/** QEMU has it with 48 bits only. */
export const firstStageUnits: Readonly<Record<string, UnitWords>> = {
  'first stage': { ...usual, scalableMode: true, firstStage: true },
  'first stage, caching mode, no pass-through': {
    ...usual,
    scalableMode: true,
    firstStage: true,
    cachingMode: true,
    passThrough: false,
  },
};
