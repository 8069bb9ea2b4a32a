import { bit, bits, input, layout } from './layout.ts';

/** Fault recording register, 128 bits. VT-d specification, chapter 11.4.14. */
export const faultRecord = layout('fault record', 128, 'VT-d chapter 11.4.14', {
  FI: input(63, 12, 'page of the request'),
  SID: bits(79, 64, 'source id'),
  T2: bit(92, 'page request or AtomicOp'),
  PRIV: bit(93, 'privileged'),
  EXE: bit(94, 'execute'),
  PP: bit(95, 'PASID present'),
  FR: bits(103, 96, 'fault reason'),
  PV: bits(123, 104, 'PASID'),
  AT: bits(125, 124, 'address type', { values: { 0: 'untranslated', 1: 'translation', 2: 'translated' } }),
  T1: bit(126, 'type', { values: { 0: 'write', 1: 'read' } }),
  F: bit(127, 'fault', { values: { 0: 'free', 1: 'holds a fault' } }),
});
