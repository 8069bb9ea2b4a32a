/** What a line of a trace says, as data. Addresses are strings, `0x…`, as QEMU prints them. */
import type { InvalidationCounts } from '../../vtd/invalidation/invalidator.ts';
import type { Phase } from './phase.ts';

export type TraceEvent =
  /** A context entry was found in the context cache, or read from memory and put there. */
  | {
      readonly kind: 'context';
      readonly sourceId: number;
      readonly hit: boolean;
      readonly high: string;
      readonly low: string;
    }
  /** A page was found in the IOTLB, or walked to and put there. */
  | {
      readonly kind: 'lookup';
      readonly sourceId: number;
      readonly hit: boolean;
      readonly iova: string;
      /** The leaf entry: output address and permissions. */
      readonly entry: string;
      readonly did: number;
    }
  /** A request was translated. Page addresses; `mask` is the page size minus 1. */
  | {
      readonly kind: 'translation';
      readonly sourceId: number;
      readonly iova: string;
      readonly output: string;
      readonly mask: string;
    }
  /** A request passed through, before QEMU took the device out of the unit's way. */
  | { readonly kind: 'passed'; readonly sourceId: number; readonly iova: string }
  | {
      readonly kind: 'fault';
      readonly sourceId: number;
      readonly reason: number;
      readonly address: string;
      readonly write: boolean;
    }
  /** A fault recording register was filled. */
  | { readonly kind: 'record'; readonly index: number; readonly high: string; readonly low: string }
  /** FSTS.PPF changed. */
  | { readonly kind: 'pending'; readonly pending: boolean }
  /** QEMU leads the DMA of a device through the unit, or around it. */
  | { readonly kind: 'address space'; readonly sourceId: number; readonly remapped: boolean }
  | { readonly kind: 'not present'; readonly sourceId: number }
  | {
      readonly kind: 'invalidation';
      readonly count: keyof InvalidationCounts;
      readonly granularity: 'global' | 'domain' | 'device' | 'page' | 'index' | null;
      readonly did: number | null;
      readonly sourceId: number | null;
      readonly address: string | null;
      /** How many of the lowest bits of the page number do not count; null where no pages are named. */
      readonly mask: number | null;
    }
  /** A write to GCMD, with GSTS before it. */
  | { readonly kind: 'command'; readonly status: number; readonly value: number }
  | { readonly kind: 'enable'; readonly on: boolean }
  | { readonly kind: 'root'; readonly address: string; readonly scalable: boolean }
  | {
      readonly kind: 'register';
      readonly write: boolean;
      readonly offset: number;
      /** Null for a read: the trace does not say what came. */
      readonly value: string | null;
    }
  /** The unit sent an interrupt of its own. */
  | { readonly kind: 'unit interrupt' }
  /** An interrupt of a device reached the unit. */
  | { readonly kind: 'interrupt request' }
  /** A comment: the recorded script entered a phase. */
  | { readonly kind: 'phase'; readonly phase: Phase };

/** An event with its place in the file, and its time after the first event. */
export type Entry = { readonly line: number; readonly timeNs: number; readonly event: TraceEvent };
