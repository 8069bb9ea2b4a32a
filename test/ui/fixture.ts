/** A machine as the screen sees it, with numbers that agree with each other. */
import type {
  DeviceState,
  EventLine,
  FaultGroup,
  SeriesColumn,
  Snapshot,
  TableLevel,
  TablePath,
  Transaction,
} from '../../source/simulation/snapshot.ts';
import { contextEntry } from '../../source/vtd/formats/context-entry.ts';
import { faultRecord } from '../../source/vtd/formats/fault-record.ts';
import { pageEntry, tableEntry, topTableEntry } from '../../source/vtd/formats/paging-entry.ts';
import { rootEntry } from '../../source/vtd/formats/root-entry.ts';
import { counterNames } from '../../source/vtd/performance/counters.ts';
import type { Step } from '../../source/vtd/translation/step.ts';
import { rootTableAddress } from '../../source/vtd/unit/registers.ts';

const noCounts = {
  requests: 0,
  bytes: 0,
  iotlb_lookup: 0,
  iotlb_hit: 0,
  page_walks: 0,
  faults: 0,
  interrupts: 0,
  interrupts_blocked: 0,
};

type Traffic = { requests: number; hit: number; walks: number; faults?: number };

function counts({ requests, hit, walks, faults = 0 }: Traffic, translated: boolean) {
  const lookups = translated ? requests : 0;
  return {
    requests,
    bytes: requests * 1500,
    iotlb_lookup: lookups,
    iotlb_hit: Math.round(lookups * hit),
    page_walks: translated ? walks : 0,
    faults,
    interrupts: Math.round(requests / 64),
    interrupts_blocked: 0,
  };
}

function device(
  name: string,
  bdf: string,
  group: number,
  description: string,
  state: Partial<DeviceState>,
  traffic: Traffic,
): DeviceState {
  const lane = state.lane ?? 'translated';
  const rates = counts(traffic, lane === 'translated' || lane === 'guest');
  const scaled = Object.fromEntries(
    Object.entries(rates).map(([key, value]) => [key, Math.round(value * 0.012)]),
  );
  return {
    name,
    bdf,
    description,
    group,
    owner: 'host',
    driver: null,
    defaultDomain: 'DMA-FQ',
    attachedDomain: 'DMA-FQ',
    lane,
    did: null,
    pageBytes: null,
    translationType: null,
    virtualIommu: null,
    emulated: false,
    untrusted: false,
    counts: { ...noCounts, ...scaled },
    latency: { p50Ns: 541, p99Ns: 911, p999Ns: 1180 },
    reach: { mapped: lane === 'passthrough' ? 983_040 : 640, stale: 0 },
    rates,
    ...state,
  };
}

const identity = {
  lane: 'passthrough',
  attachedDomain: 'identity',
  defaultDomain: 'identity',
  did: 1,
} as const;

/** `iommu=pt`, except for nvme0, which was put behind the IOMMU since. */
export const devices: readonly DeviceState[] = [
  device(
    'nic0',
    '03:00.0',
    14,
    '10 Gb/s network card',
    { ...identity, driver: 'ixgbe' },
    { requests: 1.24e6, hit: 0, walks: 0 },
  ),
  device(
    'nvme0',
    '04:00.0',
    15,
    'NVMe disk',
    { driver: 'nvme', did: 5, pageBytes: 4096, reach: { mapped: 640, stale: 31 } },
    { requests: 412_000, hit: 0.987, walks: 5356 },
  ),
  device(
    'gpu0',
    '01:00.0',
    12,
    'graphics card',
    {
      owner: 'guest A',
      driver: 'vfio-pci',
      lane: 'guest',
      attachedDomain: 'unmanaged',
      did: 4,
      pageBytes: 2 ** 21,
      reach: { mapped: 147_456, stale: 0 },
    },
    { requests: 2.1e6, hit: 0.999, walks: 2100 },
  ),
  device(
    'hba1',
    '05:00.0',
    16,
    'disk controller',
    {
      owner: 'guest B',
      driver: 'vfio-pci',
      lane: 'guest',
      attachedDomain: 'unmanaged',
      did: 7,
      pageBytes: 4096,
      reach: { mapped: 90_112, stale: 0 },
    },
    { requests: 388_000, hit: 0.912, walks: 34_144 },
  ),
  device(
    'usb0',
    '00:14.0',
    4,
    'USB controller',
    { ...identity, driver: 'xhci_hcd' },
    { requests: 2100, hit: 0, walks: 0 },
  ),
  device(
    'tb0',
    '07:00.0',
    18,
    'Thunderbolt device',
    {
      owner: 'none',
      attachedDomain: 'DMA',
      defaultDomain: 'DMA',
      did: 9,
      pageBytes: 4096,
      untrusted: true,
      reach: { mapped: 0, stale: 0 },
    },
    { requests: 5400, hit: 0, walks: 5400, faults: 5400 },
  ),
];

