/** Carries out invalidations, from the queue or from registers, and says what was done. */

import type { InvalidateMessage } from '../ats/endpoint-link.ts';
import { join } from '../bits.ts';
import { Granularity } from '../formats/invalidation-descriptor.ts';
import { CANONICAL_HI } from '../translation/first-stage-walker.ts';
import type { Translator } from '../translation/translator.ts';

export type Invalidation = {
  readonly kind:
    | 'context'
    | 'pasid cache'
    | 'iotlb'
    | 'pasid iotlb'
    | 'interrupt entry'
    | 'device tlb'
    | 'wait';
  readonly granularity: 'global' | 'domain' | 'device' | 'pasid' | 'page' | 'index' | null;
  readonly did: number | null;
  readonly pasid: number | null;
  readonly sourceId: number | null;
  /** First page address and number of pages of a page-selective invalidation. */
  readonly address: number | null;
  readonly pages: number;
  /** First entry of an index-selective invalidation of the interrupt-entry cache. */
  readonly index: number | null;
  /** Entries that went from the IOTLB or the interrupt-entry cache. */
  readonly dropped: number;
};

export type InvalidationCounts = {
  context: number;
  pasid_cache: number;
  iotlb_page: number;
  iotlb_domain: number;
  iotlb_global: number;
  pasid_iotlb_page: number;
  pasid_iotlb_all: number;
  interrupt_entry: number;
  device_tlb: number;
  wait: number;
};

/** Source-id bits that a function mask leaves out of the comparison: chapter 6.5.2.1. */
const IGNORED_BY_FUNCTION_MASK = [0b000, 0b100, 0b110, 0b111];

const none = {
  granularity: null,
  did: null,
  pasid: null,
  sourceId: null,
  address: null,
  pages: 0,
  index: null,
  dropped: 0,
} as const;

export class Invalidator {
  readonly counts: InvalidationCounts = {
    context: 0,
    pasid_cache: 0,
    iotlb_page: 0,
    iotlb_domain: 0,
    iotlb_global: 0,
    pasid_iotlb_page: 0,
    pasid_iotlb_all: 0,
    interrupt_entry: 0,
    device_tlb: 0,
    wait: 0,
  };
  /** Invalidations of any kind so far, waits included. */
  carriedOut = 0;
  /** Told of every invalidation, after it is done. */
  observer: ((done: Invalidation) => void) | null = null;
  private readonly translator: Translator;

  constructor(translator: Translator) {
    this.translator = translator;
  }

  /** Context-cache invalidation by granularity 1 global, 2 domain, 3 device. */
  context(granularity: number, did: number, sourceId: number, functionMask: number): void {
    const { contextCache } = this.translator;
    this.counts.context++;
    if (granularity === Granularity.GLOBAL) {
      contextCache.clear();
      this.tell({ ...none, kind: 'context', granularity: 'global' });
    } else if (granularity === Granularity.DOMAIN) {
      // A scalable context entry has no domain.
      if (!this.translator.isScalable) contextCache.dropDomain(did);
      else if (this.translator.uncertain.contextDomainIsGlobal) contextCache.clear();
      this.tell({ ...none, kind: 'context', granularity: 'domain', did });
    } else {
      contextCache.dropDevice(sourceId, IGNORED_BY_FUNCTION_MASK[functionMask]);
      this.tell({ ...none, kind: 'context', granularity: 'device', did, sourceId });
    }
  }

  /** IOTLB invalidation of everything. */
  iotlbGlobal(): void {
    const { iotlb, pagingCache, firstStageCache } = this.translator;
    const dropped = this.observer === null ? 0 : iotlb.store.count();
    this.counts.iotlb_global++;
    iotlb.clear();
    pagingCache.clear();
    firstStageCache.clear();
    this.tell({ ...none, kind: 'iotlb', granularity: 'global', dropped });
  }

  /** IOTLB invalidation of all entries of a domain. */
  iotlbDomain(did: number): void {
    this.counts.iotlb_domain++;
    const { iotlb, pagingCache, firstStageCache, uncertain } = this.translator;
    const everything = uncertain.iotlbDomainDropsPasids;
    const dropped = everything ? iotlb.dropDomain(did) : iotlb.dropSecondStage(did);
    pagingCache.dropDomain(did);
    if (everything) firstStageCache.dropDomain(did);
    this.tell({ ...none, kind: 'iotlb', granularity: 'domain', did, dropped });
  }

