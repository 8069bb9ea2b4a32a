/** Root and context entries of made-up cases. */
import fc from 'fast-check';
import { contextTable, DOMAINS, NOWHERE, table } from './tables.ts';

export type Context = {
  readonly present: boolean;
  readonly fpd: boolean;
  readonly type: number;
  readonly width: number;
  readonly domain: number;
  readonly root: 'own' | 'nowhere' | 'beyond the width';
  readonly bits: readonly number[];
};

export type Root = {
  readonly present: boolean;
  readonly at: 'own' | 'nowhere';
  readonly bits: readonly number[];
};

/** Mostly the first, sometimes another. */
export const mostly = <T>(usual: T, weight: number, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

export const odd = (...at: number[]): fc.Arbitrary<number[]> =>
  fc.oneof(
    { weight: 30, arbitrary: fc.constant<number[]>([]) },
    { weight: 1, arbitrary: fc.array(fc.constantFrom(...at), { minLength: 1, maxLength: 2 }) },
  );

export const context = (usualWidth: number): fc.Arbitrary<Context> =>
  fc.record({
    present: mostly(true, 30, false),
    fpd: mostly(false, 7, true),
    type: mostly(0, 24, 1, 2, 2, 3),
    width: mostly(usualWidth, 30, 0, 1, 2, 3, 4, 7),
    domain: fc.integer({ min: 0, max: DOMAINS - 1 }),
    root: mostly<Context['root']>('own', 40, 'nowhere', 'beyond the width'),
    bits: odd(4, 11, 67, 70, 71, 88, 100, 127),
  });

export const root: fc.Arbitrary<Root> = fc.record({
  present: mostly(true, 40, false),
  at: mostly<Root['at']>('own', 40, 'nowhere'),
  bits: odd(1, 11, 50, 63, 64, 127),
});

const at = (bit: number): bigint => 1n << BigInt(bit);
const ONES = (1n << 64n) - 1n;
const halves = (value: bigint): bigint[] => [value & ONES, value >> 64n];
const withBits = (value: bigint, bits: readonly number[]): bigint =>
  bits.reduce((sum, bit) => sum | at(bit), value);

export const rootValue = ({ present, at: place, bits }: Root, bus: number): bigint[] =>
  halves(withBits(BigInt(place === 'own' ? contextTable(bus) : NOWHERE) | (present ? 1n : 0n), bits));

export function contextValue(entry: Context): bigint[] {
  const { present, fpd, type, width, domain, root: place, bits } = entry;
  let value = (present ? 1n : 0n) | (fpd ? 2n : 0n) | (BigInt(type) << 2n);
  // Three levels start at the table of level 3, four at that of level 4.
  value |= BigInt(place === 'own' ? table(domain, width === 1 ? 3 : 4) : NOWHERE);
  if (place === 'beyond the width') value |= at(51);
  value |= BigInt(width) << 64n;
  value |= BigInt(domainId(entry)) << 72n;
  return halves(withBits(value, bits));
}

/**
 * A domain id stands for one table root: caches of the unit are tagged with it, so two roots with the same one
 * would be an error of software, with no right answer.
 */
export const domainId = ({ type, width, domain, root: place }: Context): number =>
  type === 2 ? 0x7700 : place === 'own' ? domainIdOf(domain, width) : 0x6600 + width;

export const domainIdOf = (domain: number, width: number): number => 0x200 + 16 * domain + width;
