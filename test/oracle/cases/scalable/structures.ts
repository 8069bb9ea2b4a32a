/** Root, context and PASID structures of made-up cases in scalable mode: one PASID directory and table a device. */
import fc from 'fast-check';
import { devices } from '../../../../source/conformance/case-file.ts';
import { mostly, odd } from '../context.ts';
import { contextTable, DOMAINS, NOWHERE, ROOT, table } from '../tables.ts';

export const deviceIds = Object.values(devices);

const directory = (device: number): number => 0x10_3000 + 0x1000 * deviceIds.indexOf(device);
const pasidTable = (device: number): number => 0x10_8000 + 0x1000 * deviceIds.indexOf(device);

/** Where each structure lies that decides the requests of a device. */
export const placeOf = {
  root: (device: number): number => ROOT + 16 * (device >> 8),
  context: (device: number): number => contextTable(device >> 8) + 32 * (device & 0x7f),
  directory: (device: number): number => directory(device),
  pasid: (device: number): number => pasidTable(device),
} as const;

export type Root = {
  readonly present: boolean;
  readonly at: 'own' | 'nowhere';
  readonly bits: readonly number[];
};

export type Context = {
  readonly present: boolean;
  readonly fpd: boolean;
  readonly directory: 'own' | 'nowhere';
  readonly size: number;
  readonly ridPasid: number;
  readonly bits: readonly number[];
};

export type Directory = {
  readonly present: boolean;
  readonly fpd: boolean;
  readonly table: 'own' | 'nowhere';
  readonly bits: readonly number[];
};

/** PGTT */
export const FIRST = 1;
export const SECOND = 2;
export const PASS = 4;

export type Pasid = {
  readonly present: boolean;
  readonly fpd: boolean;
  readonly type: number;
  readonly width: number;
  readonly domain: number;
  readonly root: 'own' | 'nowhere';
  /** FSPM, WPE, NXE and so on: bits 128 to 135. */
  readonly controls: number;
  readonly bits: readonly number[];
};

export type Structures = {
  /** By bus. */
  readonly roots: readonly Root[];
  /** By device, in the order of `deviceIds`. */
  readonly contexts: readonly Context[];
  readonly directories: readonly Directory[];
  readonly pasids: readonly Pasid[];
};

/** How often something is wrong: one in so many, or never. */
type Wrong = number | null;

const usually = <T>(usual: T, wrong: Wrong, ...others: T[]): fc.Arbitrary<T> =>
  wrong === null ? fc.constant(usual) : mostly(usual, wrong, ...others);
const strange = (wrong: Wrong, ...at: number[]): fc.Arbitrary<readonly number[]> =>
  wrong === null ? fc.constant([]) : odd(...at);

export const root = (wrong: Wrong): fc.Arbitrary<Root> =>
  fc.record({
    present: usually(true, wrong, false),
    at: usually<Root['at']>('own', wrong, 'nowhere'),
    bits: strange(wrong, 1, 11, 50, 63),
  });

export const context = (wrong: Wrong): fc.Arbitrary<Context> =>
  fc.record({
    present: usually(true, wrong, false),
    fpd: usually(false, wrong === null ? null : 9, true),
    directory: usually<Context['directory']>('own', wrong, 'nowhere'),
    size: usually(0, wrong, 3, 7),
    ridPasid: fc.constant(0),
    bits: strange(wrong, 2, 4, 7, 8, 51, 85, 100, 127, 128, 200, 255),
  });

export const directoryEntry = (wrong: Wrong): fc.Arbitrary<Directory> =>
  fc.record({
    present: usually(true, wrong, false),
    fpd: usually(false, wrong, true),
    table: usually<Directory['table']>('own', wrong, 'nowhere'),
    bits: strange(wrong, 2, 5, 11, 51),
  });

/** Wrong widths of a PASID table entry. */
const WRONG_WIDTHS = [0, 1, 2, 3, 7];

/**
 * Of an entry that changes while it may be in use: QEMU ends with a failed assertion when it finds more than four
 * levels behind a context entry that it has cached.
 */
export const WRONG_WIDTHS_IN_USE = [0, 1, 2];

