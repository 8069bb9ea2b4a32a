/** Counting events under the names of `vtd/performance/counters.ts`. */
import type { DeviceCounts } from '../../simulation/snapshot.ts';
import { Fault, isInterruptFault } from '../../vtd/faults/fault-reason.ts';
import type { InvalidationCounts } from '../../vtd/invalidation/invalidator.ts';
import type { CounterName } from '../../vtd/performance/counters.ts';
import type { TraceEvent } from './event.ts';

export class Tally {
  translations = 0;
  /** Requests that passed through, before QEMU led their device around the unit. */
  passed = 0;
  faults = 0;
  contextHits = 0;
  contextFills = 0;
  /** Faults found in the root or the context table, or in what they say. */
  contextFaults = 0;
  pageHits = 0;
  pageWalks = 0;
  /** Faults found after the IOTLB was asked. */
  pageFaults = 0;
  records = 0;
  interruptRequests = 0;
  readonly invalidations: InvalidationCounts = {
    context: 0,
    iotlb_page: 0,
    iotlb_domain: 0,
    iotlb_global: 0,
    interrupt_entry: 0,
    device_tlb: 0,
    pasid_cache: 0,
    pasid_iotlb_page: 0,
    pasid_iotlb_all: 0,
    wait: 0,
  };

  add(event: TraceEvent): void {
    switch (event.kind) {
      case 'translation':
        this.translations++;
        break;
      case 'passed':
        this.passed++;
        break;
      case 'context':
        if (event.hit) this.contextHits++;
        else this.contextFills++;
        break;
      case 'lookup':
        if (event.hit) this.pageHits++;
        else this.pageWalks++;
        break;
      case 'fault':
        this.faults++;
        if (isContextFault(event.reason)) this.contextFaults++;
        if (isPageFault(event.reason)) this.pageFaults++;
        break;
      case 'record':
        if (!isInterruptFault(recordReason(event.high))) this.records++;
        break;
      case 'interrupt request':
        this.interruptRequests++;
        break;
      case 'invalidation':
        this.invalidations[event.count]++;
    }
  }
}

/** The part of a tally that is kept for each device. A trace says nothing about the length of a request. */
export const deviceCounts = (tally: Tally): DeviceCounts => ({
  requests: tally.translations + tally.passed + tally.faults,
  bytes: 0,
  iotlb_lookup: tally.pageHits + tally.pageWalks + tally.pageFaults,
  iotlb_hit: tally.pageHits,
  page_walks: tally.pageWalks,
  faults: tally.faults,
  // The lines about interrupts do not say whose they are.
  interrupts: 0,
  interrupts_blocked: 0,
});

/**
 * The unit's counters; null what a trace cannot tell. Memory reads have no line. Neither have paging-structure
 * caches, of which QEMU has none. Interrupt requests are known only where their events were recorded, since
 * they are often left out: they are most of the lines.
 */
export function counters(tally: Tally): Readonly<Record<CounterName, number | null>> {
  const { requests, iotlb_lookup, iotlb_hit, page_walks, faults } = deviceCounts(tally);
  return {
    iommu_requests: requests,
    ctxt_cache_lookup: tally.contextHits + tally.contextFills + tally.contextFaults,
    ctxt_cache_hit: tally.contextHits,
    pasid_cache_lookup: null,
    pasid_cache_hit: null,
    iotlb_lookup,
    iotlb_hit,
    fs_nonleaf_lookup: null,
    fs_nonleaf_hit: null,
    ss_nonleaf_lookup: null,
    ss_nonleaf_hit: null,
    iommu_mrds: null,
    page_walks,
    faults,
    faults_recorded: tally.records,
    interrupt_requests: tally.interruptRequests === 0 ? null : tally.interruptRequests,
    interrupts_blocked: null,
    interrupts_posted: null,
    int_cache_lookup: null,
    int_cache_hit_nonposted: null,
    int_cache_hit_posted: null,
    translation_requests: null,
    translated_requests: null,
    ats_blocked: null,
    pg_req_posted: null,
    protected_blocked: null,
  };
}

/** The reason in the upper 64 bits of a fault record. */
export const recordReason = (high: string): number => Number((BigInt(high) >> 32n) & 0xffn);

const contextFaults: readonly number[] = [
  Fault.ROOT_NOT_PRESENT,
  Fault.CONTEXT_NOT_PRESENT,
  Fault.CONTEXT_INVALID,
  Fault.ROOT_READ_ERROR,
  Fault.CONTEXT_READ_ERROR,
  Fault.ROOT_RESERVED,
  Fault.CONTEXT_RESERVED,
];

/** In scalable mode 0x38 to 0x5d: root, context and PASID tables. */
const isContextFault = (reason: number): boolean =>
  contextFaults.includes(reason) || (reason >= 0x38 && reason < 0x60);

const pageFaults: readonly number[] = [
  Fault.NO_WRITE,
  Fault.NO_READ,
  Fault.PAGING_READ_ERROR,
  Fault.PAGING_RESERVED,
  Fault.INTERRUPT_RANGE,
];

/** In scalable mode from 0x70: entries of both stages, and what they permit. */
const isPageFault = (reason: number): boolean => pageFaults.includes(reason) || reason >= 0x70;
