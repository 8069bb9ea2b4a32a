import { describe, expect, test } from 'vitest';
import type { Command } from '../../source/commands/command.ts';
import { bindings } from '../../source/ui/keys.ts';
import { views } from '../../source/ui/views/index.ts';
import { examining, iommuOff, measuring, recorded, running, snapshot, stopped } from './fixture.ts';
import { afterKeys, rowsOf, sceneFor } from './scene.ts';

test('no key has two meanings in one view', () => {
  for (const { name } of views) {
    const keys = bindings.filter((each) => each.views?.includes(name) ?? true).flatMap((each) => each.keys);

    expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([]);
  }
});

test('every key has a line in the help', () => {
  const scene = sceneFor(running, {}, [200, 60]);

  for (const binding of bindings) expect(binding.help(scene)).not.toBe('');
});

const commands: [string, Command[]][] = [
  ['t', [{ name: 'device', device: 'nic0', to: 'flip' }]],
  ['T', [{ name: 'device', device: 'all', to: 'flip' }]],
  ['x', [{ name: 'dma', device: 'nic0', type: 'write', address: '0x1000000', bytes: 64 }]],
  ['o', [{ name: 'device', device: 'nic0', to: 'guest A' }]],
  ['w', [{ name: 'workload', device: 'nic0', to: 'flip' }]],
  ['space', [{ name: 'pause' }]],
  ['.', [{ name: 'pause' }, { name: 'step', count: 1 }]],
  ['+', [{ name: 'speed', factor: 'faster' }]],
  ['-', [{ name: 'speed', factor: 'slower' }]],
];

test.each(commands)('%s sends its commands about the chosen device', (key, expected) => {
  expect(afterKeys(sceneFor(running), key).commands).toEqual(expected);
});

test('S turns lazy into strict on a translated device, and says why it cannot on one in passthrough', () => {
  expect(afterKeys(sceneFor(running, { device: 'nvme0' }), 'S').commands).toEqual([
    { name: 'invalidation', device: 'nvme0', to: 'flip' },
  ]);

  const { commands: none, selection } = afterKeys(sceneFor(running), 'S');
  expect(none).toEqual([]);
  expect(selection.message).toContain('nic0 is not translated');
});

test('o takes a device back from a guest', () => {
  expect(afterKeys(sceneFor(running, { device: 'hba1' }), 'o').commands).toEqual([
    { name: 'device', device: 'hba1', to: 'host' },
  ]);
});

test('space runs what is paused', () => {
  expect(afterKeys(sceneFor(examining), 'space').commands).toEqual([{ name: 'run', forNs: null }]);
});

test('with the IOMMU off t says which key would change that', () => {
  const { commands: none, selection } = afterKeys(sceneFor(iommuOff), 't');

  expect(none).toEqual([]);
  expect(selection.message).toMatch(/the IOMMU is off.*b edits the boot line/);
});

test('a key that does nothing here says where it works', () => {
  const { selection } = afterKeys(sceneFor(running), 'right');

  expect(selection.message).toBe('No such key here: right. It works in Tables, DMA, Experiments.');
  expect(afterKeys(sceneFor(running), 'm').selection.message).toContain('No such key: m.');
});

test('what a recording cannot do is said, and its keys are not in the footer', () => {
  const refusal = ({ name }: Command) =>
    ['pause', 'run', 'step', 'speed'].includes(name) ? null : 'a recording cannot be changed';
  const scene = sceneFor(recorded, {}, [100, 30], refusal);
  const { commands: none, selection } = afterKeys(scene, 't');

  expect(none).toEqual([]);
  expect(selection.message).toContain('a recording cannot be changed');
  const footer = rowsOf(scene).at(-1);
  expect(footer).not.toContain('flip');
  expect(footer).toContain('space pause');
});

test('numbers and tab change the view', () => {
  const scene = sceneFor(running);

  expect(afterKeys(scene, '3').selection.view).toBe('dma');
  expect(afterKeys(scene, 'tab', 'tab').selection.view).toBe('dma');
  expect(afterKeys(scene, 'shift-tab').selection.view).toBe('experiments');
});

test('esc stops an experiment that runs, before it does anything else', () => {
  const scene = sceneFor(measuring, { view: 'experiments', cursors: { experiments: 2 } });
  const { commands, selection } = afterKeys(scene, 'escape');

  expect(commands).toEqual([{ name: 'experiment', experiment: null }]);
  expect(selection.view).toBe('experiments');
  expect(rowsOf(scene).at(-1)).toContain('esc stop it');
  expect(afterKeys(sceneFor(stopped, { view: 'experiments' }), 'escape').commands).toEqual([]);
});

