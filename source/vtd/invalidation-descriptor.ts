/**
 * Descriptors of the invalidation queue, 128 bits; in a queue of 256-bit descriptors the upper half is reserved. VT-d specification, chapter 6.5.2.
 */
import { bit, bits, input, type Layout, layout } from './layout.ts';

const SOURCE = 'VT-d chapter 6.5.2';

const type = bits(3, 0, 'descriptor type', {
  values: {
    1: 'context cache',
    2: 'IOTLB',
    3: 'device TLB',
    4: 'interrupt entry cache',
    5: 'wait',
    6: 'PASID-based IOTLB',
    7: 'PASID cache',
  },
});
const typeHigh = bits(11, 9, 'descriptor type, upper bits');

export const DescriptorType = {
  CONTEXT: 1,
  IOTLB: 2,
  INTERRUPT_ENTRY: 4,
  WAIT: 5,
  PASID_IOTLB: 6,
  PASID_CACHE: 7,
} as const;
export const Granularity = { GLOBAL: 1, DOMAIN: 2, SELECTIVE: 3 } as const;

/** G of a PASID-cache descriptor. */
export const PasidGranularity = { DOMAIN: 0, PASID: 1, GLOBAL: 3 } as const;

export const contextDescriptor = layout('context-cache descriptor', 128, SOURCE, {
  type,
  typeHigh,
  G: bits(5, 4, 'granularity', { values: { 1: 'global', 2: 'domain', 3: 'device' } }),
  DID: bits(31, 16, 'domain id'),
  SID: bits(47, 32, 'source id'),
  FM: bits(49, 48, 'function mask'),
});

export const iotlbDescriptor = layout('IOTLB descriptor', 128, SOURCE, {
  type,
  typeHigh,
  G: bits(5, 4, 'granularity', { values: { 1: 'global', 2: 'domain', 3: 'page' } }),
  DW: bit(6, 'drain writes'),
  DR: bit(7, 'drain reads'),
  DID: bits(31, 16, 'domain id'),
  AM: bits(69, 64, 'address mask: 2^AM pages'),
  IH: bit(70, 'only leaf entries changed'),
  ADDR: input(127, 76, 'page'),
});

export const interruptEntryDescriptor = layout('interrupt-entry-cache descriptor', 128, SOURCE, {
  type,
  typeHigh,
  G: bit(4, 'granularity', { values: { 0: 'global', 1: 'index' } }),
  IM: bits(31, 27, 'index mask'),
  IIDX: bits(47, 32, 'index'),
});

export const waitDescriptor = layout('wait descriptor', 128, SOURCE, {
  type,
  typeHigh,
  IF: bit(4, 'interrupt'),
  SW: bit(5, 'status write'),
  FN: bit(6, 'fence'),
  PD: bit(7, 'page-request drain', { exists: ({ PDS }) => PDS }),
  STDATA: bits(63, 32, 'status data'),
  // Looked at only with SW, and then every bit is address: what lies outside memory is written to nowhere.
  STADDR: input(127, 66, 'status address'),
});

export const pasidIotlbDescriptor = layout('PASID-based IOTLB descriptor', 128, SOURCE, {
  type,
  typeHigh,
  G: bits(5, 4, 'granularity', { values: { 2: 'PASID', 3: 'page' } }),
  DID: bits(31, 16, 'domain id'),
  PASID: bits(51, 32, 'PASID'),
  AM: bits(69, 64, 'address mask: 2^AM pages'),
  IH: bit(70, 'only leaf entries changed'),
  ADDR: input(127, 76, 'page'),
});

export const pasidCacheDescriptor = layout('PASID-cache descriptor', 128, SOURCE, {
  type,
  typeHigh,
  G: bits(5, 4, 'granularity', { values: { 0: 'domain', 1: 'PASID', 3: 'global' } }),
  DID: bits(31, 16, 'domain id'),
  PASID: bits(51, 32, 'PASID'),
});

const byType: Readonly<Record<number, Layout>> = {
  1: contextDescriptor,
  2: iotlbDescriptor,
  4: interruptEntryDescriptor,
  5: waitDescriptor,
  6: pasidIotlbDescriptor,
  7: pasidCacheDescriptor,
};

/** The format of a descriptor given its first word, or null for a type that is not modelled. */
export const descriptorLayout = (word: number): Layout | null =>
  ((word >>> 9) & 7) === 0 ? (byType[word & 15] ?? null) : null;
