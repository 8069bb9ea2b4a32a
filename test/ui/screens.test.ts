import { expect, test } from 'vitest';
import { lineOf } from '../../source/ui/line.ts';
import type { Selection } from '../../source/ui/selection.ts';
import {
  compared,
  corruption,
  examining,
  flipped,
  iommuOff,
  measuring,
  playing,
  recorded,
  running,
  stopped,
} from './fixture.ts';
import {
  belowNestedTables,
  firstStageTables,
  GUEST_PAGE,
  nestedDma,
  nestedTables,
  scalableFaults,
  walkedStep,
} from './nested-machine.ts';
import { type Size, textFor } from './scene.ts';

const bootPrompt: Partial<Selection> = {
  prompt: {
    kind: 'boot',
    line: lineOf('intel_iommu=on iommu=pt iommu.strct=1'),
    error: null,
    open: [],
    past: -1,
    draft: '',
    from: 'overview',
  },
};

const unanswered = {
  ...running,
  faultRegisters: {
    ...running.faultRegisters,
    queue: { IQE: 0, ITE: 3, ICE: 1, last: 'DMAR: VT-d detected Invalidation Time-out Error: SID 100' },
  },
};

const onHba1 = { device: 'hba1' } as const;
const atPdpt = { ...onHba1, view: 'dma', transaction: 18442, step: 5 } as const;

const scene = playing.demo!;
const failedScene = {
  ...playing,
  demo: {
    ...scene,
    results: [scene.results[0], { expression: 'corrupted_pages = 1', holds: false, got: '0' }],
  },
};
const values = (walks: number, waits: number, cycles: number, stray: string) => [
  { heading: 'walks', value: walks },
  { heading: 'QI waits', value: waits },
  { heading: 'CPU cycles for each page', value: cycles },
  { heading: 'stray write', value: stray },
];
const measured = {
  ...playing,
  demo: {
    ...scene,
    measured: [
      { row: 'lazy', values: values(1000, 3, 1973.25, 'blocked') },
      { row: 'strict', values: values(1000, 1000, 3794, 'blocked') },
      { row: 'pt', values: values(0, 0, 0, 'passed') },
      { row: 'nobody asked', values: [] },
    ],
  },
};
const atTheEnd = {
  ...playing,
  demo: { ...scene, scene: 9, heading: 'Explore on your own.', results: [], next: null },
};

const screens = {
  overview: [running, {}],
  'overview-corruption': [corruption, {}],
  'overview-flipped': [flipped, {}],
  'overview-off': [iommuOff, {}],
  'overview-recorded': [recorded, {}],
  'boot-prompt': [running, bootPrompt],
  'boot-log': [running, { log: { notice: 0, started: true, lines: 9 } }],
  tables: [examining, { ...onHba1, view: 'tables' }],
  'tables-context': [examining, { ...onHba1, view: 'tables', level: 2 }],
  'tables-nested': [nestedTables, { ...onHba1, view: 'tables' }],
  'tables-pasid': [nestedTables, { ...onHba1, view: 'tables', level: 4 }],
  'tables-below': [
    belowNestedTables,
    { ...onHba1, view: 'tables', address: '0xfffff000', below: GUEST_PAGE },
  ],
  'tables-first-stage': [firstStageTables, { device: 'nic0', view: 'tables' }],
  'dma-nested': [nestedDma, { ...onHba1, view: 'dma', ...walkedStep('paging entry', 3, 4) }],
  'dma-nested-first-stage': [nestedDma, { ...onHba1, view: 'dma', ...walkedStep('first-stage entry', 2, 2) }],
  'dma-nested-end': [nestedDma, { ...onHba1, view: 'dma', ...walkedStep('none', 0, null) }],
  'faults-scalable': [scalableFaults, { view: 'faults' }],
  dma: [examining, atPdpt],
  'dma-refused': [examining, { ...onHba1, view: 'dma', transaction: 18440 }],
  faults: [running, { view: 'faults' }],
  'faults-none': [iommuOff, { view: 'faults' }],
  'faults-queue': [unanswered, { view: 'faults' }],
  compare: [compared, { view: 'compare' }],
  'compare-none': [running, { view: 'compare' }],
  experiments: [running, { view: 'experiments', cursors: { experiments: 2 } }],
  'experiments-running': [measuring, { view: 'experiments', cursors: { experiments: 2 } }],
  'experiments-stopped': [stopped, { view: 'experiments', cursors: { experiments: 6 } }],
  help: [running, { help: 'keys' }],
  'help-words': [running, { help: 'words' }],
  'help-commands': [running, { help: 'commands' }],
  demo: [playing, { entered: 1 }],
  'demo-failed': [failedScene, { entered: 1 }],
  'demo-end': [atTheEnd, { entered: 1 }],
  'demo-measured': [measured, { entered: 1 }],
  'demo-notice': [{ ...playing, notice: flipped.notice }, { entered: 1 }],
} as const;

const sizes: readonly Size[] = [
  [60, 20],
  [80, 24],
  [100, 30],
  [200, 60],
];

const cases = Object.keys(screens).flatMap((name) =>
  sizes.map((size) => [name, size.join('x'), size] as const),
);

test.each(cases)('%s at %s looks as it did', async (name, text, size) => {
  const [snapshot, selection] = screens[name as keyof typeof screens];
  const file = `../../fixtures/screens/${name}-${text}`;

  await expect(textFor(snapshot, selection, size)).toMatchFileSnapshot(`${file}.txt`);
  await expect(textFor(snapshot, { ...selection, ascii: true }, size)).toMatchFileSnapshot(
    `${file}.ascii.txt`,
  );
});

test('a window that is too small shows the devices and the size it needs', async () => {
  await expect(textFor(running, {}, [46, 14])).toMatchFileSnapshot('../../fixtures/screens/small-46x14.txt');
});

test('a window that is too small for a view shows what the demo says', async () => {
  const file = '../../fixtures/screens/demo-46x14.txt';
  await expect(textFor(failedScene, { entered: 1 }, [46, 14])).toMatchFileSnapshot(file);
});
