/** 256-bit descriptors: those of 128 bits with a zero upper half, and those about PASIDs. */
import fc from 'fast-check';
import { descriptor } from '../descriptors.ts';

export type Wide = readonly bigint[];

const field = (value: number | bigint, from: number): bigint => BigInt(value) << BigInt(from);

export const widened = ([lo, hi]: readonly bigint[]): Wide => [lo, hi, 0n, 0n];

export const pasidCacheGlobal: Wide = widened([0x37n, 0n]);
export const pasidCacheDomain = (did: number): Wide => widened([0x07n | field(did, 16), 0n]);
export const pasidCacheSelective = (did: number, pasid: number): Wide =>
  widened([0x17n | field(did, 16) | field(pasid, 32), 0n]);
export const pasidIotlbAll = (did: number, pasid: number): Wide =>
  widened([0x26n | field(did, 16) | field(pasid, 32), 0n]);
export const pasidIotlbPages = (
  did: number,
  pasid: number,
  address: bigint,
  mask: number,
  leafOnly: boolean,
): Wide =>
  widened([
    0x36n | field(did, 16) | field(pasid, 32),
    (address & 0xffff_ffff_ffff_f000n) | BigInt(mask) | (leafOnly ? 0x40n : 0n),
  ]);

const did = fc.constantFrom(0, 0x300, 0x310, 0x402, 0x412, 0xffff);
const pasid = fc.constantFrom(0, 1, 0xf_ffff);

const pasidCache = fc
  .tuple(fc.integer({ min: 0, max: 3 }), did, pasid)
  .map(([g, id, of]): Wide => widened([0x7n | field(g, 4) | field(id, 16) | field(of, 32), 0n]));

const pasidIotlb = fc
  .tuple(
    fc.integer({ min: 0, max: 3 }),
    did,
    pasid,
    fc.integer({ min: 0, max: 63 }),
    fc.integer({ min: 0, max: 1 }),
    fc.bigInt({ min: 0n, max: (1n << 52n) - 1n }),
  )
  .map(
    ([g, id, of, mask, hint, page]): Wide =>
      widened([
        0x6n | field(g, 4) | field(id, 16) | field(of, 32),
        field(page, 12) | BigInt(mask) | field(hint, 6),
      ]),
  );

const upperHalf = fc
  .tuple(descriptor, fc.constantFrom(0, 63, 64, 127))
  .map(
    ([[lo, hi], bit]): Wide => [lo, hi, bit < 64 ? field(1, bit) : 0n, bit < 64 ? 0n : field(1, bit - 64)],
  );

export const wideDescriptor: fc.Arbitrary<Wide> = fc.oneof(
  { weight: 6, arbitrary: descriptor.map(widened) },
  { weight: 3, arbitrary: pasidCache },
  { weight: 3, arbitrary: pasidIotlb },
  { weight: 1, arbitrary: upperHalf },
);
