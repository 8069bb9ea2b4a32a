import { address, bit, bits, layout } from './layout.ts';

/**
 * Context entry, scalable mode, 256 bits: one for each function, 128 to a table. It has neither a domain nor a
 * translation type: those are in the PASID table entry. VT-d specification, chapter 9.4.
 */
export const scalableContextEntry = layout('scalable context entry', 256, 'VT-d chapter 9.4', {
  P: bit(0, 'present', { values: { 0: 'not present', 1: 'present' } }),
  FPD: bit(1, 'fault processing disable', {
    values: { 0: 'faults are recorded', 1: 'faults are not recorded' },
  }),
  DTE: bit(2, 'device TLB allowed', { exists: ({ DT }) => DT }),
  PASIDE: bit(3, 'requests with PASID allowed', { exists: ({ PASID }) => PASID }),
  PRE: bit(4, 'page requests allowed', { exists: ({ PRS }) => PRS }),
  PDTS: bits(11, 9, 'PASID directory has 2^(PDTS+7) entries'),
  PASIDDIRPTR: address(63, 12, 'PASID directory'),
  RID_PASID: bits(83, 64, 'PASID of requests without PASID; taken as 0 without RPS'),
  RID_PRIV: bit(84, 'requests without PASID are privileged', { exists: ({ RPRIVS }) => RPRIVS }),
});
