/**
 * What one moment of a machine looks like from outside: plain data that crosses process borders.
 *
 * The screen and the reports know only this. The simulator makes it, a recorded trace makes it, and later
 * a live machine; what a source cannot know is null.
 *
 * Addresses are strings, `0x…` in lower case without leading zeros, since 64 bits do not fit a number.
 * Times are simulated (or recorded) nanoseconds. Rates are per simulated (or recorded) second.
 */

import type { Progress } from '../experiments/run.ts';
import type { QueueErrorCounts } from '../linux/unit/queue-errors.ts';
import type { PreviewMachine } from '../machine/preview.ts';
import type { InvalidationCounts } from '../vtd/invalidation/invalidator.ts';
import type { CounterName } from '../vtd/performance/counters.ts';
import type { Step } from '../vtd/translation/step.ts';

/** A domain type in the words of sysfs; `none` while the IOMMU is off. */
export type DomainType = 'identity' | 'DMA' | 'DMA-FQ' | 'unmanaged' | 'nested' | 'blocked' | 'none';

/** Which way a device's DMA goes, as far as its tables decide it. */
export type Lane =
  /** The IOMMU is off, or absent: nothing is looked up. */
  | 'off'
  /** Identity domain: looked up, not translated. */
  | 'passthrough'
  /** Translated for the host. */
  | 'translated'
  /** Translated for a guest. */
  | 'guest'
  /** No domain is attached: every request is refused. */
  | 'blocked';

export type DeviceCounts = {
  readonly requests: number;
  readonly bytes: number;
  readonly iotlb_lookup: number;
  readonly iotlb_hit: number;
  readonly page_walks: number;
  readonly faults: number;
  /** Writes to 0xfeex_xxxx, those that were refused included. */
  readonly interrupts: number;
  readonly interrupts_blocked: number;
};

export type DeviceState = {
  readonly name: string;
  /** `03:00.0`. */
  readonly bdf: string;
  /** What it is, in a few words. */
  readonly description: string;
  readonly group: number | null;
  readonly owner: 'host' | 'none' | 'process' | `guest ${string}`;
  /** The bound driver, or null. */
  readonly driver: string | null;
  readonly defaultDomain: DomainType;
  readonly attachedDomain: DomainType;
  readonly lane: Lane;
  readonly did: number | null;
  /** Size of the largest pages in its tables, in bytes; null where nothing is translated. */
  readonly pageBytes: number | null;
  /** What its context or PASID table entry in memory says: `TT = 10b`, `PGTT = 001b`; null where none is present. */
  readonly translationType: string | null;
  /** The guest sees an IOMMU: its tables are nested in the host's, or the host keeps a shadow of them. */
  readonly virtualIommu: 'nested' | 'shadow' | null;
  /** A guest uses an emulated stand-in whose DMA this device does for the host. */
  readonly emulated: boolean;
  /** Behind an external port: never put in passthrough. */
  readonly untrusted: boolean;
  readonly counts: DeviceCounts;
  /** Over about the last second on the wall. */
  readonly rates: DeviceCounts;
  /** How long its requests took lately, from the timing model; null where that is not known. */
  readonly latency: LatencySummary | null;
  /** How much memory it can reach now; null where that is not known. */
  readonly reach: Reach | null;
};

/** Pages of 4 KiB. */
export type Reach = {
  /** All of memory where nothing is translated; what its tables map where it is. */
  readonly mapped: number;
  /** Gone from its tables, and not yet from the IOTLB. */
  readonly stale: number;
};

/** Nanoseconds from issue to completion: half of the requests took no longer than `p50Ns`, 99 % than `p99Ns`. */
export type LatencySummary = {
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
};

/** One column of the charts: counts of a stretch of time. */
export type SeriesColumn = {
  /** Length of the stretch. */
  readonly spanNs: number;
  readonly requests: number;
  readonly iotlb_lookup: number;
  readonly iotlb_hit: number;
  readonly page_walks: number;
  readonly faults: number;
};

