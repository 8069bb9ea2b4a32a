/**
 * Posted-interrupt descriptor, 64 bytes: where interrupts of a virtual processor are noted. VT-d specification, chapter
 * 9.12; Linux `arch/x86/include/asm/posted_intr.h`.
 */
import { bit, bits, layout } from './layout.ts';

export const postedInterruptDescriptor = layout('posted-interrupt descriptor', 512, 'VT-d chapter 9.12', {
  PIR: bits(255, 0, 'posted requests, a bit for each vector'),
  ON: bit(256, 'outstanding notification', { values: { 0: 'none', 1: 'a notification is under way' } }),
  SN: bit(257, 'suppress notification', { values: { 0: 'notify', 1: 'only urgent requests notify' } }),
  NV: bits(279, 272, 'notification vector'),
  NDST: bits(319, 288, 'notification destination'),
});
