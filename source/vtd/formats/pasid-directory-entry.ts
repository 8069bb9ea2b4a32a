import { address, bit, layout } from './layout.ts';

/** PASID directory entry, 64 bits: one for 64 PASIDs. VT-d specification, chapter 9.5. */
export const pasidDirectoryEntry = layout('PASID directory entry', 64, 'VT-d chapter 9.5', {
  P: bit(0, 'present', { values: { 0: 'not present', 1: 'present' } }),
  FPD: bit(1, 'fault processing disable', {
    values: { 0: 'faults are recorded', 1: 'faults are not recorded' },
  }),
  SMPTBLPTR: address(63, 12, 'PASID table'),
});
