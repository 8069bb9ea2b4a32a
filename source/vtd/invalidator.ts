/** Carries out invalidations, from the queue or from registers, and says what was done. */
import { Granularity } from './invalidation-descriptor.ts';
import type { Translator } from './translator.ts';

export type Invalidation = {
  readonly kind: 'context' | 'iotlb' | 'interrupt entry' | 'wait';
  readonly granularity: 'global' | 'domain' | 'device' | 'page' | 'index' | null;
  readonly did: number | null;
  readonly sourceId: number | null;
  /** First page address and number of pages of a page-selective invalidation. */
  readonly address: number | null;
  readonly pages: number;
  /** IOTLB entries that went. */
  readonly dropped: number;
};

export type InvalidationCounts = {
  context: number;
  iotlb_page: number;
  iotlb_domain: number;
  iotlb_global: number;
  interrupt_entry: number;
  wait: number;
};

/** Source-id bits that a function mask leaves out of the comparison: chapter 6.5.2.1. */
const IGNORED_BY_FUNCTION_MASK = [0b000, 0b100, 0b110, 0b111];

const none = { granularity: null, did: null, sourceId: null, address: null, pages: 0, dropped: 0 } as const;

export class Invalidator {
  readonly counts: InvalidationCounts = {
    context: 0,
    iotlb_page: 0,
    iotlb_domain: 0,
    iotlb_global: 0,
    interrupt_entry: 0,
    wait: 0,
  };
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
      contextCache.dropDomain(did);
      this.tell({ ...none, kind: 'context', granularity: 'domain', did });
    } else {
      contextCache.dropDevice(sourceId, IGNORED_BY_FUNCTION_MASK[functionMask]);
      this.tell({ ...none, kind: 'context', granularity: 'device', did, sourceId });
    }
  }

  /** IOTLB invalidation of everything. */
  iotlbGlobal(): void {
    const { iotlb, pagingCache } = this.translator;
    const dropped = this.observer === null ? 0 : iotlb.store.count();
    this.counts.iotlb_global++;
    iotlb.clear();
    pagingCache.clear();
    this.tell({ ...none, kind: 'iotlb', granularity: 'global', dropped });
  }

  /** IOTLB invalidation of all entries of a domain. */
  iotlbDomain(did: number): void {
    this.counts.iotlb_domain++;
    const dropped = this.translator.iotlb.dropDomain(did);
    this.translator.pagingCache.dropDomain(did);
    this.tell({ ...none, kind: 'iotlb', granularity: 'domain', did, dropped });
  }

  /**
   * IOTLB invalidation of 2^mask pages of a domain, aligned to their number.
   *
   * @param leafOnly the hint IH: the paging-structure caches may stay
   */
  iotlbPages(did: number, hi: number, lo: number, mask: number, leafOnly: boolean): void {
    this.counts.iotlb_page++;
    const dropped = this.translator.iotlb.dropPages(did, hi, lo, mask);
    if (!leafOnly) this.translator.pagingCache.dropPages(did, hi, lo, mask);
    const address = (hi >>> 0) * 2 ** 32 + (lo >>> 0);
    this.tell({ ...none, kind: 'iotlb', granularity: 'page', did, address, pages: 2 ** mask, dropped });
  }

  /** The interrupt-entry cache is not modelled: interrupts are delivered without look-up. Counted only. */
  interruptEntries(selective: boolean): void {
    this.counts.interrupt_entry++;
    this.tell({ ...none, kind: 'interrupt entry', granularity: selective ? 'index' : 'global' });
  }

  wait(): void {
    this.counts.wait++;
    this.tell({ ...none, kind: 'wait' });
  }

  private tell(done: Invalidation): void {
    this.observer?.(done);
  }
}
