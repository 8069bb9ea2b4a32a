/**
 * Interrupt-remapping table entry (IRTE), 128 bits: what becomes of the interrupt requests with its index. VT-d
 * specification, chapters 9.10 (remapped) and 9.11 (posted).
 */
import { bit, bits, type FieldDeclaration, ignored, type Layout, layout } from './layout.ts';

/** DLM: how the processor takes an interrupt. 3 and 6 are reserved. */
export const DeliveryMode = { FIXED: 0, LOWEST: 1, SMI: 2, NMI: 4, INIT: 5, EXT_INT: 7 } as const;

export const deliveryModes: Readonly<Record<number, string>> = {
  0: 'fixed',
  1: 'lowest priority',
  2: 'SMI',
  3: 'reserved',
  4: 'NMI',
  5: 'INIT',
  6: 'reserved',
  7: 'ExtINT',
};

/** SVT: how the sender of a request is checked. */
export const SourceValidation = { NONE: 0, SOURCE_ID: 1, BUS: 2, RESERVED: 3 } as const;

/** Bits of the source id that SQ leaves out of the comparison: none, function bit 2, bits 2:1, all three. */
export const IGNORED_BY_QUALIFIER = [0b000, 0b100, 0b110, 0b111] as const;

const common = {
  P: bit(0, 'present', { values: { 0: 'not present', 1: 'present' } }),
  FPD: bit(1, 'fault processing disable', {
    values: { 0: 'faults are recorded', 1: 'faults are not recorded' },
  }),
  AVAIL: ignored(11, 8, 'available to software'),
  SID: bits(79, 64, 'source id'),
  SQ: bits(81, 80, 'source-id qualifier', {
    values: { 0: 'all bits count', 1: 'without bit 2', 2: 'without bits 2:1', 3: 'without bits 2:0' },
  }),
  SVT: bits(83, 82, 'source validation type', {
    values: { 0: 'the sender is not checked', 1: 'SID and SQ', 2: 'buses SID 15:8 to 7:0', 3: 'reserved' },
  }),
};

const remappedFields = {
  ...common,
  DM: bit(2, 'destination mode', { values: { 0: 'physical', 1: 'logical' } }),
  RH: bit(3, 'redirection hint'),
  TM: bit(4, 'trigger mode', { values: { 0: 'edge', 1: 'level' } }),
  DLM: bits(7, 5, 'delivery mode', { values: deliveryModes }),
  IM: bit(15, 'mode', { values: { 0: 'remapped', 1: 'posted' } }),
  V: bits(23, 16, 'vector'),
};

const x2apicDestination: FieldDeclaration = bits(63, 32, 'destination, an x2APIC id');

/** With IRTA.EIME = 1. */
export const remappedEntry = layout('interrupt-remapping entry, remapped', 128, 'VT-d chapter 9.10', {
  ...remappedFields,
  DST: x2apicDestination,
});

/** With IRTA.EIME = 0: destinations have eight bits, and the bits around them are reserved. */
export const xapicRemappedEntry = layout(
  'interrupt-remapping entry, remapped, xAPIC',
  128,
  'VT-d chapter 9.10',
  { ...remappedFields, DST: bits(47, 40, 'destination, an xAPIC id') },
);

export const postedEntry = layout('interrupt-remapping entry, posted', 128, 'VT-d chapter 9.11', {
  ...common,
  URG: bit(14, 'urgent', {
    values: { 0: 'waits while notifications are suppressed', 1: 'notified at once' },
  }),
  IM: bit(15, 'mode', { values: { 0: 'remapped', 1: 'posted' } }),
  VV: bits(23, 16, 'virtual vector'),
  PDAL: bits(63, 38, 'posted-interrupt descriptor, address bits 31:6'),
  PDAH: bits(127, 96, 'posted-interrupt descriptor, address bits 63:32'),
});

export const IS_POSTED = 1 << remappedEntry.fields.IM.shift;

/** The format of an entry given its first word. */
export const interruptEntryLayout = (word: number, isX2apic = true): Layout => {
  if ((word & IS_POSTED) !== 0) return postedEntry;
  return isX2apic ? remappedEntry : xapicRemappedEntry;
};
