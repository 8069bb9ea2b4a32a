import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bigToWords,
  hex,
  hexOf,
  highHalf,
  join,
  lowHalf,
  parseHalves,
  wordsToBig,
} from '../../source/vtd/bits.ts';
import { leafBytes, leafLevels } from '../../source/vtd/caches/iotlb.ts';
import { faultReason, faultReasons, isQualified } from '../../source/vtd/faults/fault-reason.ts';
import { contextEntry } from '../../source/vtd/formats/context-entry.ts';
import { faultRecord } from '../../source/vtd/formats/fault-record.ts';
import * as firstStage from '../../source/vtd/formats/first-stage-entry.ts';
import * as descriptors from '../../source/vtd/formats/invalidation-descriptor.ts';
import { address, bit, bits, type Conditions, type Layout, layout } from '../../source/vtd/formats/layout.ts';
import * as paging from '../../source/vtd/formats/paging-entry.ts';
import { pasidDirectoryEntry } from '../../source/vtd/formats/pasid-directory-entry.ts';
import { pasidTableEntry } from '../../source/vtd/formats/pasid-table-entry.ts';
import { rootEntry } from '../../source/vtd/formats/root-entry.ts';
import { scalableContextEntry } from '../../source/vtd/formats/scalable-context-entry.ts';
import { scalableRootEntry } from '../../source/vtd/formats/scalable-root-entry.ts';
import { bdf, parseBdf, sourceId } from '../../source/vtd/source-id.ts';
import { capabilities, presets } from '../../source/vtd/unit/capabilities.ts';
import * as registers from '../../source/vtd/unit/registers.ts';
import { unitLike } from '../support/unit.ts';

const layouts: Layout[] = [
  rootEntry,
  contextEntry,
  scalableRootEntry,
  scalableContextEntry,
  pasidDirectoryEntry,
  pasidTableEntry,
  faultRecord,
  ...[paging, firstStage, descriptors, registers].flatMap((module) =>
    Object.values(module).filter((value): value is Layout => typeof (value as Layout)?.decode === 'function'),
  ),
];

const skylake = capabilities(presets.skylake);
const conditions: fc.Arbitrary<Conditions> = fc.record({
  hostAddressWidth: fc.integer({ min: 32, max: 52 }),
  DT: fc.boolean(),
  SC: fc.boolean(),
  MTS: fc.boolean(),
  PRS: fc.boolean(),
  EAFS: fc.boolean(),
  PASID: fc.boolean(),
  PDS: fc.boolean(),
  DIT: fc.boolean(),
  SSADS: fc.boolean(),
  SMPWCS: fc.boolean(),
  RPRIVS: fc.boolean(),
  FS1GP: fc.boolean(),
  sslps: fc.integer({ min: 0, max: 3 }),
  domains: fc.constantFrom(16, 64, 256, 1024, 4096, 16384, 65536),
});

const ones = (count: number) => (1n << BigInt(count)) - 1n;

describe.each(layouts.map((format) => [format.name, format] as const))('%s', (_, format) => {
  const whole = fc.bigInt({ min: 0n, max: ones(format.bits) });
  const declared = format.ordered.reduce(
    (mask, { high, low }) => mask | (ones(high - low + 1) << BigInt(low)),
    0n,
  );

  test('what is encoded is decoded unchanged, and the other way round', () => {
    fc.assert(
      fc.property(whole, (value) => {
        const words = bigToWords(value, format.bits / 32);
        const encoded = format.encode(format.decode(words));
        expect(wordsToBig(encoded)).toBe(value & declared);
        expect(format.decode(encoded)).toEqual(format.decode(words));
      }),
    );
  });

  test('small values may be given as numbers', () => {
    fc.assert(
      fc.property(whole, (value) => {
        const decoded = format.decode(bigToWords(value, format.bits / 32));
        const numbers = Object.fromEntries(
          Object.entries(decoded).map(([name, field]) => [name, field < 2n ** 53n ? Number(field) : field]),
        );
        expect(format.encode(numbers)).toEqual(format.encode(decoded));
      }),
    );
  });

  test('every bit is either reserved or belongs to one field', () => {
    fc.assert(
      fc.property(conditions, (unit) => {
        const reserved = wordsToBig(format.reserved(unit));
        expect(reserved & ~ones(format.bits)).toBe(0n);
        // A field that this unit lacks, or lacks in part, is the only overlap.
        const lacking = format.ordered.filter(
          ({ kind, exists, usable }) =>
            kind === 'address' || exists?.(unit) === false || usable !== undefined,
        );
        const partial = lacking.reduce(
          (mask, { high, low }) => mask | (ones(high - low + 1) << BigInt(low)),
          0n,
        );
        expect(reserved & declared & ~partial).toBe(0n);
        expect(reserved | declared).toBe(ones(format.bits));
      }),
    );
  });

  test('a value that does not fit is refused', () => {
    for (const { name, high, low } of format.ordered) {
      const tooLarge = 1n << BigInt((low % 64) + high - low + 1);
      expect(() => format.encode({ [name]: tooLarge }), name).toThrow(RangeError);
      expect(() => format.encode({ [name]: -1 }), name).toThrow(RangeError);
      expect(() => format.encode({ [name]: 0.5 }), name).toThrow(RangeError);
    }
  });
});

