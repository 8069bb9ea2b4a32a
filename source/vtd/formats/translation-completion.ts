/**
 * What a unit answers to a translation request: a page, its size and what may be done there, or nothing. PCI Express
 * base specification, chapter 10.2.3 (Address Translation Services, translation completion).
 */
import { bit, input, layout } from './layout.ts';

/** The entry of a successful completion. R = W = 0: there is no translation, and nothing else counts. */
export const translationCompletion = layout('translation completion', 64, 'PCIe chapter 10.2.3', {
  R: bit(0, 'read', { values: { 0: 'no read', 1: 'read allowed' } }),
  W: bit(1, 'write', { values: { 0: 'no write', 1: 'write allowed' } }),
  U: bit(2, 'untranslated access only'),
  EXE: bit(3, 'execute', { values: { 0: 'no execute', 1: 'execute allowed' } }),
  PRIV: bit(4, 'privileged', { values: { 0: 'for users', 1: 'for supervisors' } }),
  GLOBAL: bit(5, 'the same for all PASIDs'),
  N: bit(10, 'accesses must snoop'),
  S: bit(11, 'size', { values: { 0: '4 KiB', 1: 'larger, by the lowest 0 of the address from bit 12 up' } }),
  ADDR: input(63, 12, 'page frame'),
});

/** How a unit answers a translation request. */
export const Reply = {
  /** A completion with a page. */
  SUCCESS: 0,
  /** A completion with R = W = 0. */
  NO_TRANSLATION: 1,
  /** Unsupported Request: the device may not ask. */
  UNSUPPORTED: 2,
  /** Completer Abort: something is broken. */
  ABORT: 3,
} as const;

export const replyNames = ['success', 'no translation', 'unsupported request', 'completer abort'] as const;

/**
 * The bits 31:12 of a page address that tell its size: of 2^(k+1) bytes, bits k-1:12 are ones and bit k is a zero.
 *
 * @param lo lower half of the address
 * @param sizeBits the size as a power of two, 13 to 31
 */
export const withSize = (lo: number, sizeBits: number): number => {
  const frame = lo & ~((1 << sizeBits) - 1);
  return frame | ((1 << (sizeBits - 1)) - 0x1000);
};

/**
 * The size, as a power of two, of the range that an address of a completion or of a device-TLB invalidation names.
 * VT-d specification, chapter 6.5.2.5. 64: everything.
 *
 * @param isLarge the S bit
 */
export function sizeBitsOf(hi: number, lo: number, isLarge: boolean): number {
  if (!isLarge) return 12;
  const lowZeros = ~lo & ~0xfff;
  if (lowZeros !== 0) return 32 - Math.clz32(lowZeros & -lowZeros);
  const highZeros = ~hi;
  return highZeros === 0 ? 64 : 64 - Math.clz32(highZeros & -highZeros);
}
