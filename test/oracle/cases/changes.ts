/**
 * Changes of tables in use, each with an invalidation that covers it. Without one a unit may answer from its caches
 * or from the tables, so there would be nothing to compare; only what becomes present needs none.
 */
import fc from 'fast-check';
import { devices, type Step } from '../../../source/conformance/case-file.ts';
import { type Context, context, domainId, domainIdOf, type Root, root } from './context.ts';
import {
  contextDevice,
  contextDomain,
  contextGlobal,
  type Descriptor,
  iotlbDomain,
  iotlbGlobal,
  iotlbPages,
} from './descriptors.ts';
import { addressOf } from './requests.ts';
import { DOMAINS, type Entry, entry, indices } from './tables.ts';

/** How to invalidate: as little as covers the change, a domain, everything, and nothing where nothing is needed. */
type Reach = 'least' | 'domain' | 'all' | 'none';

export type Change =
  | {
      readonly what: 'entry';
      readonly domain: number;
      readonly level: number;
      /** Place in the list of the level's indices. */
      readonly slot: number;
      readonly entry: Entry;
      readonly reach: Reach;
      readonly queued: boolean;
      readonly hint: boolean;
      readonly wider: number;
    }
  | {
      readonly what: 'context';
      readonly device: number;
      readonly context: Context;
      readonly reach: Reach;
      readonly queued: boolean;
      readonly functionMask: number;
    }
  | { readonly what: 'root'; readonly bus: number; readonly root: Root; readonly queued: boolean };

const reach = fc.constantFrom<Reach>('least', 'domain', 'all', 'none');

const entryChange = (entries: (level: number) => fc.Arbitrary<Entry>) =>
  fc.constantFrom(1, 1, 2, 3, 4).chain((level) =>
    fc.record({
      what: fc.constant('entry' as const),
      domain: fc.integer({ min: 0, max: DOMAINS - 1 }),
      level: fc.constant(level),
      slot: fc.integer({ min: 0, max: indices[level].length - 1 }),
      entry: entries(level),
      reach,
      queued: fc.boolean(),
      hint: fc.boolean(),
      wider: fc.integer({ min: 0, max: 3 }),
    }),
  );

export const change = (
  usualWidth: number,
  entries = entry,
  contexts = context(usualWidth),
): fc.Arbitrary<Change> =>
  fc.oneof(
    { weight: 6, arbitrary: entryChange(entries) },
    {
      weight: 3,
      arbitrary: fc.record({
        what: fc.constant('context' as const),
        device: fc.constantFrom(...Object.values(devices)),
        context: contexts,
        reach,
        queued: fc.boolean(),
        functionMask: fc.integer({ min: 0, max: 3 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        what: fc.constant('root' as const),
        bus: fc.integer({ min: 0, max: 1 }),
        root,
        queued: fc.boolean(),
      }),
    },
  );

const LARGEST_MASK = 18;
const LAST_INDEX = 511;

/**
 * Everything that a changed entry of a table may have been cached for. Of a large page any address does.
 *
 * @param wasPage whether the entry mapped a page before
 */
export function entryInvalidations(
  found: Extract<Change, { what: 'entry' }>,
  wasPage: boolean,
  all: Reach,
): Descriptor[] {
  const { domain, level, slot, hint, wider } = found;
  const ids = [1, 2].map((width) => domainIdOf(domain, width));
  if (all === 'all') return [iotlbGlobal];
  if (all === 'domain' || level === 4) return ids.map(iotlbDomain);
  const inside = wasPage && level > 1 && hint;
  const mask = inside ? wider : Math.min(LARGEST_MASK, 9 * (level - 1) + wider);
  const below = [4, 3, 2, 1].map((at) =>
    at > level ? indices[at] : [at === level ? indices[level][slot] : inside ? LAST_INDEX : 0],
  );
  const paths = below.reduce<number[][]>(
    (sofar, choices) => sofar.flatMap((path) => choices.map((index) => [...path, index])),
    [[]],
  );
  return ids.flatMap((id) => paths.map((path) => iotlbPages(id, addressOf(path), mask, level === 1 && hint)));
}

/** Everything that a changed context entry may have been cached for, under its old domain. */
export function contextInvalidations(
  { device, functionMask }: Extract<Change, { what: 'context' }>,
  before: Context,
  all: Reach,
): Descriptor[] {
  const did = domainId(before);
  // A function mask leaves some function bits out of the comparison, whatever they are.
  const other = device | (functionMask === 3 ? 7 : functionMask === 2 ? 6 : functionMask === 1 ? 4 : 0);
  if (all === 'all') return [contextGlobal, iotlbGlobal];
  const first = all === 'domain' ? contextDomain(did) : contextDevice(did, other, functionMask);
  return [first, iotlbDomain(did)];
}

export const rootInvalidations: Descriptor[] = [contextGlobal, iotlbGlobal];

/** The same through registers, one command a descriptor. */
export function registerSteps([lo, hi]: Descriptor): Step[] {
  const did = Number((lo >> 16n) & 0xffffn);
  const granularity = (lo >> 4n) & 3n;
  if ((lo & 0xfn) === 1n) {
    const high = (1n << 63n) | (granularity << 61n) | (((lo >> 48n) & 3n) << 32n);
    const value = high | (((lo >> 32n) & 0xffffn) << 16n) | BigInt(did);
    return [{ op: 'reg', register: 'CCMD', value }];
  }
  const command = (1n << 63n) | (granularity << 60n) | (BigInt(did) << 32n);
  return [
    ...(granularity === 3n ? [{ op: 'reg', register: 'IVA', value: hi } as const] : []),
    { op: 'reg', register: 'IOTLB', value: command },
  ];
}