/** One line of the event list. */
export type EventLine = {
  /** Counts up from 1 over the life of the source; gaps mean lines that were not kept. */
  readonly id: number;
  readonly timeNs: number;
  readonly kind:
    | 'dma'
    | 'interrupt'
    | 'fault'
    | 'unmap'
    | 'invalidation'
    | 'command'
    /** A system call of a program that takes a device through VFIO. */
    | 'call'
    | 'kernel'
    | 'corruption';
  /** Who did it: a device name, `kernel`, `you`, `guest A`. */
  readonly actor: string;
  /** One word: read, write, unmap, inv, t, boot … */
  readonly verb: string;
  /** What it was done to: `iova 0xfffed000`, `nic0`, `did 9`. */
  readonly object: string;
  /** How: `hit`, `miss, 4 levels`, `not translated`, `FAULT 0x05`, `lazy`. */
  readonly how: string;
  /** What came of it: an output address, a sentence; may be empty. */
  readonly result: string;
  /** Bytes moved, or 0. */
  readonly bytes: number;
  readonly device: string | null;
  /** The transaction behind it, to open in the DMA view; or null. */
  readonly transaction: number | null;
};

/** One DMA request as it happened, with the steps the unit took. */
export type Transaction = {
  readonly id: number;
  readonly timeNs: number;
  readonly device: string;
  readonly bdf: string;
  /** Null where the source does not know: QEMU's trace does not say. */
  readonly type: 'read' | 'write' | null;
  /** Left out for a plain one. */
  readonly request?: 'translation' | 'translated' | 'page request';
  readonly address: string;
  /** 0 where the source does not know. */
  readonly bytes: number;
  /** `peer-to-peer`: routed to another device before the unit, which never saw it. */
  readonly outcome: 'untranslated' | 'passed' | 'hit' | 'walked' | 'interrupt' | 'blocked' | 'peer-to-peer';
  /** Output address; null where blocked. */
  readonly output: string | null;
  /** Fault reason, or 0. */
  readonly fault: number;
  /** Who owned the page it landed in, in words (`kernel text`, `nic0 buffer`, `guest A RAM`); null unknown. */
  readonly landed: string | null;
  /** It overwrote memory that was not this device's to write. */
  readonly corrupted: boolean;
  /** Of a write to 0xfeex_xxxx alone: what it asked for, and what came of it. */
  readonly interrupt?: InterruptState;
  /** Empty where the source does not know them (a trace). */
  readonly steps: readonly Step[];
};

/** An interrupt request. */
export type InterruptState = {
  /** What was written. */
  readonly data: string;
  /** The entry of the remapping table that it named, or null. */
  readonly index: string | null;
  /** How it was delivered; null where it was refused. */
  readonly delivery: 'as written' | 'remapped' | 'posted' | 'posted, notified' | null;
  /** What the processor got, where it got something: a vector, and its own APIC id. */
  readonly vector: string | null;
  readonly processor: number | null;
};

/** Faults of one device for one reason on one page, or of one entry of the interrupt-remapping table. */
export type FaultGroup = {
  readonly device: string;
  readonly bdf: string;
  readonly type: 'read' | 'write' | 'interrupt';
  /** Of an interrupt its index; 0 where it named none (0x25). */
  readonly address: string;
  readonly reason: number;
  readonly count: number;
  readonly firstNs: number;
  readonly lastNs: number;
  /** The kernel's message for the last one that it printed, or null if none was recorded for it. */
  readonly dmesg: string | null;
  /** The fault record as software read it, 4 words; null if none was recorded. */
  readonly record: readonly number[] | null;
  /** A transaction of this group, to open in the DMA view; or null. */
  readonly transaction: number | null;
};

export type FaultRegisters = {
  readonly records: number;
  readonly inUse: number;
  readonly overflow: boolean;
  readonly pending: boolean;
  /** Fault interrupts delivered. */
  readonly interrupts: number;
  /** Faults that no record could take. */
  readonly lost: number;
  /** Errors of the invalidation queue since boot, and what the kernel printed of the last; left out where unknown. */
  readonly queue?: QueueErrorCounts;
};

