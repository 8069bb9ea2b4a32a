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
    8: 'PASID-based device TLB',
    9: 'page group response',
  },
});
const typeHigh = bits(11, 9, 'descriptor type, upper bits');

export const DescriptorType = {
  CONTEXT: 1,
  IOTLB: 2,
  DEVICE_TLB: 3,
  INTERRUPT_ENTRY: 4,
  WAIT: 5,
  PASID_IOTLB: 6,
  PASID_CACHE: 7,
  PASID_DEVICE_TLB: 8,
  PAGE_RESPONSE: 9,
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

/** The physical function of a virtual one, in two parts, where device TLBs share a queue of invalidations. */
const pfsid = {
  PFSIDlow: bits(15, 12, 'bits 3:0 of the physical function', { exists: ({ DIT }) => DIT }),
  PFSIDhigh: bits(63, 52, 'bits 15:4 of the physical function', { exists: ({ DIT }) => DIT }),
};

export const deviceTlbDescriptor = layout('device-TLB descriptor', 128, SOURCE, {
  type,
  typeHigh,
  ...pfsid,
  MIP: bits(20, 16, 'invalidations that the device takes at a time, 0 for 32'),
  SID: bits(47, 32, 'source id'),
  S: bit(64, 'size: 0 for 4 KiB, 1 for more'),
  ADDR: input(127, 76, 'page, and with S the size by its lowest 0'),
});

export const pasidDeviceTlbDescriptor = layout('PASID-based device-TLB descriptor', 128, SOURCE, {
  type,
  MIP: bits(8, 4, 'invalidations that the device takes at a time, 0 for 32'),
  typeHigh,
  ...pfsid,
  SID: bits(31, 16, 'source id'),
  PASID: bits(51, 32, 'PASID'),
  G: bit(64, 'for all PASIDs'),
  S: bit(75, 'size: 0 for 4 KiB, 1 for more'),
  ADDR: input(127, 76, 'page, and with S the size by its lowest 0'),
});

export const pageResponseDescriptor = layout('page group response descriptor', 128, SOURCE, {
  type,
  PP: bit(4, 'PASID present'),
  typeHigh,
  RC: bits(15, 12, 'response', { values: { 0: 'success', 1: 'invalid request', 15: 'failure' } }),
  RID: bits(31, 16, 'requester id'),
  PASID: bits(51, 32, 'PASID'),
  LPIG: bit(66, 'last of its group'),
  PRGI: bits(75, 67, 'group'),
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
  3: deviceTlbDescriptor,
  4: interruptEntryDescriptor,
  5: waitDescriptor,
  6: pasidIotlbDescriptor,
  7: pasidCacheDescriptor,
  8: pasidDeviceTlbDescriptor,
  9: pageResponseDescriptor,
};

/** The format of a descriptor given its first word, or null for a type that there is not. */
export const descriptorLayout = (word: number): Layout | null =>
  ((word >>> 9) & 7) === 0 ? (byType[word & 15] ?? null) : null;
