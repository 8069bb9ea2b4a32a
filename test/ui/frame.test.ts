import { expect, test } from 'vitest';
import { drawFrame } from '../../source/ui/frame.ts';
import { lineOf } from '../../source/ui/line.ts';
import { rowWidth, textOf } from '../../source/ui/rows.ts';
import type { Prompt, Selection } from '../../source/ui/selection.ts';
import { views } from '../../source/ui/views/index.ts';
import {
  corruption,
  examining,
  flipped,
  iommuOff,
  recorded,
  running,
  snapshot,
  strayWrite,
} from './fixture.ts';
import { belowNestedTables, GUEST_PAGE, nestedDma } from './nested-machine.ts';
import { rowsOf, type Size, sceneFor } from './scene.ts';

const prompt = (kind: Prompt['kind'], text: string): Prompt => ({
  kind,
  line: lineOf(text),
  error: null,
  open: [],
  past: -1,
  draft: text,
  from: 'overview',
});

const nothing = snapshot({
  devices: [],
  series: [],
  events: [],
  faults: [],
  dmesg: [],
  counters: {} as never,
  rates: { requests: 0, iotlb_lookup: 0, iotlb_hit: 0, page_walks: 0, faults: 0 },
});

const machines = {
  nestedDma,
  belowNestedTables,
  running,
  examining,
  iommuOff,
  corruption,
  flipped,
  recorded,
  nothing,
};

const open: Record<string, Partial<Selection>> = {
  'nothing open': {},
  'on hba1': { device: 'hba1' },
  'below hba1': { device: 'hba1', below: GUEST_PAGE },
  'boot prompt': { prompt: prompt('boot', 'intel_iommu=on iommu=on iommu.strct=1 '.repeat(6)) },
  'command prompt': { prompt: prompt('command', 'device nic0 fl') },
  'filter prompt': { prompt: prompt('filter', 'tb0'), filter: 'tb0' },
  help: { help: 'keys' },
  'boot log': { log: { notice: 0, started: true, lines: 9 } },
  message: { message: 'No such key here: m. '.repeat(9) },
};

const sizes: Size[] = [];
for (let columns = 20; columns <= 220; columns += 40) {
  for (let rows = 5; rows <= 70; rows += 13) sizes.push([columns, rows]);
}
sizes.push(
  [60, 20],
  [59, 20],
  [60, 19],
  [80, 24],
  [100, 30],
  [130, 36],
  [180, 50],
  [200, 60],
  [1, 1],
  [400, 110],
);

test.each(Object.keys(machines))(
  '%s: every frame has exactly the rows of the window and no row is wider',
  (name) => {
    const machine = machines[name as keyof typeof machines];
    for (const view of views) {
      for (const [what, selection] of Object.entries(open)) {
        for (const size of sizes) {
          const rows = drawFrame(sceneFor(machine, { view: view.name, ...selection }, size));
          const widest = Math.max(...rows.map(rowWidth));
          const frame = `${view.name} with ${what} at ${size.join('x')}`;

          expect(`${frame}: ${rows.length} rows`).toBe(`${frame}: ${size[1]} rows`);
          expect(widest, frame).toBeLessThanOrEqual(size[0]);
          expect(
            rows.some((row) => textOf(row).trim() !== ''),
            frame,
          ).toBe(true);
        }
      }
    }
  },
);

test('without Unicode every frame is ASCII and every column stays where it was', () => {
  for (const view of views) {
    for (const size of [
      [60, 20],
      [80, 24],
      [100, 30],
      [200, 60],
    ] as const) {
      const scene = { view: view.name, device: 'hba1' };
      const unicode = rowsOf(sceneFor(examining, scene, size));
      const ascii = rowsOf(sceneFor(examining, { ...scene, ascii: true }, size));

      expect(ascii.join('')).toMatch(/^[\x20-\x7e]*$/);
      expect(ascii.map((row) => row.length)).toEqual(unicode.map((row) => [...row].length));
    }
  }
});

test('nothing moves when numbers change: labels and bars of words stay in their columns', () => {
  const busier = snapshot({
    timeNs: 9_999_123_000,
    speed: 1 / 16,
    devices: running.devices.map((each) => ({
      ...each,
      rates: { ...each.rates, requests: each.rates.requests / 977, iotlb_hit: 1 },
    })),
  });
  for (const size of [
    [60, 20],
    [80, 24],
    [100, 30],
    [200, 60],
  ] as const) {
    const places = (machine: typeof running) =>
      rowsOf(sceneFor(machine, {}, size)).map((row) =>
        [...row.matchAll(/host|vm A|DMA\/s|walk\/s|◆|╋|▶ |seed/g)].map(({ index }) => index),
      );

    expect(places(busier)).toEqual(places(running));
  }
});

test('a name from a recording cannot move the cursor', () => {
  const hostile = snapshot({
    devices: running.devices.map((each) => ({ ...each, name: 'nic\x1b[2J0', owner: 'guest \x07A' as const })),
    boot: 'quiet\r\n\x1b]0;title\x07',
    phase: '\x1b[?1049l',
    title: 'a\nb',
    source: 'trace',
  });

  for (const view of views) {
    expect(rowsOf(sceneFor(hostile, { view: view.name }, [100, 30])).join('')).not.toMatch(/\p{Cc}/u);
  }
});

test('a long boot line is cut in its middle and pushes nothing away', () => {
  const boot = `root=/dev/vda2 ${'quiet splash '.repeat(20)}iommu=pt`;
  const header = rowsOf(sceneFor(snapshot({ boot }), {}, [80, 24]))[0];

  expect(header).toMatch(/^ dmascope {2}root=\/dev.*….*iommu=pt +▶ RUN 1x +12\.480 ms $/);
});

test('a stray write in passthrough shows no walk, and what it overwrote', () => {
  const scene = sceneFor(
    snapshot({ transactions: [strayWrite] }),
    { view: 'dma', device: 'nic0' },
    [100, 30],
  );
  const text = rowsOf(scene).join('\n');

  expect(text).not.toContain('PML4');
  expect(text).toContain('kernel text');
  expect(text).toContain('It cost 2 memory reads');
  expect(text).toContain('✖');
});

test('a recording says that it has no steps and no tables', () => {
  const dma = rowsOf(sceneFor(recorded, { view: 'dma' })).join('\n');
  const tables = rowsOf(sceneFor(recorded, { view: 'tables' })).join('\n');

  expect(dma).toContain('A recording has no single steps');
  expect(tables).toMatch(/It has no copy of the\s+memory/);
});

test('no faults with the IOMMU off is explained, with the key that changes it', () => {
  const text = rowsOf(sceneFor(iommuOff, { view: 'faults' })).join('\n');

  expect(text).toContain('No faults: the IOMMU is off.');
  expect(text).toMatch(/ b +edit the boot line/);
});
