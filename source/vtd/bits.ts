/**
 * 64-bit values as two signed 32-bit halves, the form in which the chip's fast path keeps every address
 * and table entry. A JavaScript number is exact up to 2^53, which covers every physical address
 * (at most 52 bits), so numbers serve outside that path.
 */

const TWO_32 = 0x1_0000_0000;

/** The upper 32 bits of an address below 2^53, as a signed 32-bit integer. */
export const highHalf = (address: number): number => Math.floor(address / TWO_32) | 0;

/** The lower 32 bits of an address below 2^53, as a signed 32-bit integer. */
export const lowHalf = (address: number): number => address | 0;

/** Two halves as one number; exact below 2^53. */
export const join = (hi: number, lo: number): number => (hi >>> 0) * TWO_32 + (lo >>> 0);

/** Two halves as `0x…` in lower case without leading zeros, exact for all 64 bits. */
export function hexOf(hi: number, lo: number): string {
  const high = hi >>> 0;
  const low = (lo >>> 0).toString(16);
  return high === 0 ? `0x${low}` : `0x${high.toString(16)}${low.padStart(8, '0')}`;
}

/** A number as `0x…`, padded to `digits`. */
export const hex = (value: number | bigint, digits = 1): string =>
  `0x${value.toString(16).padStart(digits, '0')}`;

/** A hexadecimal or decimal literal as two halves, or null if it is none or does not fit 64 bits. */
export function parseHalves(text: string): { hi: number; lo: number } | null {
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) return null;
  const value = BigInt(text);
  if (value > 0xffff_ffff_ffff_ffffn) return null;
  return { hi: Number(value >> 32n) | 0, lo: Number(value & 0xffff_ffffn) | 0 };
}

/** 32-bit words, least significant first, as one big integer. */
export function wordsToBig(words: ArrayLike<number>): bigint {
  let value = 0n;
  for (let i = words.length - 1; i >= 0; i--) value = (value << 32n) | BigInt(words[i] >>> 0);
  return value;
}

/** A big integer as `count` 32-bit words, least significant first. */
export function bigToWords(value: bigint, count: number): Int32Array {
  const words = new Int32Array(count);
  for (let i = 0; i < count; i++) words[i] = Number((value >> BigInt(32 * i)) & 0xffff_ffffn) | 0;
  return words;
}