const half = (index: number) => 0.5 + 0.5 * Math.sin(index / 3);

export const series: readonly SeriesColumn[] = Array.from({ length: 240 }, (_, i) => {
  const walks = i % 37 === 20 ? 96 : 18 + Math.round(6 * half(i));
  return {
    spanNs: 500_000,
    requests: 2000,
    iotlb_lookup: 1450,
    iotlb_hit: 1450 - walks,
    page_walks: walks,
    faults: i > 150 ? 2 + Math.round(2 * half(i * 5)) : 0,
  };
});

const event = (
  id: number,
  ms: number,
  kind: EventLine['kind'],
  words: readonly [actor: string, verb: string, object: string, how: string, result: string],
  bytes = 0,
): EventLine => {
  const [actor, verb, object, how, result] = words;
  const timeNs = Math.round(ms * 1e6);
  return { id, timeNs, kind, actor, verb, object, how, result, bytes, device: actor, transaction: id };
};

export const events: readonly EventLine[] = [
  event(1, 12.401, 'command', ['you', 't', 'nvme0', 'identity', 'DMA-FQ']),
  event(2, 12.401, 'kernel', [
    'kernel',
    '',
    'nvme0',
    'driver unbound, group 15 changed, driver bound again',
    '',
  ]),
  event(3, 12.402, 'invalidation', ['kernel', 'inv', 'did 5', 'IOTLB, domain-selective', '']),
  event(4, 12.466, 'unmap', ['kernel', 'unmap', 'iova 0xfffe2000', 'lazy', 'in the IOTLB up to 10 ms']),
  event(5, 12.47, 'dma', ['gpu0', 'read', 'iova 0x1fe00000', 'hit, 2 MiB page', '0xbfe00000'], 4096),
  event(6, 12.471, 'fault', ['tb0', 'write', 'addr 0x7f3a2000', 'FAULT 0x05', 'no write permission']),
  event(7, 12.477, 'dma', ['nic0', 'write', 'addr 0x1671e000', 'not translated', '0x01671e000'], 1514),
  event(8, 12.477, 'dma', ['hba1', 'write', 'iova 0x204a40', 'miss, 4 levels', '0x8a204a40'], 64),
  event(9, 12.478, 'dma', ['nvme0', 'read', 'iova 0xfffed000', 'hit', '0x2544d000'], 4096),
];

const record = (sid: number, page: string, reason: number, isRead: boolean) => [
  ...faultRecord.encode({ F: 1, T1: isRead ? 1 : 0, FR: reason, SID: sid, FI: BigInt(page) }),
];

export const faults: readonly FaultGroup[] = [
  {
    device: 'tb0',
    bdf: '07:00.0',
    type: 'write',
    address: '0x7f3a2000',
    reason: 5,
    count: 118,
    firstNs: 1_500_000,
    lastNs: 12_471_000,
    dmesg:
      'DMAR: [DMA Write NO_PASID] Request device [07:00.0] fault addr 0x7f3a2000 [fault reason 0x05] PTE Write access is not set',
    record: record(0x0700, '0x7f3a2000', 5, false),
    transaction: 6,
  },
  {
    device: 'nvme0',
    bdf: '04:00.0',
    type: 'write',
    address: '0x1000000',
    reason: 5,
    count: 1,
    firstNs: 11_640_000,
    lastNs: 11_640_000,
    dmesg:
      'DMAR: [DMA Write NO_PASID] Request device [04:00.0] fault addr 0x1000000 [fault reason 0x05] PTE Write access is not set',
    record: record(0x0400, '0x1000000', 5, false),
    transaction: 61,
  },
  {
    device: 'gpu0',
    bdf: '01:00.0',
    type: 'read',
    address: '0x8000000000',
    reason: 4,
    count: 3,
    firstNs: 3_003_000,
    lastNs: 8_003_000,
    dmesg: null,
    record: null,
    transaction: null,
  },
];

