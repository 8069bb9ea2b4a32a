import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseCommands } from '../../source/commands/parse.ts';
import { readPerfEvent } from '../../source/linux/unit/perf-event.ts';
import { finished } from '../../source/output/advancing.ts';
import { csvHeader, csvRows } from '../../source/output/csv.ts';
import type { Report } from '../../source/output/report.ts';
import { running } from '../../source/output/run.ts';
import { textReport } from '../../source/ui/report.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { LAZY, PASSTHROUGH, STRICT } from '../support/session.ts';

function run(boot: string, exec: string, timeNs: number, everyNs: number | null = null) {
  const reports: Report[] = [];
  const { commands } = parseCommands(exec);
  const work = running({ machine: { boot, seed: 42 }, timeNs, commands, everyNs }, (one) =>
    // Through JSON, as a program reads it.
    reports.push(JSON.parse(JSON.stringify(one))),
  );
  const { refusals } = finished(work);
  return { reports, last: reports[reports.length - 1], refusals };
}

const number = expect.any(Number);
const string = expect.any(String);
const hex = expect.stringMatching(/^0x[0-9a-f]+$/);
const oneOf = (...values: unknown[]) => ({
  asymmetricMatch: (value: unknown) => values.includes(value),
});

/** Null before a device's first request; a larger share never took less time. */
const isLatency = (value: { p50Ns: number; p99Ns: number; p999Ns: number } | null): boolean =>
  value === null || (0 < value.p50Ns && value.p50Ns <= value.p99Ns && value.p99Ns <= value.p999Ns);