  /**
   * IOTLB invalidation of 2^mask pages of a domain, aligned to their number.
   *
   * @param leafOnly the hint IH: the paging-structure caches may stay
   */
  iotlbPages(did: number, hi: number, lo: number, mask: number, leafOnly: boolean): void {
    this.counts.iotlb_page++;
    let dropped = this.translator.iotlb.dropPages(did, hi, lo, mask);
    // The range is one of the second stage. An entry tagged by PASID does not know which of its pages it went through.
    const dropsPasids = this.translator.isScalable && this.translator.uncertain.iotlbPageDropsPasids;
    if (dropsPasids) dropped += this.translator.iotlb.dropPasids(did);
    if (!leafOnly) this.translator.pagingCache.dropPages(did, hi, lo, mask);
    if (!leafOnly && dropsPasids) this.translator.firstStageCache.dropDomain(did);
    const address = (hi >>> 0) * 2 ** 32 + (lo >>> 0);
    this.tell({ ...none, kind: 'iotlb', granularity: 'page', did, address, pages: 2 ** mask, dropped });
  }

  /** PASID-cache invalidation of everything. */
  pasidCacheGlobal(): void {
    this.counts.pasid_cache++;
    this.translator.pasidCache.clear();
    this.tell({ ...none, kind: 'pasid cache', granularity: 'global' });
  }

  /** PASID-cache invalidation of the entries of a domain. */
  pasidCacheDomain(did: number): void {
    this.counts.pasid_cache++;
    this.translator.pasidCache.dropDomain(did);
    this.tell({ ...none, kind: 'pasid cache', granularity: 'domain', did });
  }

  /** PASID-cache invalidation of the entries of a PASID in a domain. */
  pasidCachePasid(did: number, pasid: number): void {
    this.counts.pasid_cache++;
    this.translator.pasidCache.dropPasid(did, pasid, this.translator.uncertain.absentPasidInEveryDomain);
    this.tell({ ...none, kind: 'pasid cache', granularity: 'pasid', did, pasid });
  }

  /** IOTLB invalidation of all first-stage and nested entries of a PASID. */
  pasidIotlbAll(did: number, pasid: number): void {
    this.counts.pasid_iotlb_all++;
    const dropped = this.translator.iotlb.dropPasid(did, pasid);
    this.translator.firstStageCache.dropPasid(did, pasid);
    this.tell({ ...none, kind: 'pasid iotlb', granularity: 'pasid', did, pasid, dropped });
  }

  /** IOTLB invalidation of 2^mask pages of a PASID, as iotlbPages does for second stage. */
  pasidIotlbPages(did: number, pasid: number, hi: number, lo: number, mask: number, leafOnly: boolean): void {
    this.counts.pasid_iotlb_page++;
    const tagHi = hi & CANONICAL_HI;
    const dropped = this.translator.iotlb.dropPages(did, tagHi, lo, mask, pasid);
    if (!leafOnly) this.translator.firstStageCache.dropPages(did, tagHi, lo, mask, pasid);
    const address = (hi >>> 0) * 2 ** 32 + (lo >>> 0);
    const pages = 2 ** mask;
    this.tell({ ...none, kind: 'pasid iotlb', granularity: 'page', did, pasid, address, pages, dropped });
  }

  /** Interrupt-entry-cache invalidation of everything. */
  interruptEntriesGlobal(): void {
    const { interruptCache } = this.translator;
    const dropped = this.observer === null ? 0 : interruptCache.store.count();
    this.counts.interrupt_entry++;
    interruptCache.clear();
    this.tell({ ...none, kind: 'interrupt entry', granularity: 'global', dropped });
  }

  /** Interrupt-entry-cache invalidation of 2^mask entries, aligned to their number. */
  interruptEntries(index: number, mask: number): void {
    this.counts.interrupt_entry++;
    const dropped = this.translator.interruptCache.drop(index, mask);
    this.tell({ ...none, kind: 'interrupt entry', granularity: 'index', index, dropped });
  }

  /** A device answered that it dropped a range from its TLB. */
  deviceTlb({ sourceId, pasid, isGlobal, hi, lo, sizeBits }: InvalidateMessage): void {
    this.counts.device_tlb++;
    const isAll = sizeBits > 63;
    this.tell({
      ...none,
      kind: 'device tlb',
      granularity: isAll ? 'global' : 'page',
      pasid: pasid < 0 || isGlobal ? null : pasid,
      sourceId,
      address: isAll ? null : pageOf(hi, lo, sizeBits),
      pages: 2 ** (sizeBits - 12),
    });
  }

  wait(): void {
    this.counts.wait++;
    this.tell({ ...none, kind: 'wait' });
  }

  private tell(done: Invalidation): void {
    this.carriedOut++;
    this.observer?.(done);
  }
}

/** The first address of a range of which an address was given, as a number. */
function pageOf(hi: number, lo: number, sizeBits: number): number {
  const bytes = 2 ** sizeBits;
  return Math.floor(join(hi, lo & ~0xfff) / bytes) * bytes;
}
