/** Codes in words: fault reasons, those the simulated chip never raises included, and why a queue stops. */
import { faultReasons } from '../../vtd/faults/fault-reason.ts';

/** Scalable mode. VT-d specification, chapter 7.1.3 and appendix. */
const further: readonly (readonly [number, string])[] = [
  [0x31, 'a request with PASID, but the root table is that of legacy mode'],
  [0x32, 'a page request, but the root table is that of legacy mode'],
  [0x38, 'scalable mode: the root entry could not be read'],
  [0x39, 'scalable mode: root entry not present'],
  [0x3a, 'scalable mode: reserved bits set in the root entry'],
  [0x40, 'scalable mode: the context entry could not be read'],
  [0x41, 'scalable mode: context entry not present'],
  [0x42, 'scalable mode: reserved bits set in the context entry'],
  [0x43, 'scalable mode: context entry is programmed wrongly'],
  [0x44, 'the context entry allows no device TLB (DTE = 0)'],
  [0x45, 'the context entry allows no requests with PASID (PASIDE = 0)'],
  [0x46, 'PASID beyond the size of the PASID directory'],
  [0x47, 'the context entry allows no page requests (PRE = 0)'],
  [0x48, 'error of RID_PASID'],
  [0x50, 'the PASID-directory entry could not be read'],
  [0x51, 'PASID-directory entry not present'],
  [0x52, 'reserved bits set in the PASID-directory entry'],
  [0x58, 'the PASID-table entry could not be read'],
  [0x59, 'PASID-table entry not present'],
  [0x5a, 'reserved bits set in the PASID-table entry'],
  [0x5b, 'PASID-table entry is programmed wrongly'],
  [0x5c, 'the PASID-table entry allows no execute requests (ERE = 0)'],
  [0x5d, 'the PASID-table entry allows no supervisor requests (SRE = 0)'],
  [0x70, 'a first-stage paging entry could not be read'],
  [0x71, 'first-stage paging entry not present'],
  [0x72, 'reserved bits set in a first-stage paging entry'],
  [0x73, 'the first-stage root table could not be read'],
  [0x74, 'nested: address of a first-stage entry beyond the second-stage width'],
  [0x75, 'nested: the second stage denies reading the first-stage root table'],
  [0x76, 'nested: the second stage denies reading a first-stage table'],
  [0x77, 'nested: the second stage denies setting accessed and dirty flags'],
  [0x78, 'a second-stage paging entry could not be read'],
  [0x79, 'second-stage paging entry not present'],
  [0x7a, 'reserved bits set in a second-stage paging entry'],
  [0x7b, 'the second-stage root table could not be read'],
  [0x7c, 'accessed and dirty flags cannot be set: the walk does not snoop'],
  [0x7d, 'setting accessed and dirty flags in the second stage failed'],
  [0x80, 'first-stage address not canonical'],
  [0x81, 'user request to a supervisor page'],
  [0x82, 'no execute permission'],
  [0x83, 'address above the host address width'],
  [0x84, 'address above the second-stage width'],
  [0x85, 'no write permission'],
  [0x86, 'no read permission'],
  [0x87, 'the page lies in the interrupt range'],
  [0x90, 'accessed and dirty flags cannot be set: the walk of the first stage is not coherent'],
  [0x91, 'setting accessed and dirty flags in the first stage failed'],
];

const reasonTexts = new Map<number, string>([
  ...further,
  ...faultReasons.map(({ code, meaning }) => [code, meaning] as const),
]);

export const faultReasonText = (code: number): string => reasonTexts.get(code) ?? 'reason not established';

export const codeText = (code: number): string => `0x${code.toString(16).padStart(2, '0')}`;

/** `fault 0x0b (reserved bits set in the context entry)`. */
export const faultText = (code: number): string => `fault ${codeText(code)} (${faultReasonText(code)})`;

/** IQERCD.IQEI. VT-d specification, chapter 6.5.2.10. */
const queueErrors = [
  'no error',
  'the tail is beyond the queue or not aligned',
  'a descriptor could not be fetched',
  'descriptor of an invalid type',
  'reserved field set in a descriptor',
  'descriptor width not valid in this mode',
  'tail not aligned to descriptors of 256 bits',
  'descriptor not valid in this translation table mode',
];

export const queueErrorText = (code: number): string => queueErrors[code] ?? 'reason not established';
