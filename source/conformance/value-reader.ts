/** Reads typed values out of parsed JSON and says, where one is not what it should be, what was expected. */
import { parseBdf } from '../vtd/source-id.ts';
import { MEMORY_BYTES } from './case-file.ts';
import { MalformedCase, type Place, shown } from './errors.ts';

const ONES_64 = 0xffff_ffff_ffff_ffffn;

export class ValueReader {
  readonly place: Place;

  constructor(place: Place) {
    this.place = place;
  }

  fail(expected: string, got: unknown): never {
    throw new MalformedCase(this.place, expected, shown(got));
  }

  object(value: unknown, what: string): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      this.fail(`${what} as an object`, value);
    return value as Record<string, unknown>;
  }

  /** An object that has no keys but these. */
  record(value: unknown, what: string, keys: readonly string[]): Record<string, unknown> {
    const found = this.object(value, what);
    const stranger = Object.keys(found).find((key) => !keys.includes(key));
    if (stranger !== undefined) this.fail(`${what} with the keys ${keys.join(', ')}`, stranger);
    return found;
  }

  array(value: unknown, what: string): readonly unknown[] {
    if (!Array.isArray(value)) this.fail(`${what} as an array`, value);
    return value;
  }

  text(value: unknown, what: string): string {
    if (typeof value !== 'string') this.fail(`${what} as a string`, value);
    return value;
  }

  choice<Word extends string>(value: unknown, what: string, words: readonly Word[]): Word {
    const found = words.find((word) => word === value);
    if (found === undefined) this.fail(`${what}: one of ${words.join(', ')}`, value);
    return found;
  }

  /** An unsigned number up to `largest`: a hex string, or a plain decimal number. */
  number(value: unknown, what: string, largest = ONES_64): bigint {
    const range = `${what} as a hex string or a decimal number up to 0x${largest.toString(16)}`;
    const isWhole = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
    const isLiteral = typeof value === 'string' && /^(0x[0-9a-f]+|[0-9]+)$/i.test(value);
    if (!isWhole && !isLiteral) this.fail(range, value);
    const number = BigInt(value as string | number);
    if (number > largest) this.fail(range, value);
    return number;
  }

  /** The address of something of `bytes` bytes in memory. */
  memoryAddress(value: unknown, what: string, bytes: number): number {
    const address = this.number(value, what);
    if (address > BigInt(MEMORY_BYTES - bytes)) {
      this.fail(`${what} in memory, which ends at 0x${MEMORY_BYTES.toString(16)}`, value);
    }
    return Number(address);
  }

  /** A requester id, written like 00:05.0. */
  requester(value: unknown, what: string): number {
    const id = typeof value === 'string' ? parseBdf(value) : null;
    if (id === null) this.fail(`${what} such as "00:05.0"`, value);
    return id;
  }

  flag(value: unknown, what: string): boolean {
    if (typeof value !== 'boolean') this.fail(`${what} as true or false`, value);
    return value;
  }
}
