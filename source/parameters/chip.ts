/** The remapping unit: its caches and how long they take. */
import { type CacheShape, defaultCaches } from '../vtd/translation/translator.ts';
import { choice, count, figure, type ValuesOf } from './declaration.ts';

const unpublished = 'not published by Intel; our choice';
const fastAndSafe = 'Rubin et al., "Fast & Safe IO Memory Protection", SOSP 2024, a hypothesis there';
const { iotlb, pagingCache, contextCacheEntries, pasidCache, interruptCacheEntries } = defaultCaches;

/** Associativities; a cache has a power of two of sets. */
const WAYS = ['full', '1', '2', '4', '8', '16', '32', '64'] as const;

export const chipParameters = {
  'iotlb.entries': count('entries', {
    meaning: 'translations the IOTLB holds, of all page sizes',
    default: iotlb.sets * iotlb.ways,
    most: 65_536,
    source: 'Intel publishes none; 64 by SIGCOMM 2018, 117 to 128 by the latencies of the same data: presets',
  }),
  'iotlb.ways': choice(WAYS, {
    meaning: 'places of a set of the IOTLB; full is one set',
    default: '8',
    source: unpublished,
  }),
  'iotlb.replacement': choice(['lru', 'fifo', 'random'], {
    meaning: 'which entry of a full set goes: least recently used, longest there, any',
    default: 'lru',
    source: `${unpublished}; uniform random access cannot tell them apart`,
  }),
  'iotlb.hitNs': figure('ns', {
    meaning: 'a look-up in the IOTLB',
    default: 2,
    most: 1e6,
    source: 'HyperSIO, ISCA 2020',
  }),
  'pagingCache.l1.entries': count('entries', {
    meaning: 'PTcache-L1: level-4 entries, 512 GiB each, of each stage',
    default: pagingCache[4],
    least: 0,
    most: 65_536,
    source: fastAndSafe,
  }),
  'pagingCache.l2.entries': count('entries', {
    meaning: 'PTcache-L2: level-3 entries, 1 GiB each, of each stage',
    default: pagingCache[3],
    least: 0,
    most: 65_536,
    source: fastAndSafe,
  }),
  'pagingCache.l3.entries': count('entries', {
    meaning: 'PTcache-L3: level-2 entries, 2 MiB each, of each stage',
    default: pagingCache[2],
    least: 0,
    most: 65_536,
    source: `${fastAndSafe}: 64 or 128`,
  }),
  'pagingCache.level5.entries': count('entries', {
    meaning: 'cached level-5 entries of five-level tables, 256 TiB each, of each stage',
    default: pagingCache[5],
    least: 0,
    most: 65_536,
    source: unpublished,
  }),
  'contextCache.entries': count('entries', {
    meaning: 'context entries cached',
    default: contextCacheEntries,
    most: 32_767,
    source: `${unpublished}; HyperSIO has 1536`,
  }),
  'pasidCache.entries': count('entries', {
    meaning: 'PASID table entries cached, 4 ways',
    default: pasidCache.sets * pasidCache.ways,
    least: 4,
    most: 65_536,
    source: unpublished,
  }),
  'interruptCache.entries': count('entries', {
    meaning: 'interrupt-remapping entries cached',
    default: interruptCacheEntries,
    most: 65_536,
    source: unpublished,
  }),
} as const;

/** The caches of the unit. Throws a RangeError where a cache would not have a power of two of sets. */
export function cachesOf(values: ValuesOf<typeof chipParameters>): CacheShape {
  const entries = values['iotlb.entries'];
  const ways = values['iotlb.ways'] === 'full' ? entries : Number(values['iotlb.ways']);
  return {
    iotlb: {
      sets: setsOf('iotlb', entries, ways, 'or iotlb.ways=full'),
      ways,
      replacement: values['iotlb.replacement'],
    },
    pagingCache: {
      5: values['pagingCache.level5.entries'],
      4: values['pagingCache.l1.entries'],
      3: values['pagingCache.l2.entries'],
      2: values['pagingCache.l3.entries'],
    },
    contextCacheEntries: values['contextCache.entries'],
    pasidCache: {
      sets: setsOf('pasidCache', values['pasidCache.entries'], pasidCache.ways, ''),
      ways: pasidCache.ways,
    },
    interruptCacheEntries: values['interruptCache.entries'],
  };
}

function setsOf(cache: string, entries: number, ways: number, otherwise: string): number {
  const sets = entries / ways;
  if (sets >= 1 && Number.isInteger(Math.log2(sets))) return sets;
  const sizes = [0, 1, 2, 3, 4].map((power) => ways * 2 ** power).join(', ');
  throw new RangeError(
    `${cache}.entries=${entries} with ${ways} ways: expected a power of two of sets, so ${sizes}, … entries` +
      (otherwise === '' ? '' : `, ${otherwise}`),
  );
}
