import { expect, test } from 'vitest';
import { paste } from '../../source/ui/press.ts';
import { nextLogLine, settle } from '../../source/ui/settle.ts';
import { examining, iommuOff, running, snapshot } from './fixture.ts';
import { afterKeys, rowsOf, sceneFor } from './scene.ts';

const keys = (text: string): string[] =>
  [...text].map((character) => (character === ' ' ? 'space' : character));

test('b edits the boot line of the machine, enter reboots with the new one', () => {
  const { commands, selection } = afterKeys(
    sceneFor(running),
    'b',
    'ctrl-u',
    ...keys('intel_iommu=off'),
    'enter',
  );

  expect(commands).toEqual([{ name: 'boot', line: 'intel_iommu=off' }]);
  expect(selection.prompt).toBeNull();
});

test('in a prompt letters are text, not keys', () => {
  const { commands, requests, selection } = afterKeys(sceneFor(running), 'b', ...keys(' quiet'));

  expect([commands, requests]).toEqual([[], []]);
  expect(selection.prompt?.line.text).toBe('intel_iommu=on iommu=pt quiet');
});

test('esc keeps the old boot line and returns to the view before', () => {
  const { commands, selection } = afterKeys(sceneFor(running, { view: 'faults' }), 'b', 'x', 'escape');

  expect(commands).toEqual([]);
  expect(selection).toMatchObject({ view: 'faults', prompt: null });
});

test('while the boot line is written the screen says what each word does and who would change', () => {
  const { scene } = afterKeys(sceneFor(running, {}, [100, 30]), 'b', ...keys(' iommu=on'));
  const text = rowsOf(scene).join('\n');

  expect(text).toMatch(/iommu=pt +host devices get identity domains/);
  expect(text).toMatch(/iommu=on .*\s+Did you mean intel_iommu=on\?/);
  expect(text).toMatch(/nvme0 +DMA lazy +→ PT +identity/);
  expect(text).toContain('VFIO always translates');
});

test('c offers another boot line for a second machine, with the same preview', () => {
  const asked = afterKeys(sceneFor(running, { view: 'compare' }), 'c');
  expect(rowsOf(asked.scene).join('\n')).toContain('Boot line of a second machine');
  expect(asked.selection.prompt?.line.text).toBe('intel_iommu=on');
  expect(afterKeys(asked.scene, 'enter').commands).toEqual([{ name: 'compare', line: 'intel_iommu=on' }]);
  expect(afterKeys(asked.scene, 'escape').selection).toMatchObject({ view: 'compare', prompt: null });
});

test('the boot line of the machine itself is nothing to compare with', () => {
  const { commands, scene } = afterKeys(sceneFor(running), 'c', ...keys(' iommu=pt'), 'enter');
  expect(commands).toEqual([]);
  expect(rowsOf(scene).join('\n')).toContain('nothing would differ');
});

test('e in Tables begins the command that writes the chosen entry', () => {
  const tables = { view: 'tables', device: 'hba1' };
  const of = (level: number | null) =>
    afterKeys(sceneFor(examining, { ...tables, level }), 'e').selection.prompt?.line.text;
  expect(of(2)).toBe('entry hba1 context ');
  expect(of(null)).toMatch(/^entry hba1 page 0x[0-9a-f]+ $/);
  expect(of(4)).toBeUndefined();
});

test('tab completes words of the boot line', () => {
  const { selection } = afterKeys(sceneFor(iommuOff), 'b', 'ctrl-u', ...keys('iommu.str'), 'tab', '1');

  expect(selection.prompt?.line.text).toBe('iommu.strict=1');
});

test('lines typed before come back with the up key, the one being written with down', () => {
  const first = afterKeys(sceneFor(running), 'b', 'ctrl-u', ...keys('iommu=pt'), 'enter');
  const again = afterKeys(first.scene, 'b', 'up');
  expect(again.selection.prompt?.line.text).toBe('iommu=pt');

  expect(afterKeys(again.scene, 'down').selection.prompt?.line.text).toBe('intel_iommu=on iommu=pt');
});

test('a command is typed after a colon', () => {
  const { commands } = afterKeys(sceneFor(running), ':', ...keys('device hba1 host'), 'enter');

  expect(commands).toEqual([{ name: 'device', device: 'hba1', to: 'host' }]);
});

test('a wrong command stays, with what is wrong about it', () => {
  const { commands, scene, selection } = afterKeys(
    sceneFor(running),
    ':',
    ...keys('devise nic0 flip'),
    'enter',
  );

  expect(commands).toEqual([]);
  expect(selection.prompt?.error).toContain('devise');
  expect(rowsOf(scene).join('\n')).toContain('expected a command');
});

