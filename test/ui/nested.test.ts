/** Nested translation on the screen: into the second stage and back, and a walk explained read by read. */
import { expect, test } from 'vitest';
import { explainAll } from '../../source/ui/parts/step-table.ts';
import { secondStageShape, walkShape } from '../../source/ui/walk-indices.ts';
import { belowNestedTables, GUEST_PAGE, nestedDma, nestedTables, walkedStep } from './nested-machine.ts';
import { afterKeys, rowsOf, type Size, sceneFor } from './scene.ts';

const hba1 = { device: 'hba1', view: 'tables', address: '0xfffff000' } as const;
const sizes: readonly Size[] = [
  [80, 24],
  [100, 30],
  [200, 60],
];

test('enter follows the guest-physical address of an entry into the second stage, and esc comes back', () => {
  const down = afterKeys(sceneFor(nestedTables, hba1), 'enter');
  expect(down.selection).toMatchObject({ below: GUEST_PAGE, view: 'tables' });
  // From the directory up there is nothing of the guest's: enter goes on along the way.
  const upper = afterKeys(sceneFor(nestedTables, { ...hba1, level: 3 }), 'enter');
  expect(upper.selection).toMatchObject({ below: null, level: 4 });
  const pasid = afterKeys(sceneFor(nestedTables, { ...hba1, level: 4 }), 'enter');
  expect(pasid.selection).toMatchObject({ below: '0x100000', level: 4 });
  const back = afterKeys(sceneFor(belowNestedTables, { ...hba1, below: GUEST_PAGE }), 'left', 'escape');
  expect(back.selection).toMatchObject({ below: null, belowLevel: null, view: 'tables' });
});

test('in the second stage another entry is another address of the guest, and another level another table', () => {
  const scene = sceneFor(belowNestedTables, { ...hba1, below: GUEST_PAGE });
  expect(afterKeys(scene, 'down').selection.below).toBe('0x201000');
  expect(afterKeys(scene, 'left').selection).toMatchObject({ below: GUEST_PAGE, belowLevel: 3 });
});

test.each(sizes)(
  'at %dx%d each table of the guest has its guest-physical and its host-physical address',
  (...size) => {
    for (const [level, text] of [
      [5, 'PML4 at guest 0x00100000, host 0x08a100000'],
      [8, 'PT at guest 0x00103000, host 0x08a103000'],
    ] as const) {
      expect(rowsOf(sceneFor(nestedTables, { ...hba1, level }, size)).join('\n')).toContain(text);
    }
    const below = rowsOf(sceneFor(belowNestedTables, { ...hba1, below: GUEST_PAGE }, size)).join('\n');
    expect(below).toContain('second stage of guest 0x00200000');
    expect(below).toContain('is host-physical 0x08a200000');
  },
);

test.each(sizes)('at %dx%d the walk under the cursor is open, and every other one is a line', (...size) => {
  const chosen = walkedStep('paging entry', 1, 0);
  const text = rowsOf(sceneFor(nestedDma, { device: 'hba1', view: 'dma', ...chosen }, size)).join('\n');
  expect(text).toMatch(/▸✓ \d+ +PT\[0\]/);
  expect(text).toMatch(/\d+ second stage +0x00103ff8 +1 read/);
  expect(text).not.toMatch(/second stage +0x00200000/);
});

test('every step of a nested walk says what was read, what that means and by which chapter', () => {
  const { kept } = walkedStep('paging entry', 1, 0);
  const explained = explainAll(kept);
  for (const [i, { label, meaning, why }] of explained.entries()) {
    expect(
      [label, meaning, why].every((text) => text !== ''),
      `step ${i}`,
    ).toBe(true);
    expect(why).not.toMatch(/undefined|NaN|null/);
  }
  expect(kept.steps.every(({ clause }) => clause !== '')).toBe(true);
  expect(
    explained.some(({ why }) => why.includes("This finds the guest's PML4 entry at guest-physical")),
  ).toBe(true);
  expect(explained.some(({ why }) => why.includes('PGTT is 011b'))).toBe(true);
});

test('the address is cut as the first stage cuts it, and inside the second stage the one of the guest is', () => {
  const { kept, step } = walkedStep('paging entry', 1, 0);
  expect(walkShape(kept)).toEqual({ levels: 4, leaf: 1 });
  expect(secondStageShape(kept, step ?? 0)).toEqual({ levels: 5, leaf: 1 });
  expect(secondStageShape(kept, kept.steps.length)).toBeNull();
});