/** One table on the way of an address: the register RTADDR, the root table, …, the page table. */
export type TableLevel = {
  readonly kind:
    | 'RTADDR'
    | 'root table'
    | 'context table'
    | 'scalable root table'
    | 'scalable context table'
    | 'PASID directory'
    | 'PASID table'
    | 'first-stage table'
    /** Of the second stage. */
    | 'page table';
  /** Paging level 5 to 1; 0 for the others. */
  readonly level: number;
  /** Where the table lies; null for the register. */
  readonly base: string | null;
  /** Its guest-physical address, if it is a guest's that is nested in the host's second stage. */
  readonly guest: string | null;
  /** The selected entry: its index, where it lies, and its words. */
  readonly index: number;
  readonly entryAddress: string | null;
  readonly words: readonly number[];
  /** Entries in the whole table, and those that are not all zero, in order. */
  readonly size: number;
  readonly entries: readonly TableEntry[];
};

export type TableEntry = {
  readonly index: number;
  readonly words: readonly number[];
  /** What it leads to, in words: `03:00.0 nic0`, `guest B page 0x204`, `nic0 buffer`; empty if unknown. */
  readonly usedBy: string;
  /** Whether the translation of its first page is cached; null where the question makes no sense. */
  readonly inIotlb: boolean | null;
};

/** The walk of one address of one device through memory, and what a request to it would meet now. */
export type TablePath = {
  readonly device: string;
  readonly address: string;
  readonly levels: readonly TableLevel[];
  /** What a write to the address would end in now: like Transaction.outcome, with the output or fault. */
  readonly outcome: Transaction['outcome'];
  readonly output: string | null;
  readonly fault: number;
  /** Where the IOTLB leads although the tables refuse it by now: an unmapped page that is not invalidated yet; or null. */
  readonly stale: string | null;
  /** Why the path ends early, or null if it reaches a page. */
  readonly ends: string | null;
  /** The first stage is a guest's: its tables and its page have guest-physical addresses. */
  readonly isNested: boolean;
  /** How the second stage below translates the guest-physical address that the focus names; or null. */
  readonly below: SecondStagePath | null;
};

/** The walk of one guest-physical address through the second stage. */
export type SecondStagePath = {
  readonly address: string;
  readonly levels: readonly TableLevel[];
  /** Host-physical; null where nothing is mapped. */
  readonly output: string | null;
};

export type CorruptedPage = {
  /** Page address. */
  readonly address: string;
  readonly timeNs: number;
  readonly device: string;
  readonly bytes: number;
  /** Whose memory it is, in words. */
  readonly owner: string;
};

/** What came of the last command. */
export type Notice = {
  readonly id: number;
  readonly ok: boolean;
  /** One or two sentences. */
  readonly text: string;
  /** What one would type on a real machine, line by line; may be empty. */
  readonly linux: readonly string[];
};

/** What a note is (`say`, `point`, …), and its text. */
export type DemoNote = { readonly kind: string; readonly text: string };

/** A row of a table: values of one moment under their headings. */
export type MeasuredRow = {
  readonly row: string;
  readonly values: readonly { readonly heading: string; readonly value: number | string }[];
};

/** A demo that plays, as the room, the speaker and the keys need it. */
export type DemoState = {
  readonly name: string;
  readonly title: string;
  /** How long it is planned to take; null if it does not say. */
  readonly minutes: number | null;
  /** Counted from 1; one more than there are when it is over and people explore on their own. */
  readonly scene: number;
  readonly scenes: number;
  readonly heading: string;
  /** Paragraphs for the room. */
  readonly caption: readonly string[];
  /** For the speaker alone. */
  readonly notes: readonly DemoNote[];
  /** What the scene ran, as it was written. */
  readonly commands: readonly string[];
  /** What the scene expected, whether it was so, and what was there. */
  readonly results: readonly { readonly expression: string; readonly holds: boolean; readonly got: string }[];
  /** What the scene measured, a row for each time; empty if nothing. */
  readonly measured: readonly MeasuredRow[];
  readonly next: { readonly heading: string; readonly notes: readonly DemoNote[] } | null;
  /** Counts up each time a scene is entered. */
  readonly entered: number;
  /** What the scene looks at. */
  readonly focus: Focus;
};

