/**
 * Figures of the recorded runs beside what the simulated kernel makes of the same work. docs/agreement.md is the
 * table of them, held to this file.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import { Counter } from '../../source/vtd/performance/counters.ts';
import { bdf } from '../../source/vtd/source-id.ts';
import { DATA, FAULT_DELAY_NS, id } from '../support/host.ts';
import { RecordedDisk, recordedFunctions, recordedHost } from '../support/recorded-machine.ts';

const PAGE = 4096;
const disk = id('00:03.0');
const nic = id('00:05.0');
const edu = id('00:08.0');

const lines = {
  default: '',
  on: 'intel_iommu=on',
  'on-strict': 'intel_iommu=on iommu.strict=1',
  'on-pt': 'intel_iommu=on iommu=pt',
} as const;

type Run = keyof typeof lines;

/** Debian's kernel turns the IOMMU on by itself. */
const boot = (run: Run) => recordedHost(lines[run], { ...defaultBuild, intelIommuDefaultOn: true });

type Row = { run: string; phase: string; figure: string; recorded: string; simulated: string };

const rows: Row[] = [];

/** Invalidations by kind, of what was written to the queue. */
function invalidations(written: readonly string[]) {
  const count = (kind: RegExp) => written.filter((line) => kind.test(line)).length;
  return { pages: count(/^iotlb \S+f2 /), domains: count(/^iotlb \S+e2 /), contexts: count(/^context/) };
}

/** 64 direct reads of 64 KiB, as dd does them. */
function readDisk(run: Run) {
  const host = boot(run);
  const recorded = new RecordedDisk(host);
  const counts = host.unit.translator.countRequester(disk).slice();
  recorded.requests = 0;
  const { pages, domains } = invalidations(host.during(() => recorded.readSlowly(64)));
  const after = host.unit.translator.countRequester(disk);
  const grown = (counter: number) => after[counter] - counts[counter];
  return {
    requests: recorded.requests,
    lookups: grown(Counter.iotlb_lookup),
    misses: grown(Counter.iotlb_lookup) - grown(Counter.iotlb_hit),
    pages,
    domains,
  };
}

const compared: readonly [
  run: Run,
  figure: string,
  recorded: number,
  of: keyof ReturnType<typeof readDisk>,
][] = [
  ['on-strict', 'requests of the disk', 2432, 'requests'],
  ['on-strict', 'IOTLB misses', 1025, 'misses'],
  ['on-strict', 'page-selective invalidations', 64, 'pages'],
  ['on-strict', 'domain flushes', 0, 'domains'],
  ['on', 'requests of the disk', 2432, 'requests'],
  ['on', 'IOTLB misses', 1041, 'misses'],
  ['on', 'page-selective invalidations', 0, 'pages'],
  ['on', 'domain flushes', 4, 'domains'],
  ['on-pt', 'translations', 0, 'lookups'],
  ['on-pt', 'page-selective invalidations', 0, 'pages'],
  ['on-pt', 'domain flushes', 0, 'domains'],
];

describe('64 direct reads of 64 KiB from the NVMe disk', () => {
  for (const [run, figure, recorded, of] of compared) {
    test(`${run}: ${figure}: ${recorded}, as recorded`, () => {
      const simulated = readDisk(run)[of];
      rows.push({ run, phase: 'dd-nvme-read', figure, recorded: `${recorded}`, simulated: `${simulated}` });
      expect(simulated).toBe(recorded);
    });
  }
});

describe('I/O addresses in the order in which Linux handed them out', () => {
  // As recorded, in pages of 64 KiB; | where the domain was flushed between two requests, * while one was in flight.
  const recorded = {
    'on-strict': 'fffc fffc fffc fffc fffc fffc',
    on:
      'fffc fffb fffa fff9 fff8 fff7 fff6 fff5 fff4 fff3 fff2 fff1 fff0 ffef ffee ffed ffec ffeb ffea ffe9 ' +
      'ffe8 ffe7 | ffe7 ffe8 ffe9 ffea ffeb',
    default:
      'fffc fffb | fffb fffc fffa fff9 fff8 | fff8 fff9 fffa fffc fffb fff7 fff6* fff7 fffb fffc fffa fff9 ' +
      'fff8 fff5 fff4 fff3 | fff3 fff4 fff5 fff8',
  } as const;

  for (const run of ['on-strict', 'on', 'default'] as const) {
    test(`${run}: buffers of 64 KiB`, () => {
      const one = new RecordedDisk(boot(run));
      const words = recorded[run].split(' ');
      for (const word of words) {
        if (word === '|') one.flush();
        else one.read(16, word.endsWith('*') ? () => one.flush() : undefined);
      }
      const expected = words.filter((word) => word !== '|').map((word) => `${word.slice(0, 4)}0`);
      rows.push({
        run,
        phase: 'dd-nvme-read',
        figure: 'addresses in order',
        recorded: `${expected.length}`,
        simulated: `${one.addresses.filter((address, i) => address === expected[i]).length} the same`,
      });
      expect(one.addresses).toEqual(expected);
    });
  }

  test.each([
    ['on-strict', 'ffffd ffffd ffffd ffffd ffffd fffdf fffdf fffdf fffdf fffdf fffdf fffdf fffdf fffdf'],
    ['on', 'ffffd ffffd ffffc ffffb ffffa ffffa ffffb ffffc ffffd fffdf fffde fffde fffde fffde'],
  ] as const)('%s: buffers of the set-up at boot', (run, addresses) => {
    expect(new RecordedDisk(boot(run)).bootAddresses.join(' ')).toBe(addresses);
  });

  test.each([
    ['on-strict', ['ffffd000', 'ffffc000', 'ffff8000', 'fffe0000']],
    ['on', ['ffff9000', 'ffff8000', 'ffff4000', 'fffe0000']],
  ] as const)('%s: doorbells, events, completion and submission queue', (run, addresses) => {
    const { doorbells, events, completion, submission } = new RecordedDisk(boot(run));
    expect([doorbells, events, completion, submission].map((address) => address.toString(16))).toEqual(
      addresses,
    );
  });
});