/** The tables of hba1 for iova 0x204a40: indices 0, 0, 1 and 4. */
const words = {
  rtaddr: [...rootTableAddress.encode({ RTA: 0x100000 })],
  root: [...rootEntry.encode({ P: 1, CTP: 0x105000 })],
  context: [...contextEntry.encode({ P: 1, TT: 0, SSPTPTR: 0x200000, AW: 2, DID: 7 })],
  pml4: [...topTableEntry.encode({ R: 1, W: 1, ADDR: 0x201000 })],
  pdpt: [...tableEntry.encode({ R: 1, W: 1, ADDR: 0x202000 })],
  pd: [...tableEntry.encode({ R: 1, W: 1, ADDR: 0x203000 })],
  pt: [...pageEntry.encode({ R: 1, W: 1, ADDR: 0x8a204000 })],
  readOnly: [...pageEntry.encode({ R: 1, ADDR: 0x8a205000 })],
  empty: [0, 0],
};

const step = (
  stage: Step['stage'],
  verdict: Step['verdict'],
  reads: number,
  more: Partial<Step> = {},
): Step => ({
  stage,
  level: 0,
  address: null,
  words: [],
  verdict,
  fault: 0,
  reads,
  clause: 'chapter 6.2',
  guest: null,
  ...more,
});

/** A walk that nothing was cached for. */
export const walkSteps: readonly Step[] = [
  step('context cache', 'miss', 0),
  step('root entry', 'go on', 1, {
    address: 0x100050,
    words: words.root,
    clause: 'chapter 9.1: root table, indexed by bus',
  }),
  step('context entry', 'go on', 2, {
    address: 0x105000,
    words: words.context,
    clause: 'chapter 9.3: context table, indexed by device and function',
  }),
  step('IOTLB', 'miss', 2, { words: [7], clause: 'chapter 6.2: not in the IOTLB' }),
  step('paging entry', 'go on', 3, {
    level: 4,
    address: 0x200000,
    words: words.pml4,
    clause: 'chapter 9.8: second-stage paging',
  }),
  step('paging entry', 'go on', 4, {
    level: 3,
    address: 0x201000,
    words: words.pdpt,
    clause: 'chapter 9.8: second-stage paging',
  }),
  step('paging entry', 'go on', 5, {
    level: 2,
    address: 0x202008,
    words: words.pd,
    clause: 'chapter 9.8: second-stage paging',
  }),
  step('paging entry', 'go on', 6, {
    level: 1,
    address: 0x203020,
    words: words.pt,
    clause: 'chapter 9.8: second-stage paging',
  }),
];

const transaction = (id: number, ms: number, more: Partial<Transaction>): Transaction => ({
  id,
  timeNs: Math.round(ms * 1e6),
  device: 'hba1',
  bdf: '05:00.0',
  type: 'write',
  address: '0x204a40',
  bytes: 64,
  outcome: 'walked',
  output: '0x8a204a40',
  fault: 0,
  landed: 'guest B RAM',
  corrupted: false,
  steps: walkSteps,
  ...more,
});

const cachedContext = step('context cache', 'hit', 0, { words: words.context });

export const transactions: readonly Transaction[] = [
  transaction(18442, 12.477, {}),
  transaction(18441, 12.474, {
    type: 'read',
    address: '0x203000',
    output: '0x8a203000',
    bytes: 4096,
    outcome: 'hit',
    steps: [cachedContext, step('IOTLB', 'hit', 0, { level: 1, address: 0x8a203000, words: [7] })],
  }),
  transaction(18440, 12.473, {
    address: '0x205000',
    outcome: 'blocked',
    output: null,
    fault: 5,
    landed: null,
    steps: [
      cachedContext,
      step('IOTLB', 'miss', 0, { words: [7] }),
      step('paging-structure cache', 'hit', 0, { level: 2, address: 0x203000 }),
      step('paging entry', 'blocked', 1, { level: 1, address: 0x203028, words: words.readOnly, fault: 5 }),
    ],
  }),
];

/** A stray write of a device in passthrough that overwrote the kernel. */
export const strayWrite: Transaction = transaction(18450, 12.479, {
  device: 'nic0',
  bdf: '03:00.0',
  address: '0x1000000',
  output: '0x1000000',
  outcome: 'passed',
  landed: 'kernel text',
  corrupted: true,
  steps: [
    step('context cache', 'miss', 0),
    step('root entry', 'go on', 1, { address: 0x100030, words: words.root }),
    step('context entry', 'go on', 2, {
      address: 0x103000,
      words: [...contextEntry.encode({ P: 1, TT: 2, AW: 2, DID: 1 })],
    }),
    step('pass-through', 'passed', 2, { clause: 'chapter 9.3: TT = 10b, the address is used unchanged' }),
  ],
});