const deviceShape = {
  name: oneOf('nic0', 'nvme0', 'gpu0', 'hba1', 'usb0', 'tb0'),
  bdf: expect.stringMatching(/^[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/),
  group: { asymmetricMatch: (value: unknown) => value === null || Number.isInteger(value) },
  owner: oneOf('host', 'guest A', 'guest B', 'none'),
  driver: { asymmetricMatch: (value: unknown) => value === null || typeof value === 'string' },
  defaultDomain: oneOf('identity', 'DMA', 'DMA-FQ', 'none'),
  attachedDomain: oneOf('identity', 'DMA', 'DMA-FQ', 'unmanaged', 'nested', 'blocked', 'none'),
  did: { asymmetricMatch: (value: unknown) => value === null || Number.isInteger(value) },
  pageBytes: oneOf(null, 4096, 2 ** 21, 2 ** 30),
  translationType: {
    asymmetricMatch: (value: unknown) => value === null || /^(TT|PGTT) = [01]+b$/.test(String(value)),
  },
  virtualIommu: oneOf('nested', 'shadow', null),
  emulated: expect.any(Boolean),
  untrusted: expect.any(Boolean),
  dma: { requests: number, bytes: number, throughputGbps: number, latency: expect.toSatisfy(isLatency) },
  iotlb_lookup: number,
  iotlb_hit: number,
  page_walks: number,
  faults: number,
  interrupts: number,
  interrupts_blocked: number,
};

const shape = {
  schema: 1,
  boot: string,
  seed: number,
  parameters: {},
  ignoredWords: expect.any(Array),
  simulatedNs: number,
  iommuReason: string,
  iommu_cpu_cycles: number,
  unit: { name: 'skylake', translation: expect.any(Boolean), gsts: hex, cap: hex, ecap: hex, rtaddr: hex },
  counters: {
    iommu_requests: number,
    ctxt_cache_lookup: number,
    ctxt_cache_hit: number,
    iotlb_lookup: number,
    iotlb_hit: number,
    ss_nonleaf_lookup: number,
    pasid_cache_lookup: number,
    pasid_cache_hit: number,
    fs_nonleaf_lookup: number,
    fs_nonleaf_hit: number,
    ss_nonleaf_hit: number,
    iommu_mrds: number,
    page_walks: number,
    faults: number,
    faults_recorded: number,
    interrupt_requests: number,
    interrupts_blocked: number,
    interrupts_posted: number,
    int_cache_lookup: number,
    int_cache_hit_nonposted: number,
    int_cache_hit_posted: number,
    translation_requests: number,
    translated_requests: number,
    ats_blocked: number,
    pg_req_posted: number,
    protected_blocked: number,
    invalidations: {
      context: number,
      iotlb_page: number,
      iotlb_domain: number,
      iotlb_global: number,
      interrupt_entry: number,
      device_tlb: number,
      pasid_cache: number,
      pasid_iotlb_page: number,
      pasid_iotlb_all: number,
      wait: number,
    },
  },
  cpus: expect.any(Array),
  perf: [],
  devices: Array.from({ length: 6 }, () => deviceShape),
  faults: expect.any(Array),
  vfio: [],
  dmesg: expect.arrayContaining([expect.stringMatching(/^\[ *\d+\.\d{6}\] /)]),
  memory: { corruptedPages: number, corrupted: expect.any(Array) },
  halted: null,
};

test.each([LAZY, STRICT, PASSTHROUGH, 'iommu=on', ''])(
  'with "%s" a report has the documented shape',
  (boot) => {
    const { last } = run(boot, 'dma nic0 write 0x1000000', 300_000);
    expect(last).toEqual(shape);
    for (const fault of last.faults)
      expect(fault).toEqual({
        timeNs: number,
        device: deviceShape.name,
        bdf: deviceShape.bdf,
        type: oneOf('read', 'write'),
        address: hex,
        reason: expect.stringMatching(/^0x[0-9a-f]{2}$/),
        dmesg: { asymmetricMatch: (text: unknown) => text === null || /^DMAR: \[DMA /.test(String(text)) },
      });
    for (const page of last.memory.corrupted)
      expect(page).toEqual({ address: hex, timeNs: number, device: string, bytes: number, owner: string });
    expect(last.memory.corrupted).toHaveLength(last.memory.corruptedPages);
  },
);

test('a refused write is told with its kernel message', () => {
  expect(run(STRICT, 'dma nic0 write 0x1000000', 10_000).last.faults).toContainEqual({
    timeNs: 0,
    device: 'nic0',
    bdf: '03:00.0',
    type: 'write',
    address: '0x1000000',
    reason: '0x05',
    dmesg:
      'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x1000000 [fault reason 0x05] PTE Write access is not set',
  });
});

describe('the time asked for', () => {
  test.each([
    ['', 1e6],
    ['dma nic0 write 0x1000000', 100_000],
    ['dma nic0 write 0x1000000; dma nic0 read 0x0; dma tb0 write 0x0', 100_000],
    ['device nic0 flip', 12_345],
  ])('after "%s" is kept to the nanosecond', (exec, timeNs) => {
    expect(run(LAZY, exec, timeNs).last.simulatedNs).toBe(timeNs);
  });

  test('is added to the time of run commands', () => {
    expect(run(LAZY, 'run 50us; dma nic0 write 0x0; run 20us', 30_000).last.simulatedNs).toBe(100_000);
  });

  test('counts from the last boot', () => {
    const { last } = run(LAZY, 'run 50us; boot iommu=pt', 30_000);
    expect(last).toMatchObject({ boot: 'iommu=pt', simulatedNs: 30_000, unit: { translation: false } });
  });

  test('is cut by reports along the way, the last of which comes at the end', () => {
    const times = run(LAZY, '', 100_000, 30_000).reports.map(({ simulatedNs }) => simulatedNs);
    expect(times).toEqual([30_000, 60_000, 90_000, 100_000]);
  });

  test('is not left paused by a command', () => {
    expect(run(LAZY, 'pause', 50_000).last.simulatedNs).toBe(50_000);
    expect(run(LAZY, 'run 10us; pause', 50_000).last.simulatedNs).toBe(60_000);
  });
});

test('the report says which words Linux ignored, and why the IOMMU is on or off', () => {
  expect(run('iommu=on quiet', '', 1000).last).toMatchObject({
    ignoredWords: ['iommu=on'],
    iommuReason: 'no intel_iommu=on, and the kernel was not built with it on',
  });
  expect(textReport(run('iommu=on', '', 1000).last)).toContain('IOMMU        off (no intel_iommu=on, and ');
});

test('a run that is stopped reports how far it came', () => {
  const reports: Report[] = [];
  const options = { machine: { boot: LAZY, seed: 42 }, timeNs: 5e6, commands: [], everyNs: 1e6 };
  const work = running(options, (one) => reports.push(one));
  let step = work.next();
  while (step.done !== true) step = work.next(step.value.doneNs > 2.5e6 ? 'stop' : undefined);
  expect(reports.map(({ simulatedNs }) => simulatedNs)).toEqual([1e6, 2e6, 2.6e6]);
});

test('the text has a line for each device, and no hit rate is rounded up to all', () => {
  const { last } = run(STRICT, '', 1e6);
  const [nic] = last.devices;
  const seldom = { ...nic, iotlb_lookup: 100_000, iotlb_hit: 99_999 };
  const lines = textReport({ ...last, devices: [seldom, ...last.devices.slice(1)] }).split('\n');
  const table = lines.slice(lines.findIndex((line) => line.startsWith('device')) + 1);
  expect(table.slice(0, 6).map((line) => line.split(/ +/)[0])).toEqual(last.devices.map(({ name }) => name));
  expect(table[0]).toMatch(/ 99\.9% /);
});

test('reports along the way do not change the last one', () => {
  expect(run(LAZY, 'dma nic0 write 0x0', 100_000, 7_000).last).toEqual(
    run(LAZY, 'dma nic0 write 0x0', 100_000).last,
  );
});

test('commands that Linux refuses are told, and the others are carried out', () => {
  const { refusals, last } = run(PASSTHROUGH, 'device tb0 passthrough; device nic0 translated', 10_000);
  expect(refusals).toEqual([expect.stringMatching(/untrusted.*\(EINVAL\)$/)]);
  expect(last.devices[0].attachedDomain).toBe('DMA-FQ');
});

describe('CSV', () => {
  const parse = (text: string) =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split(','));

  test('has a row for each device and moment, as many cells as the header, and the values of the report', () => {
    const { reports } = run(STRICT, '', 60_000, 20_000);
    const [header] = parse(csvHeader());
    const rows = reports.flatMap((report) => parse(csvRows(report)));
    expect(rows).toHaveLength(3 * 6);
    for (const row of rows) expect(row).toHaveLength(header.length);
    const cells = Object.fromEntries(header.map((name, i) => [name, rows[6][i]]));
    const [nic] = reports[1].devices;
    expect(cells).toEqual({
      simulatedNs: '40000',
      device: 'nic0',
      bdf: '03:00.0',
      group: '14',
      owner: 'host',
      defaultDomain: 'DMA',
      attachedDomain: 'DMA',
      emulated: 'false',
      requests: String(nic.dma.requests),
      bytes: String(nic.dma.bytes),
      iotlb_lookup: String(nic.iotlb_lookup),
      iotlb_hit: String(nic.iotlb_hit),
      page_walks: String(nic.page_walks),
      faults: String(nic.faults),
      throughputGbps: String(nic.dma.throughputGbps),
      p50Ns: String(nic.dma.latency?.p50Ns),
      p99Ns: String(nic.dma.latency?.p99Ns),
    });
  });

  test('leaves empty what is unknown', () => {
    const rows = parse(csvRows(run('', '', 1000).last));
    expect(rows[0].slice(0, 5)).toEqual(['1000', 'nic0', '03:00.0', '', 'host']);
  });
});

describe('the page about the report', () => {
  const page = readFileSync('docs/report.md', 'utf8');

  /** Every field of a value with its path, `devices[].dma.requests`. */
  function paths(value: unknown, at = ''): string[] {
    if (Array.isArray(value)) return [...new Set(value.flatMap((item) => paths(item, `${at}[]`)))];
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).flatMap(([name, inner]) => {
      const path = at === '' ? name : `${at}.${name}`;
      return [path, ...paths(inner, path)];
    });
  }

  test('explains every field of a real report, and no other', () => {
    const faulty = run(
      LAZY,
      'device hba1 guest A; device nvme0 passthrough; dma nvme0 write 0x1000000; dma nic0 write 0x0',
      20_000,
    ).last;
    expect(faulty.faults.length * faulty.memory.corruptedPages).toBeGreaterThan(0);
    const explained = [...page.matchAll(/^\| `(.+?)` \|/gm)].map(([, field]) => field);
    expect(explained).toEqual(paths(faulty));
  });

  test('names every column of the CSV', () => {
    for (const column of csvHeader().trim().split(','))
      expect(page.split('## CSV')[1]).toContain(`\`${column}\``);
  });
});

