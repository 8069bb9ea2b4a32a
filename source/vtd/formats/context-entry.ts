import { address, bit, bits, ignored, layout } from './layout.ts';

/** Values of the TT field for requests without PASID. */
export const TranslationType = { TRANSLATED: 0, DEVICE_TLB: 1, PASS_THROUGH: 2, RESERVED: 3 } as const;

/** Context entry, legacy mode, 128 bits: one for each function of a bus. VT-d specification, chapter 9.3. */
export const contextEntry = layout('context entry', 128, 'VT-d chapter 9.3', {
  P: bit(0, 'present', { values: { 0: 'not present', 1: 'present' } }),
  FPD: bit(1, 'fault processing disable', {
    values: { 0: 'faults are recorded', 1: 'faults are not recorded' },
  }),
  TT: bits(3, 2, 'translation type', {
    values: { 0: 'translated', 1: 'translated, device TLB allowed', 2: 'pass-through', 3: 'reserved' },
  }),
  SSPTPTR: address(63, 12, 'second-stage page-table root'),
  AW: bits(66, 64, 'address width', {
    values: { 1: '39 bits, 3 levels', 2: '48 bits, 4 levels', 3: '57 bits, 5 levels' },
  }),
  AVAIL: ignored(70, 67, 'available to software'),
  DID: bits(87, 72, 'domain id', { usable: ({ domains }) => Math.log2(domains) }),
});
