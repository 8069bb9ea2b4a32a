/**
 * The commands: plain data behind keys, the prompt, flags, recordings and tests alike. Everything that
 * changes a machine is one of these, so that a seed and a list of them replay a session.
 */

import type { KernelVersion } from '../linux/version.ts';
import type { Overrides } from '../parameters/registry.ts';
import type { PresetName } from '../vtd/unit/capabilities.ts';

/** The views of the dashboard. */
export const viewNames = ['overview', 'tables', 'dma', 'faults', 'compare', 'experiments'] as const;
export type ViewName = (typeof viewNames)[number];

/** The tables whose entries can be written by hand. */
export const entryTables = ['root', 'context', 'pasid', 'page'] as const;
export type EntryTable = (typeof entryTables)[number];

export const deviceTlbStates = ['answers', 'silent', 'gone', 'unasked'] as const;

/**
 * A guest gets a device with or without an IOMMU before it that the guest sees, by a container or by iommufd: `guest B`,
 * `guest B viommu`, `guest B iommufd`. A process of the host drives it from user space.
 */
export type DeviceTarget =
  | 'flip'
  | 'passthrough'
  | 'translated'
  | 'blocked'
  | 'host'
  | 'process'
  | `guest ${string}`
  | `guest ${string} ${string}`;

export type Command =
  | { readonly name: 'device'; readonly device: string | 'all'; readonly to: DeviceTarget }
  | {
      readonly name: 'dma';
      readonly device: string;
      /** What a device TLB sends; left out for plain DMA. */
      readonly request?: 'translate' | 'translated' | 'page-request';
      readonly type: 'read' | 'write';
      /** Any 64-bit address, as `0x…`; or buffers that `map` mapped: the last one, or all that are mapped. */
      readonly address: string | 'buffer' | 'buffers';
      readonly bytes: number;
      /** Left out for a request without PASID. */
      readonly pasid?: number;
    }
  /** Let the driver map buffers for its device. */
  | { readonly name: 'map'; readonly device: string; readonly count: number; readonly bytes: number }
  /** Let the driver unmap what `map` mapped. */
  | { readonly name: 'unmap'; readonly device: string; readonly which: 'oldest' | 'newest' | 'all' }
  /** Map a page, let the device write it, unmap it: so many times. */
  | { readonly name: 'cycle'; readonly device: string; readonly count: number }
  /** Write fields of a table entry by hand, then invalidate what the unit has cached. */
  | {
      readonly name: 'entry';
      readonly device: string;
      readonly table: EntryTable;
      /** For pages: the address whose walk leads to the entry; null for the others. */
      readonly address: string | 'buffer' | null;
      readonly fields: readonly { readonly field: string; readonly value: string }[];
    }
  | {
      readonly name: 'interrupt';
      readonly device: string;
      /** Of the message: an address in 0xfeex_xxxx, and 32 bits of data; both as `0x…`. */
      readonly address: string;
      readonly data: string;
    }
  | { readonly name: 'invalidation'; readonly device: string; readonly to: 'strict' | 'lazy' | 'flip' }
  /** What a device does with the invalidations of its TLB; `unasked` answers one that nobody sent. */
  | { readonly name: 'device-tlb'; readonly device: string; readonly to: (typeof deviceTlbStates)[number] }
  /** Write a word to a file of the simulated kernel, as a shell's user does. */
  | { readonly name: 'echo'; readonly text: string; readonly path: string }
  | { readonly name: 'boot'; readonly line: string }
  /** Put another remapping unit into the machine, with parameters other than the default, and reboot. */
  | { readonly name: 'unit'; readonly unit: PresetName; readonly set: Overrides }
  /** Reboot into another kernel: its version, and whether it was built with INTEL_IOMMU_DEFAULT_ON. */
  | { readonly name: 'kernel'; readonly version: KernelVersion; readonly defaultOn: boolean }
  /** Run a second machine beside this one, with the same seed and commands and another boot line; null: no more. */
  | { readonly name: 'compare'; readonly line: string | null }
  | { readonly name: 'workload'; readonly device: string | 'all'; readonly to: 'start' | 'stop' | 'flip' }
  | { readonly name: 'pause' }
  /** Without a duration: run on until paused. With one: this long, then pause. */
  | { readonly name: 'run'; readonly forNs: number | null }
  /** So many DMA requests, then pause. */
  | { readonly name: 'step'; readonly count: number }
  /**
   * Simulated milliseconds for each second on the wall; Infinity: as fast as it goes. Relative words go by what the
   * speed then is, so that keys may come faster than pictures.
   */
  | { readonly name: 'speed'; readonly factor: number | 'faster' | 'slower' }
  /** Run an experiment beside the machine, or boot a machine that is set up as the experiment's is. */
  | { readonly name: 'experiment'; readonly experiment: string; readonly as: 'run' | 'live' }
  /** Stop the one that runs. */
  | { readonly name: 'experiment'; readonly experiment: null }
  /** From here on `change(…)` of an expectation counts. */
  | { readonly name: 'mark' }
  /** Something that should be true now: an expression over what can be seen of the machine. */
  | { readonly name: 'expect'; readonly expression: string }
  /** Note figures of this moment, as a row of a table: `measure strict: walks = change(page_walks)`. */
  | {
      readonly name: 'measure';
      readonly row: string;
      readonly columns: readonly { readonly heading: string; readonly value: string }[];
    }
  /** Look at a view. */
  | {
      readonly name: 'open';
      readonly view: ViewName;
      readonly device: string | null;
      readonly address: string | 'buffer' | null;
    }
  /** Show a file of the simulated kernel; null: put it away. */
  | { readonly name: 'inspect'; readonly path: string | null }
  /** Another scene of the demo that plays; counted from 1. */
  | { readonly name: 'scene'; readonly to: 'next' | 'back' | 'leave' | number }
  /** Play a built-in demo. */
  | { readonly name: 'demo'; readonly demo: string };

export type CommandName = Command['name'];