const level = (
  kind: TableLevel['kind'],
  paging: number,
  base: string | null,
  index: number,
  entries: TableLevel['entries'],
): TableLevel => ({
  kind,
  level: paging,
  base,
  guest: null,
  index,
  entryAddress:
    base === null ? null : `0x${(Number(base) + index * (kind === 'page table' ? 8 : 16)).toString(16)}`,
  words: entries.find((entry) => entry.index === index)?.words ?? words.empty,
  size: kind === 'RTADDR' ? 1 : kind === 'page table' ? 512 : 256,
  entries,
});

const entry = (index: number, value: readonly number[], usedBy: string, inIotlb: boolean | null = null) => ({
  index,
  words: value,
  usedBy,
  inIotlb,
});

export const tablePath: TablePath = {
  device: 'hba1',
  address: '0x204a40',
  levels: [
    level('RTADDR', 0, null, 0, [entry(0, words.rtaddr, 'the root table')]),
    level('root table', 0, '0x100000', 5, [
      entry(0, words.root, 'bus 00: usb0'),
      entry(1, words.root, 'bus 01: gpu0'),
      entry(3, words.root, 'bus 03: nic0'),
      entry(4, words.root, 'bus 04: nvme0'),
      entry(5, words.root, 'bus 05: hba1'),
      entry(7, words.root, 'bus 07: tb0'),
    ]),
    level('context table', 0, '0x105000', 0, [entry(0, words.context, '05:00.0 hba1')]),
    level('page table', 4, '0x200000', 0, [entry(0, words.pml4, 'guest B', false)]),
    level('page table', 3, '0x201000', 0, [entry(0, words.pdpt, 'guest B', false)]),
    level('page table', 2, '0x202000', 1, [
      entry(0, words.pd, 'guest B', false),
      entry(1, words.pd, 'guest B', false),
    ]),
    level('page table', 1, '0x203000', 4, [
      entry(0, words.pt, 'guest B page 0x200', true),
      entry(2, words.empty, '', true),
      entry(4, words.pt, 'guest B page 0x204', false),
      entry(5, words.readOnly, 'guest B page 0x205', true),
      ...Array.from({ length: 40 }, (_, i) =>
        entry(8 + i, words.pt, `guest B page 0x${(0x208 + i).toString(16)}`, i % 3 === 0),
      ),
    ]),
  ],
  outcome: 'walked',
  output: '0x8a204a40',
  fault: 0,
  stale: null,
  ends: null,
  isNested: false,
  below: null,
};

const sum = (key: keyof DeviceState['rates']) => devices.reduce((total, { rates }) => total + rates[key], 0);

export const running: Snapshot = {
  source: 'simulation',
  title: null,
  boot: 'intel_iommu=on iommu=pt',
  seed: 42,
  timeNs: 12_480_000,
  state: 'running',
  speed: 1,
  phase: null,
  unit: {
    name: 'skylake',
    translation: true,
    gsts: '0xc6000000',
    cap: '0xd2008c40660462',
    ecap: '0xf050da',
    rtaddr: '0x100000',
  },
  counters: Object.fromEntries(counterNames.map((name, i) => [name, 1000 * (i + 1)])) as Snapshot['counters'],
  invalidations: {
    context: 3,
    iotlb_page: 0,
    iotlb_domain: 12,
    iotlb_global: 1,
    interrupt_entry: 0,
    device_tlb: 0,
    pasid_cache: 0,
    pasid_iotlb_page: 0,
    pasid_iotlb_all: 0,
    wait: 16,
  },
  rates: {
    requests: sum('requests'),
    iotlb_lookup: sum('iotlb_lookup'),
    iotlb_hit: sum('iotlb_hit'),
    page_walks: sum('page_walks'),
    faults: sum('faults'),
  },
  devices,
  series,
  events,
  faults,
  faultRegisters: { records: 1, inUse: 1, overflow: false, pending: true, interrupts: 125, lost: 0 },
  transactions: [],
  tables: null,
  cpuCycles: 1_240_000,
  dmesg: [
    '[    0.000000] Command line: ro intel_iommu=on iommu=pt',
    '[    0.004200] DMAR: IOMMU enabled',
    '[    0.031200] DMAR: Host address width 39',
    '[    0.031200] DMAR: DRHD base: 0x000000fed91000 flags: 0x1',
    '[    0.059100] DMAR-IR: Enabled IRQ remapping in x2apic mode',
    '[    0.280300] iommu: Default domain type: Passthrough (set via kernel command line)',
    '[    0.308300] DMAR: dmar0: Using Queued invalidation',
    '[    0.312000] pci 0000:03:00.0: Adding to iommu group 14',
    '[    0.312000] pci 0000:04:00.0: Adding to iommu group 15',
    '[    0.400000] DMAR: Intel(R) Virtualization Technology for Directed I/O',
    '[    2.412471] DMAR: DRHD: handling fault status reg 2',
  ],
  memory: { corruptedPages: 0, corrupted: [] },
  notice: null,
  other: null,
};

