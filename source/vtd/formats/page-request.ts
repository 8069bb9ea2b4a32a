/** An entry of the page request queue, 256 bits: a page that a device would like to use. VT-d chapter 7.4.1. */
import { bit, bits, ignored, input, layout } from './layout.ts';

export const pageRequestEntry = layout('page request', 256, 'VT-d chapter 7.4.1', {
  type: bits(7, 0, 'type', { values: { 1: 'page request' } }),
  PP: bit(8, 'PASID present'),
  PDP: ignored(9, 9, 'private data present, in older revisions'),
  RID: bits(31, 16, 'requester id'),
  PASID: bits(51, 32, 'PASID'),
  EXE: bit(52, 'execute asked for'),
  PRIV: bit(53, 'privileged'),
  R: bit(64, 'read asked for'),
  W: bit(65, 'write asked for'),
  LPIG: bit(66, 'last of its group'),
  PRGI: bits(75, 67, 'group'),
  ADDR: input(127, 76, 'page'),
  data: ignored(255, 128, 'private data, in older revisions'),
});

export const PAGE_REQUEST_TYPE = 1;

export type PageRequest = {
  readonly sourceId: number;
  readonly hi: number;
  readonly lo: number;
  /** READ and WRITE: what the device wants to do; EXECUTE with a PASID. */
  readonly access: number;
  /** Of a request with PASID, or -1. */
  readonly pasid: number;
  readonly privileged: boolean;
  /** Page request group index: the device's own number for requests that are answered together, 0 to 511. */
  readonly group: number;
  /** Whether it is the last of its group, after which an answer is due. */
  readonly isLast: boolean;
};