test('what a source refuses is not sent', () => {
  const scene = sceneFor(running, {}, [80, 24], () => 'a recording cannot be changed');
  const { commands, selection } = afterKeys(scene, ':', ...keys('device nic0 flip'), 'enter');

  expect(commands).toEqual([]);
  expect(selection.prompt?.error).toBe('a recording cannot be changed');
});

test('some commands are about the screen alone', () => {
  expect(afterKeys(sceneFor(running), ':', ...keys('open tables hba1'), 'enter').selection).toMatchObject({
    view: 'tables',
    device: 'hba1',
  });
  expect(afterKeys(sceneFor(running), ':', ...keys('theme light'), 'enter').selection.theme).toBe('light');
  expect(afterKeys(sceneFor(running), ':', 'q', 'enter').requests).toEqual(['quit']);
});

test('tab completes a command word by word', () => {
  const { selection } = afterKeys(
    sceneFor(running),
    ':',
    ...keys('dev'),
    'tab',
    // Two commands begin like this, device and device-tlb.
    ...keys(' nv'),
    'tab',
    ...keys('fl'),
    'tab',
  );

  expect(selection.prompt?.line.text).toBe('device nvme0 flip ');
});

test('the filter works while it is typed, and esc takes it away', () => {
  const typed = afterKeys(sceneFor(running), '/', ...keys('guest'));
  const text = rowsOf(typed.scene).join('\n');
  expect(text).toContain('hba1');
  expect(text).not.toContain('usb0');

  expect(afterKeys(typed.scene, 'escape').selection.filter).toBe('');
  const kept = afterKeys(typed.scene, 'enter');
  expect(kept.selection).toMatchObject({ filter: 'guest', prompt: null });
  expect(afterKeys(kept.scene, 'escape').selection.filter).toBe('');
});

test('pasted text goes into an open prompt and nowhere else', () => {
  expect(paste(sceneFor(running), 'q')).toEqual([]);
  expect(paste(afterKeys(sceneFor(running), ':').scene, 'step 3')).toEqual([
    { action: { do: 'edit', edit: { insert: 'step 3' } } },
  ]);
});

test('after a reboot the kernel log is printed line by line, and any key skips it', () => {
  const asked = afterKeys(sceneFor(running), 'b', 'enter');
  expect(asked.selection.log).toMatchObject({ started: false });

  const booted = { ...running, notice: { id: 1, ok: true, text: 'Booted.', linux: [] } };
  const scene = sceneFor(booted, asked.selection);
  const [start] = settle(scene);
  expect(start).toEqual({ do: 'log', log: { notice: 0, started: true, lines: 1 } });

  const shown = sceneFor(booted, { log: { notice: 0, started: true, lines: 2 } });
  expect(rowsOf(shown).join('\n')).toContain('intel_iommu=on was found on the command line');
  expect(rowsOf(shown)[0]).toMatch(/↻ BOOT +0\.000 ms/);
  expect(nextLogLine(shown)).toEqual({ do: 'log', log: { notice: 0, started: true, lines: 3 } });
  expect(afterKeys(shown, 't')).toMatchObject({ commands: [], selection: { log: null } });
});

test('a reboot that was refused shows no log', () => {
  const refused = snapshot({ notice: { id: 3, ok: false, text: 'No.', linux: [] } });

  expect(settle(sceneFor(refused, { log: { notice: 2, started: false, lines: 0 } }))).toEqual([
    { do: 'log', log: null },
  ]);
});

test('while the machine runs, the shown request is kept', () => {
  const machine = snapshot({
    transactions: [{ ...running.transactions[0], id: 1, device: 'nic0', steps: [], address: '0x1' } as never],
  });

  expect(settle(sceneFor(machine, { view: 'dma' }))).toMatchObject([
    { do: 'choose', change: { transaction: 1 } },
  ]);
  expect(settle(sceneFor({ ...machine, state: 'paused' }, { view: 'dma' }))).toEqual([]);
});

test('the help page opens, scrolls and closes; other keys work through it', () => {
  const opened = afterKeys(sceneFor(running), '?');
  expect(rowsOf(opened.scene).join('\n')).toContain('Keys in Overview');
  expect(afterKeys(opened.scene, 'down', 'down', 'up').selection.helpFrom).toBe(1);
  expect(afterKeys(opened.scene, 'escape').selection.help).toBeNull();
  expect(afterKeys(opened.scene, '3').selection).toMatchObject({ help: null, view: 'dma' });
});

test('tab leads from the keys to the words, the commands and back', () => {
  const { scene } = afterKeys(sceneFor(running), '?', 'tab');
  expect(rowsOf(scene).join('\n')).toContain('looked up by the IOMMU and not translated');
  expect(rowsOf(afterKeys(scene, 'tab').scene).join('\n')).toContain('typed after :');
  expect(afterKeys(scene, 'tab', 'tab').selection.help).toBe('keys');
  expect(afterKeys(scene, 'left').selection.help).toBe('keys');
});
