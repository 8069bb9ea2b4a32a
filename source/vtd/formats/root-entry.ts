import { address, bit, layout } from './layout.ts';

/** Root entry, legacy mode, 128 bits: one for each bus. VT-d specification, chapter 9.1. */
export const rootEntry = layout('root entry', 128, 'VT-d chapter 9.1', {
  P: bit(0, 'present', { values: { 0: 'not present', 1: 'present' } }),
  CTP: address(63, 12, 'context table'),
});
