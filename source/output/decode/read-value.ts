/** Raw values as they are typed: hexadecimal, as dumps and logs have them. */

import { quoted } from '../../commands/printable.ts';
import { DecodeError } from './decoded.ts';

/**
 * A value of so many bits.
 *
 * @param what how the usage calls it, `LO`
 * @throws DecodeError
 */
export function readValue(text: string, what: string, bits: number): bigint {
  const expected = `expected ${what} as a hexadecimal value such as 0x2b6a001, got ${quoted(text)}`;
  if (!/^(0x[0-9a-f]+|[0-9])$/i.test(text)) {
    // Dumps leave 0x out; taken as decimal such a value would silently mean something else.
    const meant = /^[0-9a-f]{2,16}$/i.test(text) ? `. Did you mean 0x${text.toLowerCase()}?` : '';
    throw new DecodeError(expected + meant);
  }
  const digits = text.replace(/^0x0*/i, '');
  if (digits.length * 4 > bits + 3 || BigInt(`0x${digits || '0'}`) >> BigInt(bits) !== 0n) {
    throw new DecodeError(`expected ${what} of at most ${bits} bits, got ${quoted(text)}`);
  }
  return BigInt(`0x${digits || '0'}`);
}

/**
 * The level of a paging entry, 1 to 5.
 *
 * @throws DecodeError
 */
export function readLevel(text: string): number {
  if (!/^[1-5]$/.test(text)) {
    throw new DecodeError(`expected a LEVEL from 1 (the last) to 5, got ${quoted(text)}`);
  }
  return Number(text);
}
