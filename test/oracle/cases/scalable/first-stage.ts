/** First-stage tables of made-up cases: where those of second stage lie, with entries of the processor's format. */
import fc from 'fast-check';
import { mostly } from '../context.ts';
import { DATA, NOWHERE, table } from '../tables.ts';

export type FirstStageEntry = {
  readonly kind: 'table' | 'page' | 'nowhere' | 'interrupt range' | 'absent';
  readonly page: number;
  readonly writable: boolean;
  readonly user: boolean;
  /** More bits to set. */
  readonly bits: readonly number[];
};

/** The indices in use, levels 4 to 1: with both halves of the canonical addresses. */
export const firstStageIndices: Readonly<Record<number, readonly number[]>> = {
  4: [0, 511],
  3: [0, 3],
  2: [0, 4],
  1: [0, 1, 200],
};

/** Ignored and reserved bits, flags, and the NX bit. None is one of an address in memory. */
const oddBits = [3, 4, 5, 6, 7, 8, 9, 10, 11, 39, 47, 48, 51, 52, 58, 62, 63];
const ADDRESS_BITS_OF_LARGE_PAGES = [12, 13, 20];

const PRESENT = 1n;
const WRITABLE = 2n;
const USER = 4n;
const PS = 0x80n;

export function firstStageValue(entry: FirstStageEntry, domain: number, level: number): bigint {
  const { kind, page, writable, user, bits } = entry;
  if (kind === 'absent') return 0n;
  const isLarge = level > 1 && kind !== 'table';
  let value = PRESENT | (writable ? WRITABLE : 0n) | (user ? USER : 0n) | (isLarge ? PS : 0n);
  if (kind === 'table' && level > 1) value |= BigInt(table(domain, level - 1));
  else value |= frame(kind, page, level);
  const isTable = level > 1 && kind === 'table';
  const usable = bits.filter((bit) => {
    // A table that is taken for a page would be written by devices.
    if (bit === 7 && isTable && level < 4) return false;
    return isLarge || !ADDRESS_BITS_OF_LARGE_PAGES.includes(bit);
  });
  return usable.reduce((sum, bit) => sum | (1n << BigInt(bit)), value);
}

function frame(kind: FirstStageEntry['kind'], page: number, level: number): bigint {
  const size = 1n << BigInt(12 + 9 * (Math.min(level, 3) - 1));
  const address =
    kind === 'nowhere'
      ? BigInt(NOWHERE)
      : kind === 'interrupt range'
        ? 0xfee0_0000n + (page % 2 === 0 ? 0n : 0xf_f000n)
        : BigInt(DATA) + (level === 1 ? BigInt(page) * 0x1000n : 0n);
  return address & ~(size - 1n);
}

/** An entry of a level: mostly one that leads on. */
export function firstStageEntry(level: number, isSound: boolean): fc.Arbitrary<FirstStageEntry> {
  const usual: FirstStageEntry['kind'] = level === 1 ? 'page' : 'table';
  const others: FirstStageEntry['kind'][] = ['page', 'nowhere', 'interrupt range', 'absent'];
  const large: FirstStageEntry['kind'] = level === 4 ? 'table' : 'page';
  return fc.record({
    kind: isSound ? mostly(usual, 5, large) : mostly(usual, 9, ...others),
    page: fc.integer({ min: 0, max: 3 }),
    writable: isSound ? mostly(true, 5, false) : mostly(true, 14, false),
    user: isSound ? fc.constant(true) : mostly(true, 24, false),
    bits: fc.oneof(
      { weight: 18, arbitrary: fc.constant([]) },
      {
        weight: isSound ? 1 : 2,
        arbitrary: fc.array(
          fc.constantFrom(...(isSound ? [5, 6, 8, 9, 52] : [...oddBits, ...ADDRESS_BITS_OF_LARGE_PAGES])),
          { minLength: 1, maxLength: 3 },
        ),
      },
    ),
  });
}