/** A snapshot that differs in some points. */
export const snapshot = (change: Partial<Snapshot> = {}): Snapshot => ({ ...running, ...change });

/** Paused, with the requests and tables of hba1. */
export const examining: Snapshot = snapshot({ state: 'paused', transactions, tables: tablePath });

const off = (name: string): Partial<DeviceState> => ({
  lane: 'off',
  attachedDomain: 'none',
  defaultDomain: 'none',
  did: null,
  pageBytes: null,
  group: null,
  reach: { mapped: 983_040, stale: 0 },
  emulated: name === 'gpu0' || name === 'hba1',
});

/** The same machine booted with intel_iommu=off. */
export const iommuOff: Snapshot = snapshot({
  boot: 'intel_iommu=off',
  unit: { ...running.unit, translation: false, gsts: '0x2000000' },
  devices: devices.map((each) => ({
    ...each,
    ...off(each.name),
    rates: { ...each.rates, iotlb_lookup: 0, iotlb_hit: 0, page_walks: 0, faults: 0 },
    counts: { ...each.counts, iotlb_lookup: 0, iotlb_hit: 0, page_walks: 0, faults: 0 },
  })),
  rates: { requests: 4e6, iotlb_lookup: 0, iotlb_hit: 0, page_walks: 0, faults: 0 },
  series: series.map((column) => ({ ...column, iotlb_lookup: 0, iotlb_hit: 0, page_walks: 0, faults: 0 })),
  faults: [],
});

export const corruption: Snapshot = snapshot({
  events: [
    ...events,
    event(10, 12.479, 'command', ['you', 'x', 'nic0', 'write 0x1000000, 64 B', '']),
    event(
      11,
      12.479,
      'corruption',
      ['nic0', 'write', 'addr 0x1000000', 'not translated', 'kernel text overwritten'],
      64,
    ),
  ],
  memory: {
    corruptedPages: 1,
    corrupted: [
      { address: '0x1000000', timeNs: 12_479_000, device: 'nic0', bytes: 64, owner: 'kernel text' },
    ],
  },
  notice: {
    id: 7,
    ok: true,
    text: 'nic0 wrote 64 B to 0x1000000, into kernel text: nothing checked the address.',
    linux: ['a driver bug, or a device that somebody else controls'],
  },
});

export const flipped: Snapshot = snapshot({
  notice: {
    id: 8,
    ok: true,
    text: 'nic0 is now translated, lazily.',
    linux: [
      'echo 0000:03:00.0 > /sys/bus/pci/drivers/ixgbe/unbind',
      'echo DMA-FQ > /sys/kernel/iommu_groups/14/type',
      'echo 0000:03:00.0 > /sys/bus/pci/drivers/ixgbe/bind',
    ],
  },
});

/** A recording knows no steps, no tables and no seed. */
export const recorded: Snapshot = snapshot({
  source: 'trace',
  title: 'virtio-and-nvme.trace.gz',
  boot: 'intel_iommu=on iommu.strict=1 console=ttyS0',
  seed: null,
  phase: 'dd if=/dev/nvme0n1',
  timeNs: 11_204_000_000,
  devices: [
    device(
      'nvme 00:03.0',
      '00:03.0',
      3,
      'NVMe disk',
      { did: 5, pageBytes: 4096, reach: null },
      { requests: 41_200, hit: 0.71, walks: 11_900 },
    ),
    device(
      'virtio-net 00:02.0',
      '00:02.0',
      2,
      'virtio network card',
      { did: 4, pageBytes: 4096, reach: null },
      { requests: 900, hit: 0.6, walks: 360 },
    ),
  ],
  faults: [],
  transactions: [
    transaction(3, 11_203.9, {
      device: 'nvme 00:03.0',
      bdf: '00:03.0',
      address: '0xffffe000',
      output: '0x10e3f000',
      landed: null,
      steps: [],
    }),
  ],
});

