/** Descriptors of the invalidation queue: good ones by name, and odd ones for the queue to stop at. */
import fc from 'fast-check';

export type Descriptor = readonly [lo: bigint, hi: bigint];

const field = (value: number | bigint, from: number): bigint => BigInt(value) << BigInt(from);

export const contextGlobal: Descriptor = [0x11n, 0n];
export const contextDomain = (did: number): Descriptor => [0x21n | field(did, 16), 0n];
export const contextDevice = (did: number, device: number, functionMask: number): Descriptor => [
  0x31n | field(did, 16) | field(device, 32) | field(functionMask, 48),
  0n,
];
export const iotlbGlobal: Descriptor = [0x12n, 0n];
export const iotlbDomain = (did: number): Descriptor => [0x22n | field(did, 16), 0n];
export const iotlbPages = (did: number, address: bigint, mask: number, leafOnly: boolean): Descriptor => [
  0x32n | field(did, 16),
  (address & ~0xfffn) | BigInt(mask) | (leafOnly ? 0x40n : 0n),
];

const bit = (weight: number) =>
  fc.oneof({ weight, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) });

/** Where waits of these descriptors may write: a page of its own, and a place without memory. */
const statusAddress = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0x18_4000n, 0x18_4008n) },
  { weight: 1, arbitrary: fc.constant(0x3000_0000n) },
);

const did = fc.constantFrom(0, 0x202, 0x212, 0x201, 0xffff);

const context = fc
  .tuple(
    fc.integer({ min: 0, max: 3 }),
    did,
    fc.constantFrom(0x28, 0x30, 0x100, 0x2f),
    fc.integer({ min: 0, max: 3 }),
  )
  .map(
    ([g, id, device, mask]): Descriptor => [
      0x1n | field(g, 4) | field(id, 16) | field(device, 32) | field(mask, 48),
      0n,
    ],
  );

const iotlb = fc
  .tuple(
    fc.integer({ min: 0, max: 3 }),
    did,
    fc.integer({ min: 0, max: 3 }),
    fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 0, max: 18 }) },
      { weight: 1, arbitrary: fc.integer({ min: 18, max: 63 }) },
      { weight: 1, arbitrary: fc.constantFrom(18, 19) },
    ),
    bit(1),
    fc.bigInt({ min: 0n, max: (1n << 52n) - 1n }),
  )
  .map(
    ([g, id, drain, mask, hint, page]): Descriptor => [
      0x2n | field(g, 4) | field(drain, 6) | field(id, 16),
      field(page, 12) | BigInt(mask) | field(hint, 6),
    ],
  );

const interruptEntry = fc
  .tuple(bit(1), fc.integer({ min: 0, max: 31 }), fc.integer({ min: 0, max: 0xffff }))
  .map(([g, mask, index]): Descriptor => [0x4n | field(g, 4) | field(mask, 27) | field(index, 32), 0n]);

/** Not with both an interrupt and a status write: QEMU ends itself at one of those. */
const wait = fc
  .tuple(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(0x10n, 0x20n) },
      { weight: 1, arbitrary: fc.constant(0n) },
    ),
    bit(3),
    bit(6),
    fc.integer({ min: 0, max: 0xffff_ffff }),
    statusAddress,
  )
  .map(
    ([kind, fence, drain, data, address]): Descriptor => [
      0x5n | kind | field(fence, 6) | field(drain, 7) | field(data, 32),
      address,
    ],
  );

const otherType = fc
  .tuple(
    fc.integer({ min: 0, max: 15 }),
    fc.bigInt({ min: 0n, max: (1n << 60n) - 1n }),
    fc.constantFrom(0n, 0x1000n),
  )
  .filter(([type]) => type !== 5)
  .map(([type, rest, hi]): Descriptor => [BigInt(type) | (rest << 4n), hi]);

/** One bit more, which often is a reserved one. */
const spoilt = fc
  .tuple(fc.oneof(context, iotlb, interruptEntry, wait), fc.integer({ min: 6, max: 127 }))
  .map(([[lo, hi], at]): Descriptor => {
    return at < 64 ? [lo | (1n << BigInt(at)), hi] : [lo, hi | (1n << BigInt(at - 64))];
  })
  // A wait that writes its status is not to write into the tables.
  .map(([lo, hi]): Descriptor => [lo, (lo & 0x2fn) === 0x25n ? (hi & 0x7f_fff0_0fffn) | 0x18_4000n : hi]);

export const descriptor: fc.Arbitrary<Descriptor> = fc.oneof(
  { weight: 4, arbitrary: context },
  { weight: 4, arbitrary: iotlb },
  { weight: 2, arbitrary: interruptEntry },
  { weight: 3, arbitrary: wait },
  { weight: 1, arbitrary: spoilt },
  { weight: 1, arbitrary: otherType },
);