export const pasid = (
  type: number,
  width: number,
  wrong: Wrong,
  widths = WRONG_WIDTHS,
): fc.Arbitrary<Pasid> =>
  fc.record({
    present: usually(true, wrong, false),
    fpd: usually(false, wrong, true),
    type: fc.oneof(
      { weight: 20, arbitrary: fc.constant(type) },
      { weight: 2, arbitrary: fc.constant(PASS) },
      { weight: 1, arbitrary: wrong === null ? fc.constant(type) : fc.constantFrom(0, 1, 2, 3, 5, 7) },
    ),
    width: usually(width, wrong, ...widths),
    domain: fc.integer({ min: 0, max: DOMAINS - 1 }),
    root: usually<Pasid['root']>('own', wrong, 'nowhere'),
    controls: type === FIRST ? usually(0, wrong, 4, 8, 16, 32, 64) : fc.constant(0),
    bits: strange(wrong, 10, 11, 51, 80, 86, 88, 135, 139, 192, 255, 300, 511),
  });

const at = (bit: number): bigint => 1n << BigInt(bit);
const withBits = (value: bigint, bits: readonly number[]): bigint =>
  bits.reduce((sum, bit) => sum | at(bit), value);
const ONES = (1n << 64n) - 1n;
const qwords = (value: bigint, count: number): bigint[] =>
  Array.from({ length: count }, (_, index) => (value >> BigInt(64 * index)) & ONES);

/** The half for the devices 0 to 15; there are none in the other. */
export const rootValue = ({ present, at: place, bits }: Root, bus: number): bigint[] =>
  qwords(withBits(BigInt(place === 'own' ? contextTable(bus) : NOWHERE) | (present ? 1n : 0n), bits), 1);

export function contextValue(entry: Context, device: number): bigint[] {
  let value = (entry.present ? 1n : 0n) | (entry.fpd ? 2n : 0n) | (BigInt(entry.size) << 9n);
  value |= BigInt(entry.directory === 'own' ? directory(device) : NOWHERE);
  value |= BigInt(entry.ridPasid) << 64n;
  return qwords(withBits(value, entry.bits), 4);
}

export function directoryValue(entry: Directory, device: number): bigint[] {
  const place = BigInt(entry.table === 'own' ? pasidTable(device) : NOWHERE);
  return qwords(withBits(place | (entry.present ? 1n : 0n) | (entry.fpd ? 2n : 0n), entry.bits), 1);
}

export function pasidValue(entry: Pasid): bigint[] {
  const { present, fpd, type, width, domain, root: place, controls, bits } = entry;
  let value = (present ? 1n : 0n) | (fpd ? 2n : 0n) | (BigInt(width) << 2n) | (BigInt(type) << 6n);
  const second = place === 'own' ? table(domain, width === 1 ? 3 : 4) : NOWHERE;
  const first = place === 'own' ? table(domain, 4) : NOWHERE;
  if (type !== FIRST) value |= BigInt(second);
  value |= BigInt(domainId(entry)) << 64n;
  if (type === FIRST) value |= (BigInt(first) | BigInt(controls)) << 128n;
  return qwords(withBits(value, bits), 8);
}

/** One for each root of tables and each way to walk them, as caches are tagged with it. */
export const domainId = ({ type, width, domain, root: place }: Pasid): number =>
  0x200 + 0x100 * type + 0x40 * (place === 'own' ? 0 : 1) + 16 * domain + (type === FIRST ? 0 : width);

/** All of them in memory, a qword block each. */
export function structuresIn({ roots, contexts, directories, pasids }: Structures) {
  return [
    ...roots.map((entry, bus) => ({ address: placeOf.root(bus << 8), qwords: rootValue(entry, bus) })),
    ...deviceIds.flatMap((device, index) => [
      { address: placeOf.context(device), qwords: contextValue(contexts[index], device) },
      { address: placeOf.directory(device), qwords: directoryValue(directories[index], device) },
      { address: placeOf.pasid(device), qwords: pasidValue(pasids[index]) },
    ]),
  ];
}

export const structures = (type: number, width: number, wrong: Wrong): fc.Arbitrary<Structures> =>
  fc.record({
    roots: fc.tuple(root(wrong), root(wrong)),
    contexts: fc.tuple(...deviceIds.map(() => context(wrong))),
    directories: fc.tuple(...deviceIds.map(() => directoryEntry(wrong))),
    pasids: fc.tuple(...deviceIds.map(() => pasid(type, width, wrong))),
  });