/** `running`, with a machine beside it whose host devices are all translated. */
export const compared: Snapshot = snapshot({
  other: {
    ...running,
    boot: 'intel_iommu=on',
    counters: {
      ...running.counters,
      iotlb_lookup: 61_020,
      iotlb_hit: 59_433,
      page_walks: 1587,
      iommu_mrds: 1702,
    },
    invalidations: { ...running.invalidations, iotlb_domain: 96, wait: 120 },
    cpuCycles: 9_870_000,
    devices: devices.map((each) =>
      each.lane === 'passthrough'
        ? { ...each, lane: 'translated', attachedDomain: 'DMA-FQ', defaultDomain: 'DMA-FQ', did: 16 }
        : each,
    ),
    series: series.map((column) => ({ ...column, page_walks: 3 * column.page_walks })),
  },
});

/** A scene of a demo, all of whose expectations are met. */
export const playing: Snapshot = snapshot({
  ...corruption,
  notice: null,
  demo: {
    name: 'claims',
    title: 'The eight claims about iommu=pt',
    minutes: 20,
    scene: 3,
    scenes: 8,
    heading: 'The stray write landed.',
    caption: [
      'nic0 asked for 0x01000000 and got exactly that: the first page of kernel text. Nothing checked it, because iommu=pt gives host devices physical addresses.',
    ],
    notes: [{ kind: 'say', text: 'Look at the arrow: it is thick.' }],
    commands: ['boot intel_iommu=on iommu=pt', 'dma nic0 write 0x01000000 64'],
    measured: [],
    results: [
      { expression: 'nic0.dma.landed = "kernel text"', holds: true, got: 'kernel text' },
      { expression: 'corrupted_pages = 1', holds: true, got: '1' },
    ],
    next: {
      heading: 'The same write, translated',
      notes: [
        { kind: 'say', text: 'Now nic0 goes behind the IOMMU.' },
        { kind: 'point', text: 'the fault' },
      ],
    },
    entered: 1,
    focus: { view: 'overview', device: 'nic0', address: null },
  },
});

/** E3 after three of its points. */
export const measuring: Snapshot = {
  ...running,
  experiment: {
    state: 'running',
    done: 3,
    of: 13,
    result: {
      id: 'E3',
      title: 'A second machine',
      kind: 'gate',
      source: 'a paper; grade A',
      setup: 'a machine',
      xName: 'window',
      preset: 'ib-128',
      parameters: { 'iotlb.entries': 128, 'iotlb.ways': 'full' },
      note: null,
      series: [
        {
          name: '64 B reads',
          unit: 'Gb/s',
          points: [
            { x: 4096, xUnit: 'B', published: 33.295, simulated: 33.13, tolerance: 0.06, pass: true },
            { x: 524_288, xUnit: 'B', published: 32.246, simulated: 33.12, tolerance: 0.06, pass: true },
            { x: 1_048_576, xUnit: 'B', published: 15.392, simulated: 17.9, tolerance: 0.06, pass: false },
          ],
        },
      ],
      checks: [],
      pass: false,
    },
  },
};

/** E7, stopped after the first of its two points. */
export const stopped: Snapshot = {
  ...running,
  experiment: {
    state: 'stopped',
    done: 1,
    of: 2,
    result: {
      id: 'E7',
      title: 'Strict mode, receive side, against flows',
      kind: 'gate',
      source: 'a paper; grade A',
      setup: 'a machine',
      xName: 'flows',
      preset: 'fast-and-safe',
      parameters: { 'pagingCache.l3.entries': 32 },
      note: 'What is input, and what follows.',
      series: [
        ['throughput', 'Gb/s', 79, 73.5],
        ['iotlb', 'misses per 4 KiB page', 1.3, 1.369],
        ['l1', 'PTcache-L1 misses per 4 KiB page', 0.05, 0.0503],
        ['l2', 'PTcache-L2 misses per 4 KiB page', 0.05, 0.0503],
        ['l3', 'PTcache-L3 misses per 4 KiB page', 0.36, 0.57],
        ['reads', 'memory reads per 4 KiB page', 1.76, 1.777],
      ].map(([name, unit, published, simulated]) => ({
        name: String(name),
        unit: String(unit),
        points: [
          {
            x: 5,
            xUnit: 'flows',
            published: Number(published),
            simulated: Number(simulated),
            tolerance: 0.15,
            pass: name !== 'l3',
          },
        ],
      })),
      checks: [],
      pass: false,
    },
  },
};
