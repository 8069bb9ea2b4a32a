import { expect, test } from 'vitest';
import { settle } from '../../source/ui/settle.ts';
import { running, snapshot } from './fixture.ts';
import { afterKeys, rowsOf, sceneFor } from './scene.ts';

const keys = (text: string): string[] =>
  [...text].map((character) => (character === ' ' ? 'space' : character));

const file = { notice: 0, started: true, from: 0, across: 0 };

const opened = (lines: readonly string[], more = 0) =>
  sceneFor(
    snapshot({ inspected: { path: '/sys/kernel/iommu_groups/3/type', timeNs: 2_500_000, lines, more } }),
    { file },
  );

test(':inspect asks for a file, and it opens once it has been read', () => {
  const path = '/sys/class/iommu/dmar0/intel-iommu/cap';
  const asked = afterKeys(sceneFor(running), ':', ...keys(`inspect ${path}`), 'enter');
  expect(asked.commands).toEqual([{ name: 'inspect', path }]);
  const { selection } = asked;
  expect(selection.file).toMatchObject({ started: false });
  const notice = { id: (running.notice?.id ?? 0) + 1, ok: true, text: '', linux: [] };
  const inspected = { path, timeNs: 0, lines: ['d2008c40660462'], more: 0 };
  const read = sceneFor(snapshot({ notice, inspected }), selection);
  expect(settle(read)).toContainEqual({ do: 'file', file: { ...selection.file, started: true } });
  const refused = sceneFor(snapshot({ notice: { ...notice, ok: false } }), selection);
  expect(settle(refused)).toContainEqual({ do: 'file', file: null });
});

test('tab completes paths of the devices on the screen', () => {
  const { selection } = afterKeys(
    sceneFor(running),
    ':',
    ...keys('inspect /sys/class/iommu/dmar0/intel-iommu/v'),
    'tab',
  );
  expect(selection.prompt?.line.text.trimEnd()).toBe('inspect /sys/class/iommu/dmar0/intel-iommu/version');
});

test('a file lies over the body with its path, and tabs are as wide as in a terminal', () => {
  const rows = rowsOf(opened(['a\tb', 'identity']));
  const text = rows.join('\n');
  expect(text).toContain('/sys/kernel/iommu_groups/3/type');
  expect(text).toContain('as of 2.500 ms');
  expect(rows.at(-1)).toMatch(/esc close {2}↑↓ scroll {2}←→ sideways/);
  expect(text).toContain(' a       b');
  expect(text).toContain(' identity');
});

test('a long file is scrolled, sideways too, and says how much is left', () => {
  const lines = Array.from({ length: 100 }, (_, i) => `${' '.repeat(90)}line ${i}`);
  const scene = opened(lines, 5);
  expect(rowsOf(scene).join('\n')).toMatch(/\d+ more/);
  const { scene: down } = afterKeys(scene, 'pagedown', 'down', ...Array(11).fill('right'));
  expect(rowsOf(down).join('\n')).toContain('line 11');
  const { scene: end } = afterKeys(down, 'end');
  expect(rowsOf(end).join('\n')).toContain('line 99');
});

test('esc closes it; another key closes it and does what it does', () => {
  expect(afterKeys(opened(['x']), 'escape').selection.file).toBeNull();
  const { selection } = afterKeys(opened(['x']), '2');
  expect([selection.file, selection.view]).toEqual([null, 'tables']);
});
