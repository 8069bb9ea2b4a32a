/**
 * The events that performance monitoring can count, by the names, groups and codes of Linux's
 * `drivers/iommu/intel/perfmon.c`. VT-d specification, chapter 11.4.13; its registers are known from Linux alone.
 *
 * An event that this chip counts has the name of its counter (`counters.ts`). The others are not advertised: a unit
 * here has no clock, and no table of host permissions.
 */
import { Counter, type CounterName, counterMeanings } from './counters.ts';

export type PerformanceEvent = {
  readonly name: string;
  readonly group: number;
  /** A bit of the event select. */
  readonly code: number;
  /** What is counted, or null where the unit does not advertise the event. */
  readonly counter: CounterName | null;
};

const isCounter = (name: string): name is CounterName => Object.hasOwn(counterMeanings, name);

const group = (number: number, codes: Readonly<Record<string, number>>): PerformanceEvent[] =>
  Object.entries(codes).map(([name, code]) => ({
    name,
    group: number,
    code,
    counter: isCounter(name) ? name : null,
  }));

export const performanceEvents: readonly PerformanceEvent[] = [
  ...group(0, { iommu_clocks: 0x001, iommu_requests: 0x002, pw_occupancy: 0x004, ats_blocked: 0x008 }),
  ...group(1, { iommu_mrds: 0x001, iommu_mem_blocked: 0x020, pg_req_posted: 0x040 }),
  ...group(2, {
    ctxt_cache_lookup: 0x001,
    ctxt_cache_hit: 0x002,
    pasid_cache_lookup: 0x004,
    pasid_cache_hit: 0x008,
    ss_nonleaf_lookup: 0x010,
    ss_nonleaf_hit: 0x020,
    fs_nonleaf_lookup: 0x040,
    fs_nonleaf_hit: 0x080,
    hpt_nonleaf_lookup: 0x100,
    hpt_nonleaf_hit: 0x200,
  }),
  ...group(3, { iotlb_lookup: 0x001, iotlb_hit: 0x002, hpt_leaf_lookup: 0x004, hpt_leaf_hit: 0x008 }),
  ...group(4, { int_cache_lookup: 0x001, int_cache_hit_nonposted: 0x002, int_cache_hit_posted: 0x004 }),
];

export const EVENT_GROUPS = 5;

/** The events of a group that the unit advertises, as bits. */
export const advertised = (number: number): number =>
  performanceEvents
    .filter((event) => event.group === number && event.counter !== null)
    .reduce((bits, { code }) => bits | code, 0);

/** The places in a row of counts that an event select adds up; what is not advertised counts nothing. */
export const countersOf = (number: number, select: number): readonly number[] =>
  performanceEvents.flatMap((event) =>
    event.group === number && (event.code & select) !== 0 && event.counter !== null
      ? [Counter[event.counter]]
      : [],
  );