test('an address with bits below its field is refused', () => {
  expect(() => rootEntry.encode({ CTP: 0x1001 })).toThrow(/root entry: CTP has bits 63:12, got 0x1001/);
  expect(() => rootEntry.encode({ CTP: 0x1001n })).toThrow(RangeError);
});

test('a declaration that overlaps or leaves its format is refused', () => {
  expect(() => layout('x', 32, '', { A: bits(3, 0, ''), B: bit(3, '') })).toThrow(/B is outside the format/);
  expect(() => layout('x', 32, '', { A: bit(32, '') })).toThrow(RangeError);
  expect(() => layout('x', 32, '', { A: bits(0, 1, '') })).toThrow(RangeError);
});

test('address bits from the host address width up are reserved', () => {
  expect(wordsToBig(rootEntry.reserved({ ...skylake, hostAddressWidth: 39 }))).toBe(
    (ones(64) << 64n) | (ones(25) << 39n) | 0xffen,
  );
  const narrow = layout('x', 64, '', { A: address(63, 40, '') });
  expect(wordsToBig(narrow.reserved({ ...skylake, hostAddressWidth: 39 }))).toBe(ones(64));
});

test('domain-id bits that the unit lacks are reserved in a context entry', () => {
  const reservedDid = (domains: number) =>
    (wordsToBig(contextEntry.reserved({ ...skylake, domains })) >> 72n) & 0xffffn;
  expect([16, 256, 65536].map(reservedDid)).toEqual([0xfff0n, 0xff00n, 0n]);
});

test.each([
  // Level, large page, snoop control, reserved bits below the address, as QEMU's masks have them.
  [1, false, false, 0x800n],
  [1, false, true, 0n],
  [2, false, false, 0x800n],
  [2, false, true, 0x800n],
  [2, true, false, 0x1ff800n],
  [2, true, true, 0x1ff000n],
  [3, false, false, 0x800n],
  [3, true, false, 0x3ffff800n],
  [3, true, true, 0x3ffff000n],
  [4, false, false, 0x880n],
  [5, false, true, 0x880n],
])(
  'level %i, large %s, snoop control %s: reserved bits below the address are %s',
  (level, isLarge, SC, low) => {
    const format = paging.pagingEntryLayout(level, isLarge ? paging.PAGE_SIZE : 0);
    const reserved = wordsToBig(format.reserved({ ...skylake, SC, hostAddressWidth: 52 }));
    expect(reserved).toBe(low);
  },
);

test.each([
  // Level, large page, reserved bits below the address, as QEMU's masks have them.
  [1, false, 0n],
  [2, false, 0n],
  [2, true, 0x1fe000n],
  [3, false, 0n],
  [3, true, 0x3fffe000n],
  [4, false, 0x80n],
  [5, true, 0x80n],
])('first stage, level %i, large %s: reserved bits below the address are %s', (level, isLarge, low) => {
  const format = firstStage.firstStageEntryLayout(level, isLarge ? 0x80 : 0);
  expect(wordsToBig(format.reserved({ ...skylake, FS1GP: true, hostAddressWidth: 52 }))).toBe(low);
});

test.each([
  ['context-cache descriptor', 0xfffc00000000ffc0n, ones(64)],
  ['IOTLB descriptor', 0xffffffff0000ff00n, 0xf80n],
  ['wait descriptor', 0xffffff80n, 0x3n],
])('the reserved bits of a %s are those of QEMU, but for the upper type bits', (name, lo, hi) => {
  const format = layouts.find((candidate) => candidate.name === name)!;
  const reserved = wordsToBig(format.reserved({ ...skylake, hostAddressWidth: 64 }));
  expect([(reserved | 0xe00n) & ones(64), reserved >> 64n]).toEqual([lo | 0xe00n, hi]);
});