/** A file of the simulated kernel as it was read. */
export type Inspected = {
  readonly path: string;
  readonly timeNs: number;
  readonly lines: readonly string[];
  /** Lines that were left out at the end. */
  readonly more: number;
};

export type RunState = 'running' | 'paused' | 'ended';

/** What is known of an experiment so far, and whether more will come. */
export type ExperimentState = Progress & { readonly state: 'running' | 'over' | 'stopped' };

export type Snapshot = {
  readonly source: 'simulation' | 'trace';
  /** File name of a trace; null for a simulation. */
  readonly title: string | null;
  readonly boot: string;
  /** What else decides what a boot line does; left out where that is unknown. */
  readonly machine?: PreviewMachine;
  readonly seed: number | null;
  readonly timeNs: number;
  readonly state: RunState;
  /** Simulated milliseconds (recorded seconds, for a trace) for each second on the wall; Infinity: as fast as it goes. */
  readonly speed: number;
  /** The speed that this computer reaches, where it falls short of that one; else null or left out. */
  readonly reached?: number | null;
  /** The phase of a trace's script; null for a simulation. */
  readonly phase: string | null;
  readonly unit: {
    /** Which unit it is; null where nobody said. */
    readonly name: string | null;
    readonly translation: boolean;
    readonly gsts: string;
    readonly cap: string;
    readonly ecap: string;
    readonly rtaddr: string;
  };
  readonly counters: Readonly<Record<CounterName, number>>;
  readonly invalidations: Readonly<InvalidationCounts>;
  /** Walks and the like for the whole unit, per second. */
  readonly rates: Readonly<
    Record<'requests' | 'iotlb_lookup' | 'iotlb_hit' | 'page_walks' | 'faults', number>
  >;
  readonly devices: readonly DeviceState[];
  /** Oldest first; the last column may still be growing. */
  readonly series: readonly SeriesColumn[];
  /** The newest lines, oldest first. */
  readonly events: readonly EventLine[];
  /** Newest first. */
  readonly faults: readonly FaultGroup[];
  readonly faultRegisters: FaultRegisters;
  /** Recent transactions of the focused device, newest first; empty unless the focus asks for them. */
  readonly transactions: readonly Transaction[];
  /** The tables of the focused address; null unless the focus asks for them, or where they are unknown. */
  readonly tables: TablePath | null;
  /** CPU cycles that the kernel's IOMMU code took since boot; null where the source cannot know. */
  readonly cpuCycles: number | null;
  /** How long each CPU waited for others at the invalidation queue since boot; left out where nobody knows. */
  readonly queueWaitNs?: readonly number[];
  readonly dmesg: readonly string[];
  readonly memory: { readonly corruptedPages: number; readonly corrupted: readonly CorruptedPage[] };
  readonly notice: Notice | null;
  /** The demo that plays; null or left out where none does. */
  readonly demo?: DemoState | null;
  /** Left out or null while none is looked at. */
  readonly inspected?: Inspected | null;
  /** The machine that this one is compared with; null unless there is one and the focus asks for it. */
  readonly other: Snapshot | null;
  /** The experiment that runs, or ran last, as far as it is; null or left out unless the focus asks for it. */
  readonly experiment?: ExperimentState | null;
};

/**
 * What the screen is looking at, so that a snapshot carries no more than is shown.
 * `address` null: the source chooses one that the device uses.
 */
export type Focus = {
  readonly view: string;
  readonly device: string | null;
  readonly address: string | null;
  /** A guest-physical address on that way, whose second stage is looked at as well. */
  readonly below?: string | null;
};
