/**
 * Where the tables of made-up cases lie, and what entries may be in them. A domain has one table a level, so that an
 * address is a choice of index at each level; its data lies in a few pages that cases watch.
 */
import fc from 'fast-check';

export const ROOT = 0x10_0000;
export const contextTable = (bus: number): number => 0x10_1000 + 0x1000 * bus;
export const DOMAINS = 2;
export const table = (domain: number, level: number): number =>
  0x11_0000 + 0x1_0000 * domain + 0x1000 * (4 - level);

/** The indices in use at each level, 4 to 1. With 2 MiB pages they lead to data pages, too. */
export const indices: Readonly<Record<number, readonly number[]>> = {
  4: [0, 1],
  3: [0, 3],
  2: [0, 4],
  1: [0, 1, 200],
};

export const DATA = 0x80_0000;
export const watched: readonly number[] = [
  ...[0, 1, 2, 3].flatMap((page) => [DATA + 0x1000 * page, DATA + 0x1000 * page + 0xff8]),
  DATA + 0x1000 * 200,
];

/** Outside memory: nothing answers there. */
export const NOWHERE = 0x3000_0000;

export type Access = 0 | 1 | 2 | 3;

export type Entry = {
  readonly kind: 'table' | 'page' | 'nowhere' | 'interrupt range' | 'absent';
  /** Which data page, or which part of the interrupt range. */
  readonly page: number;
  readonly access: Access;
  /** More bits to set. */
  readonly bits: readonly number[];
};

/** Bits that are ignored, reserved or part of an address, by where they are. */
const oddBits = [2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 20, 21, 29, 38, 39, 40, 47, 48, 51, 52, 61, 62, 63];
const ADDRESS_LOW = 12;
const ADDRESS_HIGH = 38;

const PS = 0x80n;

/** The qword of an entry of a domain's table at a level. */
export function entryValue({ kind, page, access, bits }: Entry, domain: number, level: number): bigint {
  if (kind === 'absent') return 0n;
  const isLeaf = level === 1 || kind !== 'table';
  const large = isLeaf && level > 1;
  let value = BigInt(access) | (large ? PS : 0n);
  if (kind === 'table' && level > 1) value |= BigInt(table(domain, level - 1));
  else value |= frame(kind, page, level);
  // Other address bits of a table or a 4 KiB page would lead into some other page of the case.
  for (const bit of bits) if (large || bit < ADDRESS_LOW || bit > ADDRESS_HIGH) value |= 1n << BigInt(bit);
  // And so would a table entry that is taken for a page.
  if (!isLeaf && (level === 2 || level === 3)) value &= ~PS;
  return value;
}

function frame(kind: Entry['kind'], page: number, level: number): bigint {
  const size = 1n << BigInt(12 + 9 * (level - 1));
  const address =
    kind === 'nowhere'
      ? BigInt(NOWHERE)
      : kind === 'interrupt range'
        ? 0xfee0_0000n + (page % 2 === 0 ? 0n : 0xf_f000n)
        : BigInt(DATA) + (level === 1 ? BigInt(page) * 0x1000n : 0n);
  return address & ~(size - 1n);
}

const access = fc.oneof(
  { weight: 14, arbitrary: fc.constant<Access>(3) },
  { weight: 1, arbitrary: fc.constantFrom<Access>(1, 2, 0) },
);

const bits = fc.oneof(
  { weight: 18, arbitrary: fc.constant<number[]>([]) },
  { weight: 1, arbitrary: fc.array(fc.constantFrom(...oddBits), { minLength: 1, maxLength: 3 }) },
);

/** An entry of a level: mostly one that leads on. */
export function entry(level: number): fc.Arbitrary<Entry> {
  const usual: Entry['kind'] = level === 1 ? 'page' : 'table';
  const unusual: Entry['kind'][] = ['page', 'nowhere', 'interrupt range', 'absent'];
  return fc.record({
    kind: fc.oneof(
      { weight: level === 1 ? 18 : 30, arbitrary: fc.constant(usual) },
      { weight: 3, arbitrary: fc.constantFrom(...unusual) },
    ),
    page: fc.integer({ min: 0, max: 3 }),
    access,
    bits,
  });
}