test('a descriptor type that is carried out has a format, every other type none', () => {
  const types = Array.from({ length: 4096 }, (_, word) => word).filter(
    (word) => (word & 0x1f0) === 0 && descriptors.descriptorLayout(word) !== null,
  );
  expect(types).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('levels have names and sizes', () => {
  expect([1, 2, 3, 4, 5].map(paging.levelName)).toEqual(['PT', 'PD', 'PDPT', 'PML4', 'PML5']);
  expect(leafLevels.map(leafBytes)).toEqual([2 ** 12, 2 ** 21, 2 ** 30]);
});

test('every reason has a code of its own; an unknown one is what Linux calls it', () => {
  expect(new Set(faultReasons.map(({ code }) => code)).size).toBe(faultReasons.length);
  expect(faultReason(0x5).kernelText).toBe('PTE Write access is not set');
  expect(faultReason(0x99)).toMatchObject({ code: 0x99, kernelText: 'Unknown' });
});

test('faults that prevent FPD from being read are recorded always', () => {
  const unqualified = faultReasons.map(({ code }) => code).filter((code) => !isQualified(code));
  expect(unqualified).toEqual([
    0x1, 0x8, 0x9, 0xa, 0x20, 0x21, 0x23, 0x25, 0x30, 0x31, 0x32, 0x38, 0x39, 0x3a, 0x40, 0x50, 0x58,
  ]);
});

describe('capabilities', () => {
  test('of a Skylake client', () => {
    expect(skylake).toMatchObject({
      domains: 256,
      sagaw: 0b100,
      largestAw: 2,
      guestAddressWidth: 39,
      sslps: 3,
      pageSelective: true,
      maxAddressMask: 18,
      faultRecords: 1,
      faultOffset: 0x400,
      invalidateOffset: 0x500,
      passThrough: true,
      deviceTlb: false,
      queuedInvalidation: true,
      cachingMode: false,
      writeBufferFlush: false,
      readDraining: true,
      writeDraining: true,
      setRootInvalidates: false,
      SC: true,
      PDS: false,
    });
  });

  test('of QEMU with 39 bits', () => {
    expect(capabilities(presets['qemu-39'])).toMatchObject({
      domains: 65536,
      sagaw: 0b010,
      largestAw: 1,
      guestAddressWidth: 39,
      faultOffset: 0x220,
      invalidateOffset: 0xf0,
    });
  });

  test('of the graphics unit of a Skylake client', () => {
    expect(capabilities(presets['skylake-graphics'])).toMatchObject({
      pageSelective: false,
      maxAddressMask: 0,
      deviceTlb: true,
      scalableMode: false,
      nested: true,
      pasidWidth: 20,
      PASID: true,
      MTS: true,
      PRS: true,
      EAFS: true,
      FS1GP: true,
    });
  });

  test('of a server', () => {
    expect(capabilities(presets.server)).toMatchObject({
      domains: 65536,
      sagaw: 0b1100,
      largestAw: 3,
      guestAddressWidth: 57,
      faultRecords: 8,
      scalableMode: true,
      abortDma: true,
      firstStage: true,
      secondStage: true,
      nested: true,
      fiveLevelFirstStage: true,
      pasidWidth: 20,
      ridPasid: true,
      registerInvalidation: false,
      SSADS: true,
      SMPWCS: true,
      RPRIVS: false,
    });
  });

  test('of QEMU in scalable mode', () => {
    expect(capabilities(presets['qemu-scalable'])).toMatchObject({
      scalableMode: true,
      firstStage: false,
      secondStage: true,
      PASID: false,
    });
    expect(capabilities(presets['qemu-first-stage'])).toMatchObject({
      scalableMode: true,
      firstStage: true,
      secondStage: false,
      FS1GP: true,
    });
  });

  test('widths that were withdrawn from the specification do not count', () => {
    const { sagaw, largestAw } = capabilities(unitLike('skylake', { capSet: 0x1100n }));
    expect([sagaw, largestAw]).toEqual([0b100, 2]);
  });
});

describe('numbers', () => {
  const address53 = fc.maxSafeNat();
  const qword = fc.bigInt({ min: 0n, max: ones(64) });

  test('an address is its two halves', () => {
    fc.assert(
      fc.property(address53, (value) => {
        expect(join(highHalf(value), lowHalf(value))).toBe(value);
      }),
    );
  });

  test('hexadecimal text of two halves is that of the whole', () => {
    fc.assert(
      fc.property(qword, (value) => {
        const [lo, hi] = bigToWords(value, 2);
        expect(hexOf(hi, lo)).toBe(`0x${value.toString(16)}`);
        expect(parseHalves(hexOf(hi, lo))).toEqual({ hi, lo });
        expect(parseHalves(value.toString())).toEqual({ hi, lo });
      }),
    );
    expect(hex(0x1f, 4)).toBe('0x001f');
    expect(hex(0)).toBe('0x0');
  });

  test.each(['', '0x', '12g', '-1', '0x10000000000000000', ' 1', '1.5'])('%j is no 64-bit number', (text) => {
    expect(parseHalves(text)).toBeNull();
  });

  test('every requester id reads back as it is written', () => {
    for (let id = 0; id < 0x10000; id++) if (parseBdf(bdf(id)) !== id) expect(bdf(id)).toBe(id);
    expect(bdf(sourceId(3, 0x1f, 7))).toBe('03:1f.7');
    expect(parseBdf('0000:03:00.0')).toBe(0x300);
  });

  test.each(['', '3:0.0', '03:20.0', '03:00.8', '03:00', '03:00.0 '])('%j is no requester id', (text) => {
    expect(parseBdf(text)).toBeNull();
  });
});