test('events of performance monitoring are counted from boot, whole and in parts', () => {
  const machine = (words: string[]) => ({
    boot: LAZY,
    seed: 42,
    unit: presets.server,
    perf: words.map((text) => readPerfEvent(text, presets.server)),
  });
  const reports: Report[] = [];
  const words = [
    'iotlb_lookup',
    'iotlb_lookup,filter_requester_id=03:00.0',
    'dmar0/iommu_requests,filter_domain=0xffff/',
  ];
  finished(
    running({ machine: machine(words), timeNs: 1e6, commands: [], everyNs: null }, (one) =>
      reports.push(one),
    ),
  );
  const [{ perf, counters, devices }] = reports;

  expect(perf.map(({ event }) => event)).toEqual(words);
  expect(perf.map(({ count }) => count)).toEqual([
    counters.iotlb_lookup,
    devices.find(({ name }) => name === 'nic0')?.iotlb_lookup,
    0,
  ]);
  expect(counters.iotlb_lookup).toBeGreaterThan(0);
});

test.each([
  ['iotlb_lookups', presets.server, 'no event "iotlb_lookups". Did you mean iotlb_lookup?'],
  [
    'iotlb_lookup',
    presets.skylake,
    'unit skylake has no performance counters (ECAP.PMS is 0); --unit server has',
  ],
  ['iommu_clocks', presets.server, 'unit server does not advertise iommu_clocks'],
  ['iotlb_hit,filter_domian=1', presets.server, 'no filter "filter_domian". Did you mean filter_domain?'],
  [
    'iotlb_hit,filter_domain=65536',
    presets.server,
    'filter_domain: expected a number from 0 to 0xffff; got "65536"',
  ],
  [
    'iotlb_hit,filter_pasid',
    presets.server,
    'filter_pasid: expected a number from 0 to 0xfffff; got nothing',
  ],
])('the event %s is refused', (text, unit, message) => {
  expect(() => readPerfEvent(text, unit)).toThrow(message);
});
