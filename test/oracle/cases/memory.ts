/** The tables of made-up cases, and what memory holds of them. */
import fc from 'fast-check';
import { devices, type MemoryBlock } from '../../../source/conformance/case-file.ts';
import { type Context, context, contextValue, type Root, root, rootValue } from './context.ts';
import {
  contextTable,
  DOMAINS,
  type Entry,
  entry,
  entryValue,
  indices,
  ROOT,
  table,
  watched,
} from './tables.ts';

export const LEVELS = [4, 3, 2, 1];
export const deviceIds = Object.values(devices);

export type Tables = {
  /** By domain, level and slot. */
  readonly entries: readonly Readonly<Record<number, readonly Entry[]>>[];
  readonly contexts: readonly Context[];
  readonly roots: readonly Root[];
};

const tablesOf = (
  entries: (level: number) => fc.Arbitrary<Entry>,
  contexts: fc.Arbitrary<Context>,
  roots: fc.Arbitrary<Root>,
): fc.Arbitrary<Tables> =>
  fc.record({
    entries: fc.array(
      fc.record(
        Object.fromEntries(
          LEVELS.map((level) => [level, fc.tuple(...indices[level].map(() => entries(level)))]),
        ) as Record<number, fc.Arbitrary<Entry[]>>,
      ),
      { minLength: DOMAINS, maxLength: DOMAINS },
    ),
    contexts: fc.tuple(...deviceIds.map(() => contexts)),
    roots: fc.tuple(roots, roots),
  });

/** Tables in which anything may be wrong. */
export const tables = (usualWidth: number): fc.Arbitrary<Tables> =>
  tablesOf(entry, context(usualWidth), root);

/** Tables in which everything leads to data. */
export const soundTables = (usualWidth: number): fc.Arbitrary<Tables> =>
  tablesOf(soundEntry, soundContext(usualWidth), fc.constant(soundRoot));

export const soundEntry = (level: number): fc.Arbitrary<Entry> =>
  fc.record({
    kind: fc.oneof(
      { weight: level === 4 ? 9 : 4, arbitrary: fc.constant<Entry['kind']>(level === 1 ? 'page' : 'table') },
      { weight: 1, arbitrary: fc.constant<Entry['kind']>(level === 4 ? 'table' : 'page') },
    ),
    page: fc.integer({ min: 0, max: 3 }),
    access: fc.constant(3),
    bits: fc.constant([]),
  });

export const soundContext = (usualWidth: number): fc.Arbitrary<Context> =>
  fc.record({
    present: fc.constant(true),
    fpd: fc.constant(false),
    type: fc.constant(0),
    width: fc.constant(usualWidth),
    domain: fc.integer({ min: 0, max: DOMAINS - 1 }),
    root: fc.constant('own'),
    bits: fc.constant([]),
  });

const soundRoot: Root = { present: true, at: 'own', bits: [] };

export const dataBlocks: readonly MemoryBlock[] = watched.map((address, index) => ({
  address,
  qwords: [0x0123_4567_89ab_cdefn * BigInt(index + 1)].map((qword) => qword & 0xffff_ffff_ffff_ffffn),
}));

/** All tables, and something in the data pages that can be inverted. */
export function memoryOf({ entries, contexts, roots }: Tables): MemoryBlock[] {
  const slots = entries.flatMap((levels, domain) =>
    LEVELS.flatMap((level) =>
      levels[level].map((found, slot) => ({
        address: table(domain, level) + 8 * indices[level][slot],
        qwords: [entryValue(found, domain, level)],
      })),
    ),
  );
  return [
    ...roots.map((found, bus) => ({ address: ROOT + 16 * bus, qwords: rootValue(found, bus) })),
    ...contexts.map((found, index) => ({
      address: contextAddress(deviceIds[index]),
      qwords: contextValue(found),
    })),
    ...slots,
    ...dataBlocks,
  ];
}

export const contextAddress = (device: number): number => contextTable(device >> 8) + 16 * (device & 0xff);
