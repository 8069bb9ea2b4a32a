import { address, bit, layout } from './layout.ts';

const present = { values: { 0: 'not present', 1: 'present' } };

/**
 * Root entry, scalable mode, 128 bits: one for each bus. Its halves are used one at a time, the lower for
 * devices 0 to 15 and the upper for 16 to 31. VT-d specification, chapter 9.2.
 */
export const scalableRootEntry = layout('scalable root entry', 128, 'VT-d chapter 9.2', {
  LP: bit(0, 'lower half present', present),
  LCTP: address(63, 12, 'context table of devices 0 to 15'),
  UP: bit(64, 'upper half present', present),
  UCTP: address(127, 76, 'context table of devices 16 to 31'),
});