describe('the edu device lent through VFIO', () => {
  /** 16 KiB of a process: its first two pages lie together in memory, or all four. */
  const buffer = (run: Run) =>
    run === 'on-pt'
      ? [DATA, DATA + PAGE, DATA + 4 * PAGE, DATA + 8 * PAGE]
      : [DATA, DATA + PAGE, DATA + 2 * PAGE, DATA + 3 * PAGE];

  function lend(run: Run) {
    const host = boot(run);
    const { kernel } = host;
    const phases: Record<string, ReturnType<typeof invalidations>> = {};
    const phase = (name: string, action: () => void) => {
      phases[name] = invalidations(host.during(action));
    };
    const contexts: Record<string, string[]> = {};
    phase('vfio-bind', () => kernel.claim(edu));
    let domain = null as ReturnType<typeof kernel.attachUnmanaged> | null;
    phase('vfio-set-iommu', () => {
      domain = kernel.attachUnmanaged(edu, 2);
    });
    if (domain === null) throw new Error('nothing attached');
    const { table } = domain;
    contexts['vfio-attached'] = [
      ...host.context('00:08.0'),
      `${table.leaves[1]} leaves`,
      `${table.tables} tables`,
    ];
    phase('vfio-mapped', () =>
      kernel.mapForOwner(
        domain as NonNullable<typeof domain>,
        0x10_0000,
        buffer(run).map((physical) => ({ physical, bytes: PAGE })),
      ),
    );
    contexts['vfio-mapped'] = [
      ...host.context('00:08.0'),
      `${table.leaves[1]} leaves`,
      `${table.tables} tables`,
    ];
    const counts = host.unit.translator.countRequester(edu);
    const misses = () => counts[Counter.iotlb_lookup] - counts[Counter.iotlb_hit];
    const before = misses();
    host.dma('00:08.0', 'read', 0x10_0000);
    host.dma('00:08.0', 'write', 0x10_2000);
    const missed = misses() - before;
    phase('vfio-unmap', () =>
      kernel.unmapForOwner(domain as NonNullable<typeof domain>, 0x10_0000, 4 * PAGE),
    );
    const logged = host.log.length;
    for (let i = 0; i < 16; i++) host.dma('00:08.0', 'write', 0x10_2000);
    host.clock.advance(FAULT_DELAY_NS);
    const messages = host.log.slice(logged);
    phase('vfio-close', () => kernel.release(edu));
    contexts['vfio-closed'] = host.context('00:08.0');
    return { phases, contexts, missed, messages, type: kernel.device(edu).defaultType };
  }

  /** Recorded: page-selective, domain and context invalidations of each phase. */
  const recorded: readonly [phase: string, pages: number, domains: number, contexts: number][] = [
    ['vfio-bind', 0, 1, 1],
    ['vfio-set-iommu', 2, 0, 0],
    ['vfio-mapped', 0, 0, 0],
    ['vfio-unmap', 1, 0, 0],
    ['vfio-close', 0, 1, 1],
  ];

  for (const run of ['default', 'on', 'on-strict', 'on-pt'] as const) {
    test(`${run}: what bind, attach, map, unmap and close invalidate`, () => {
      const { phases } = lend(run);
      for (const [phase, pages, domains, contexts] of recorded) {
        // In this run the four pages lay in more than one piece of memory: two invalidations of two pages each.
        const expected = run === 'on-pt' && phase === 'vfio-unmap' ? 2 : pages;
        const text = (p: number, d: number, c: number) => `${p} pages, ${d} domain, ${c} context`;
        const found = phases[phase];
        rows.push({
          run,
          phase,
          figure: 'invalidations',
          recorded: text(expected, domains, contexts),
          simulated: text(found.pages, found.domains, found.contexts),
        });
        expect([phase, found]).toEqual([phase, { pages: expected, domains, contexts }]);
      }
    });

    test(`${run}: the device misses the IOTLB once for its read and once for its write`, () => {
      expect(lend(run).missed).toBe(2);
    });

    test(`${run}: DMA after the unmap faults, and Linux prints the recorded lines`, () => {
      expect(lend(run).messages).toEqual([
        'DMAR: DRHD: handling fault status reg 2',
        'DMAR: [DMA Write NO_PASID] Request device [00:08.0] fault addr 0x102000 [fault reason 0x05] PTE Write access is not set',
      ]);
    });
  }

  test('the group shows its default type all along', () => {
    const types = (['default', 'on', 'on-strict', 'on-pt'] as const).map((run) => lend(run).type);
    expect(types).toEqual(['DMA-FQ', 'DMA-FQ', 'DMA', 'identity']);
  });

  test('context entry and tables are those of the recorded snapshot', () => {
    const { contexts } = lend('on-pt');
    for (const phase of ['vfio-attached', 'vfio-mapped', 'vfio-closed']) {
      const [entry] = snapshot(phase).filter(({ device }) => device === '00:08.0');
      const counts = entry.leaf === undefined ? [] : [`${entry.leaf} leaves`, `${entry.tables} tables`];
      // The address of the table is of the machine's memory, the rest is Linux's.
      const [lo, ...rest] = contexts[phase];
      expect([phase, low(lo), ...rest]).toEqual([phase, low(entry.lo), entry.hi, ...counts]);
    }
  });
});