test('left and right show other series of an experiment, and another experiment begins with its first', () => {
  const scene = sceneFor(stopped, { view: 'experiments', cursors: { experiments: 6 } });
  const { selection } = afterKeys(scene, 'right', 'right');

  expect(selection.cursors).toEqual({ experiments: 6, series: 2 });
  expect(afterKeys(scene, 'right', 'down').selection.cursors).toEqual({ experiments: 7 });
  expect(rowsOf(sceneFor(stopped, selection)).join('\n')).toContain('series 3 to 6 of 6');
});

test('the chosen device is chosen in every view', () => {
  const { selection } = afterKeys(sceneFor(running), 'down', 'j', 'down', '3', '2');

  expect(selection).toMatchObject({ view: 'tables', device: 'hba1' });
});

test('enter goes from a device to its requests, from a request to its tables, and esc comes back', () => {
  const down = afterKeys(sceneFor(examining, { device: 'hba1' }), 'enter', 'enter');
  expect(down.selection).toMatchObject({ view: 'tables', address: '0x204a40' });

  const back = afterKeys(down.scene, 'escape', 'escape');
  expect(back.selection.view).toBe('overview');
});

test('enter on a fault opens the request behind it', () => {
  expect(afterKeys(sceneFor(running, { view: 'faults' }), 'enter').selection).toMatchObject({
    view: 'dma',
    device: 'tb0',
    transaction: 6,
  });
});

test('in a walk the arrows choose steps and requests', () => {
  const scene = sceneFor(examining, { device: 'hba1', view: 'dma' });

  expect(afterKeys(scene, 'left', 'left').selection.step).toBe(6);
  expect(afterKeys(scene, 'left', 'down').selection).toMatchObject({ transaction: 18441, step: null });
});

test('another entry of a page table is another address', () => {
  const scene = sceneFor(examining, { device: 'hba1', view: 'tables' });

  expect(afterKeys(scene, 'down').selection).toMatchObject({ address: '0x205000', level: 6 });
  expect(afterKeys(scene, 'left', 'up').selection).toMatchObject({ address: '0x0', level: 5 });
});

test('another entry of the root table is another device', () => {
  const scene = sceneFor(examining, { device: 'hba1', view: 'tables', level: 1 });

  expect(afterKeys(scene, 'up').selection).toMatchObject({ device: 'nvme0', level: 1, address: null });
});

test('choosing another device, or esc, puts what came of the last action away', () => {
  const told = snapshot({ notice: { id: 4, ok: true, text: 'nic0 is now translated.', linux: [] } });

  expect(rowsOf(sceneFor(told)).join('\n')).toContain('nic0 is now translated.');
  for (const key of ['down', 'escape']) {
    const { scene } = afterKeys(sceneFor(told), key);
    expect(rowsOf(scene).join('\n')).not.toContain('nic0 is now translated.');
  }
});

test('after a stray write the DMA view shows that write, not the newest request', () => {
  const sent = { ...examining.transactions[1], id: 7, address: '0x1000000' };
  const machine = snapshot({ transactions: [...examining.transactions, sent] });
  const { scene } = afterKeys(sceneFor(machine, { device: 'hba1' }), 'x', '3');

  expect(rowsOf(scene).join('\n')).toContain('at 0x01000000');
});

test('quitting and suspending are asked of the screen', () => {
  const scene = sceneFor(running);

  expect(afterKeys(scene, 'q').requests).toEqual(['quit']);
  expect(afterKeys(scene, 'ctrl-c').requests).toEqual(['quit']);
  expect(afterKeys(scene, 'Q').requests).toEqual(['quit and leave the last screen']);
  expect(afterKeys(scene, 'ctrl-z').requests).toEqual(['suspend']);
  expect(afterKeys(scene, 'ctrl-l').requests).toEqual(['repaint']);
});

describe('the welcome of the first start', () => {
  const welcomed = sceneFor(running, { welcome: true }, [100, 30]);

  test('says what this is and offers the tour', () => {
    const text = rowsOf(welcomed).join('\n');
    expect(text).toContain('A simulated PC with an Intel VT-d IOMMU. Nothing touches your machine.');
    expect(text).toContain('] a tour of two minutes');
  });

  test('] starts the tour', () => {
    const { commands, selection } = afterKeys(welcomed, ']');
    expect(commands).toEqual([{ name: 'demo', demo: 'tour' }]);
    expect(selection.welcome).toBe(false);
  });

  test('any other key goes on and does its work', () => {
    const { commands, selection } = afterKeys(welcomed, 'x');
    expect(commands).toMatchObject([{ name: 'dma' }]);
    expect(selection.welcome).toBe(false);
    expect(afterKeys(welcomed, 'escape').commands).toEqual([]);
    expect(afterKeys(welcomed, 'escape', ']').commands).toEqual([]);
  });

  test(':welcome shows it again', () => {
    const { selection } = afterKeys(sceneFor(running), ':', ...'welcome', 'enter');
    expect(selection.welcome).toBe(true);
  });
});
