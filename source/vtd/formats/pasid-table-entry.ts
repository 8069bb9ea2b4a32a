import { address, bit, bits, ignored, input, layout } from './layout.ts';

/** Values of the PGTT field; others are reserved. */
export const PageTableType = { FIRST_STAGE: 1, SECOND_STAGE: 2, NESTED: 3, PASS_THROUGH: 4 } as const;

/**
 * PASID table entry, 512 bits: one address space of a device. VT-d specification, chapter 9.6.
 *
 * The memory-type fields are without effect here: the simulated memory has no caches.
 */
export const pasidTableEntry = layout('PASID table entry', 512, 'VT-d chapter 9.6', {
  P: bit(0, 'present', { values: { 0: 'not present', 1: 'present' } }),
  FPD: bit(1, 'fault processing disable', {
    values: { 0: 'faults are recorded', 1: 'faults are not recorded' },
  }),
  AW: bits(4, 2, 'second-stage address width', {
    values: { 1: '39 bits, 3 levels', 2: '48 bits, 4 levels', 3: '57 bits, 5 levels' },
  }),
  SSEE: bit(5, 'second-stage execute enable'),
  PGTT: bits(8, 6, 'page-table type', {
    values: { 1: 'first stage', 2: 'second stage', 3: 'nested', 4: 'pass-through' },
  }),
  SSADE: bit(9, 'second-stage accessed and dirty enable', { exists: ({ SSADS }) => SSADS }),
  SSPTPTR: address(63, 12, 'second-stage page-table root'),
  DID: bits(79, 64, 'domain id', { usable: ({ domains }) => Math.log2(domains) }),
  PWSNP: bit(87, 'page walks snoop', { exists: ({ SMPWCS }) => SMPWCS }),
  PGSNP: bit(88, 'accesses snoop', { exists: ({ SC }) => SC }),
  CD: ignored(89, 89, 'cache disable'),
  EMTE: bit(90, 'extended memory type enable', { exists: ({ MTS }) => MTS }),
  EMT: ignored(93, 91, 'extended memory type'),
  PWT: ignored(94, 94, 'write-through'),
  PCD: ignored(95, 95, 'cache disable of the first-stage root'),
  PAT: ignored(127, 96, 'page attribute table'),
  SRE: bit(128, 'supervisor requests allowed'),
  ERE: bit(129, 'execute requests allowed'),
  FSPM: bits(131, 130, 'first-stage paging mode', { values: { 0: '4 levels', 1: '5 levels' } }),
  WPE: bit(132, 'write protection holds for supervisors'),
  NXE: bit(133, 'no-execute enable'),
  SMEP: bit(134, 'supervisors do not execute user pages'),
  EAFE: bit(135, 'extended accessed flag enable', { exists: ({ EAFS }) => EAFS }),
  // Guest-physical when nested, so that it does not end at the host address width.
  FSPTPTR: input(191, 140, 'first-stage page-table root'),
});