describe('the snapshot of the tables under iommu=pt', () => {
  test('every device has the recorded context entry', () => {
    const host = boot('on-pt');
    const simulated = recordedFunctions.map(({ sourceId }) => host.context(bdf(sourceId)));
    expect(simulated).toEqual(snapshot('modules').map(({ lo, hi }) => [lo, hi]));
    rows.push({
      run: 'on-pt',
      phase: 'modules',
      figure: 'context entries',
      recorded: '9 of 0x9 0x102',
      simulated: `${simulated.filter(([lo, hi]) => lo === '0x9' && hi === '0x102').length} of 0x9 0x102`,
    });
  });

  test('a group that is changed to DMA-FQ gets the recorded entry and one table', () => {
    const host = boot('on-pt');
    host.kernel.setGroupType(nic, 'DMA-FQ');
    const [entry] = snapshot('type DMA-FQ').filter(({ device }) => device === '00:05.0');
    const [lo, hi] = host.context('00:05.0');
    const { attached } = host.kernel.device(nic);
    const tables = attached !== null && 'table' in attached ? attached.table?.tables : 0;
    expect([low(lo), hi, tables]).toEqual([low(entry.lo), entry.hi, entry.tables]);
  });
});

describe('a group whose type goes to identity, DMA and DMA-FQ', () => {
  // Recorded: an entry is cleared and written again only where the kind of domain changes; DMA to DMA-FQ is live.
  const recorded: Readonly<Record<string, number>> = { on: 2, 'on-pt': 1, 'on-strict': 2, default: 2 };
  for (const run of ['on', 'on-pt', 'on-strict', 'default'] as const) {
    test(`${run}: changes the context entry ${recorded[run]} times`, () => {
      const host = boot(run);
      const change = (type: 'identity' | 'DMA' | 'DMA-FQ') => () => host.kernel.setGroupType(nic, type);
      const written = (['identity', 'DMA', 'DMA-FQ'] as const).flatMap((type) => host.during(change(type)));
      const { contexts, domains } = invalidations(written);
      rows.push({
        run,
        phase: 'type identity, DMA, DMA-FQ',
        figure: 'context invalidations',
        recorded: `${recorded[run]}`,
        simulated: `${contexts}`,
      });
      expect([contexts, domains]).toEqual([recorded[run], recorded[run]]);
    });
  }
});

test('docs/agreement.md has the figures of these tests', () => {
  const table = rows
    .map(
      ({ run, phase, figure, recorded, simulated }) =>
        `| ${[run, phase, figure, recorded, simulated].join(' | ')} |`,
    )
    .join('\n');
  expect(readFileSync('docs/agreement.md', 'utf8')).toContain(table);
});

type SnapshotEntry = { device: string; lo: string; hi: string; leaf?: number; tables?: number };

/** Context entries of a phase, as they were read from the recorded machine's memory. */
function snapshot(phase: string): SnapshotEntry[] {
  const entries: SnapshotEntry[] = [];
  let isIn = false;
  for (const line of readFileSync('fixtures/linux-6.12/table-snapshot-pt.txt', 'utf8').split('\n')) {
    const entry = /^ +(\S+) (\{.*\})$/.exec(line);
    if (entry === null) isIn = line.startsWith(`${phase} `);
    else if (isIn) entries.push({ device: entry[1], ...JSON.parse(entry[2]) });
  }
  return entries;
}

const low = (lo: string): string => `0x${(Number(BigInt(lo) & 0xfffn)).toString(16)}`;
