/**
 * Many tenants behind one unit: guests with four virtual functions each, all of which do DMA. What a DMA costs is held
 * against what the sizes of the caches alone explain.
 */

import { Random } from '../machine/random.ts';
import type { Values } from '../parameters/registry.ts';
import { highHalf, lowHalf } from '../vtd/bits.ts';
import { READ, WRITE } from '../vtd/formats/paging-entry.ts';
import { Counter } from '../vtd/performance/counters.ts';
import { sourceId } from '../vtd/source-id.ts';
import type { Experiment } from './experiment.ts';
import { Host } from './host.ts';

const FUNCTIONS_A_GUEST = 4;
/** Descriptor, buffer and completion, as for a packet of a network card. */
const PAGES_A_FUNCTION = 3;
const LEVELS = 4;
const PAGE = 4096;
/** Buses that hold the virtual functions: 256 each. */
const FIRST_BUS = 0x10;
const WARM_UP = 20_000;
const REQUESTS = 60_000;

export type TenantsResult = {
  /** Memory reads of the unit for each DMA. */
  readonly reads: number;
  /** Shares of look-ups that found something. */
  readonly iotlbHits: number;
  readonly contextHits: number;
};

/**
 * Guests whose functions ask for any of their pages, all equally often.
 *
 * @returns their host, and what makes one request
 */
export function newTenants(values: Values, functions: number) {
  const sourceIds = Array.from({ length: functions }, (_, i) => sourceId(FIRST_BUS, 0, 0) + i);
  const host = new Host({
    boot: 'intel_iommu=on,sm_off iommu=pt',
    values,
    functions: sourceIds.map((id) => ({ sourceId: id, bridge: null, driver: null })),
  });
  const { kernel } = host;
  for (let first = 0; first < functions; first += FUNCTIONS_A_GUEST) {
    const mine = sourceIds.slice(first, first + FUNCTIONS_A_GUEST);
    for (const id of mine) kernel.claim(id);
    const domain = kernel.attachUnmanaged(mine[0], 1);
    for (const id of mine.slice(1)) kernel.attachUnmanaged(id, 1, domain);
    const memory = Array.from({ length: mine.length * PAGES_A_FUNCTION }, () => ({
      physical: kernel.dataFrames.allocate(),
      bytes: PAGE,
    }));
    kernel.mapForOwner(domain, 0, memory);
  }
  const random = new Random(1, `tenants ${functions}`);
  const { translator } = host.unit;
  const request = (): void => {
    const which = random.below(functions);
    const page = (which % FUNCTIONS_A_GUEST) * PAGES_A_FUNCTION + random.below(PAGES_A_FUNCTION);
    translator.translate(sourceIds[which], highHalf(page * PAGE), lowHalf(page * PAGE), READ | WRITE);
  };
  return { host, request };
}

function run(values: Values, functions: number): TenantsResult {
  const { host, request } = newTenants(values, functions);
  const { counts } = host.unit.translator;
  for (let i = 0; i < WARM_UP; i++) request();
  const before = counts.slice();
  for (let i = 0; i < REQUESTS; i++) request();
  const of = (name: keyof typeof Counter) => counts[Counter[name]] - before[Counter[name]];
  return {
    reads: of('iommu_mrds') / REQUESTS,
    iotlbHits: of('iotlb_hit') / of('iotlb_lookup'),
    contextHits: of('ctxt_cache_hit') / of('ctxt_cache_lookup'),
  };
}

/**
 * What the capacities explain: of things asked for equally often a cache finds as large a share as it holds. A walk that
 * finds its level-2 entry reads once; the caches above hold fewer, and what is not in the largest is in none of them.
 */
function explained(values: Values, functions: number): number {
  const found = (entries: number, things: number) => Math.min(1, entries / things);
  const guests = Math.ceil(functions / FUNCTIONS_A_GUEST);
  const context = found(values['contextCache.entries'], functions);
  const iotlb = found(values['iotlb.entries'], functions * PAGES_A_FUNCTION);
  const table = found(values['pagingCache.l3.entries'], guests);
  return 2 * (1 - context) + (1 - iotlb) * (table + (1 - table) * LEVELS);
}

const counts = [4, 16, 64, 256, 1024, 4096] as const;

export const tenants: Experiment = {
  id: 'tenants',
  title: 'A thousand guests: what a DMA costs against the number of functions',
  kind: 'gate',
  boot: 'intel_iommu=on,sm_off iommu=pt',
  setup:
    'up to 1,024 guests with four virtual functions each behind one unit; every function asks for its three pages at random',
  note: 'Nothing published is compared: what is simulated is held against what the capacities of the caches explain.',
  xName: 'functions',
  xUnit: 'functions',
  xRange: [1, 4096],
  xStep: 1,
  cases: [
    {
      preset: null,
      // A domain for each guest, and two that Linux keeps for itself. In sets, small guests would meet in few of them.
      overrides: { 'cap.ND': 6, 'iotlb.ways': 'full' },
      series: [
        { name: 'memory reads', unit: 'per DMA' },
        { name: 'explained by the caches', unit: 'per DMA' },
        { name: 'IOTLB hits', unit: '%' },
        { name: 'context cache hits', unit: '%' },
      ],
      xs: counts,
      measure(functions, values) {
        const { reads, iotlbHits, contextHits } = run(values, functions);
        return [reads, explained(values, functions), 100 * iotlbHits, 100 * contextHits];
      },
    },
  ],
  judge(found) {
    const rows = counts.map((x) => [found('memory reads', x), found('explained by the caches', x)] as const);
    const [largest] = rows.toReversed();
    return [
      {
        name: 'cost of a DMA',
        expected: 'within 8 % and 0.1 reads of what the capacities of the caches explain',
        found: rows.map(([reads, explains]) => `${reads.toFixed(2)} (${explains.toFixed(2)})`).join(', '),
        pass: rows.every(([reads, explains]) => Math.abs(reads - explains) <= 0.08 * explains + 0.1),
      },
      {
        name: 'with 4,096 functions',
        expected: 'no more than root, context and four levels: 6 reads',
        found: largest[0].toFixed(2),
        pass: largest[0] <= 2 + LEVELS,
      },
    ];
  },
};
