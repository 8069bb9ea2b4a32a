/**
 * A file of conformance cases as the runner sees it: tables in memory, steps of software and of devices, and
 * perhaps what should come of them. `docs/conformance.md` describes the file itself.
 */
import type { StepResult } from './results.ts';

/** The unit, in the words of QEMU's `intel-iommu` properties. */
export type UnitWords = {
  readonly awBits: 39 | 48;
  readonly scalableMode: boolean;
  readonly firstStage: boolean;
  readonly cachingMode: boolean;
  readonly passThrough: boolean;
};

export const transfers = ['fill', 'clear', 'invert', 'read'] as const;
export type Transfer = (typeof transfers)[number];

export const registerNames = [
  ...['VER', 'CAP', 'ECAP', 'GCMD', 'GSTS', 'RTADDR', 'CCMD', 'FSTS', 'FECTL'],
  ...['IQH', 'IQT', 'IQA', 'ICS', 'IVA', 'IOTLB', 'FRCDLO', 'FRCDHI'],
] as const;

export const invalidations = [
  ...['cc-global', 'cc-domain', 'cc-device', 'iotlb-global', 'iotlb-domain', 'iotlb-page'],
] as const;

/** The devices of a case, and their requester ids: two on bus 0 and one behind a bridge. */
export const devices: Readonly<Record<string, number>> = {
  '00:05.0': 0x0028,
  '00:06.0': 0x0030,
  '01:00.0': 0x0100,
};

export type Step =
  | { readonly op: 'enable' | 'clearFaults' | 'faults' }
  | {
      readonly op: 'dma';
      /** Requester id. */
      readonly device: number;
      readonly transfer: Transfer;
      readonly address: bigint;
      readonly length: number;
    }
  | { readonly op: 'poke'; readonly address: number; readonly qwords: readonly bigint[] }
  | { readonly op: 'peek'; readonly address: number }
  | { readonly op: 'reg'; readonly register: string; readonly value: bigint }
  | { readonly op: 'rdreg'; readonly register: string }
  | {
      readonly op: 'inv';
      readonly kind: string;
      readonly did: number;
      readonly device: number;
      readonly address: bigint;
      readonly mask: number;
    }
  | {
      readonly op: 'qi' | 'qi256';
      /** Two qwords a descriptor, or four. */
      readonly descriptors: readonly (readonly bigint[])[];
    };

export type MemoryBlock = { readonly address: number; readonly qwords: readonly bigint[] };

export type Case = {
  readonly name: string;
  /** Root tables of scalable mode: RTADDR.TTM is 01. */
  readonly scalable: boolean;
  readonly rtaddr: bigint;
  readonly mem: readonly MemoryBlock[];
  /** Addresses of the qwords shown after every DMA. */
  readonly watch: readonly number[];
  readonly steps: readonly Step[];
  /** What the steps should answer, or null where the file does not say. */
  readonly expect: readonly StepResult[] | null;
};

export type Group = { readonly name: string; readonly unit: UnitWords; readonly cases: readonly Case[] };

export type CaseFile = { readonly groups: readonly Group[] };

/** Memory ends here: 512 MiB. */
export const MEMORY_BYTES = 0x2000_0000;

/** What is zero when a case starts, first and last address: one part for tables, one for data. */
export const zeroedRanges = [
  { first: 0x10_0000, last: 0x1f_ffff },
  { first: 0x80_0000, last: 0x8f_ffff },
] as const;

/** Where `qi` and `qi256` keep the queue and where their wait descriptors write. */
export const QUEUE_ADDRESS = 0x18_0000;
export const STATUS_ADDRESS = { qi: 0x18_2000, qi256: 0x18_3000 } as const;
export const QUEUE_ENTRIES = 256;
