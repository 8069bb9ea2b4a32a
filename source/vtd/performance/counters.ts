/**
 * What the unit counts: one table. Names are those of Linux's perf events (`drivers/iommu/intel/perfmon.c`)
 * where one exists. Every event is counted for the unit as a whole and for the requester, as the hardware's
 * requester filter does.
 */
export const counterMeanings = {
  iommu_requests: 'requests the unit looked at; none while translation is off',
  ctxt_cache_lookup: 'look-ups in the context cache, one a request',
  ctxt_cache_hit: 'of these, found',
  pasid_cache_lookup: 'look-ups in the PASID cache, one a request in scalable mode',
  pasid_cache_hit: 'of these, found',
  iotlb_lookup: 'look-ups in the IOTLB, one a translated request; a pass-through device makes none',
  iotlb_hit: 'of these, found with the access permitted',
  fs_nonleaf_lookup: 'first-stage walks that asked the paging-structure caches',
  fs_nonleaf_hit: 'of these, found at some level, so that upper levels were not read',
  ss_nonleaf_lookup: 'second-stage walks that asked the paging-structure caches',
  ss_nonleaf_hit: 'of these, found at some level, so that upper levels were not read',
  iommu_mrds: 'memory reads for entries of tables and for posted-interrupt descriptors',
  page_walks: 'walks of paging tables; a nested walk is one',
  faults: 'requests the unit refused',
  faults_recorded: 'of these, stored in a fault recording register',
  interrupt_requests: 'writes to 0xfeex_xxxx: interrupts, never DMA',
  interrupts_blocked: 'of these, refused',
  interrupts_posted: 'of these, noted in a posted-interrupt descriptor',
  int_cache_lookup: 'look-ups in the interrupt-entry cache, one a remappable interrupt',
  int_cache_hit_nonposted: 'of these, found, with the interrupt to be remapped',
  int_cache_hit_posted: 'of these, found, with the interrupt to be posted',
  translation_requests: 'requests of device TLBs for a translation',
  translated_requests: 'requests with an address that a device TLB gave',
  ats_blocked: 'of both, refused; a translation request that finds no page is answered, not refused',
  pg_req_posted: 'page requests put into the page request queue',
  protected_blocked: 'requests that a protected memory region stopped; no fault is recorded for them',
} as const;

export type CounterName = keyof typeof counterMeanings;

export const counterNames = Object.keys(counterMeanings) as CounterName[];

/** The place of each counter in a row of counts. */
export const Counter = Object.fromEntries(counterNames.map((name, index) => [name, index])) as Record<
  CounterName,
  number
>;

export const COUNTERS = counterNames.length;

/** One row of counts. Doubles: a long run passes 2^31, and the kind of a value must not change under way. */
export type Counts = Float64Array;

export const newCounts = (): Counts => new Float64Array(COUNTERS);

/** A row of counts as an object by name. */
export const namedCounts = (counts: Counts): Record<CounterName, number> =>
  Object.fromEntries(counterNames.map((name, index) => [name, counts[index]])) as Record<CounterName, number>;
