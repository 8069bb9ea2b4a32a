/**
 * How a device's domain is told to the unit, and what has to be invalidated when it changes. Legacy and scalable mode
 * have different tables for that, and different ways to invalidate.
 */
import type { PhysicalMemory } from '../../vtd/memory.ts';
import type { Domain, NestedDomain, PagingDomain } from '../domains/domain.ts';

/** Whoever carries out the invalidations of a domain. */
export type Invalidates = {
  readonly mode: Pick<TranslationMode, 'flushDomain' | 'flushPages'>;
  /** Pages that were not present were mapped: cache_tag_flush_range_np. */
  mapped(domain: PagingDomain, iova: number, pages: number): void;
};

/** Devices go by all source ids that their DMA may come with, their own first. */
export type TranslationMode = {
  /** RTADDR.TTM. */
  readonly tableMode: number;
  /** Drop whatever the unit cached under an earlier root table. */
  invalidateEverything(): void;
  /** Drop whatever the unit cached of a device's entries, and of a domain: domain_context_clear_one, and its like. */
  invalidateDevice(sourceId: number, did: number): void;
  /** A device was found: what every device has, before it has a domain. */
  probe(ids: readonly number[]): void;
  /** A device without a domain goes, with what every device has. */
  remove(ids: readonly number[]): void;
  /** Give a device a domain; it must have none. */
  attach(ids: readonly number[], domain: Domain): void;
  /** Take a device's domain away: clear the entry, then drop what the caches know of it. */
  detach(ids: readonly number[], domain: Domain): void;
  /** Invalidate all that the unit caches of a domain, and wait. */
  flushDomain(domain: PagingDomain | NestedDomain): void;
  /**
   * Invalidate a range of a domain, and wait.
   *
   * @param leafOnly no table was freed, so that the paging-structure caches may stay
   */
  flushPages(domain: PagingDomain | NestedDomain, iova: number, pages: number, leafOnly: boolean): void;
  /** Invalidate what the unit cached as not present of a second stage; devices keep no such translations. */
  flushAbsent(domain: PagingDomain, iova: number, pages: number): void;
};

/** Write a table entry, its half with the present bit last, so that the unit never sees half an entry. */
export function writePresentLast(memory: PhysicalMemory, at: number, words: Int32Array): void {
  memory.writeWords(at + 8, words.subarray(2));
  memory.writeWords(at, words.subarray(0, 2));
}
