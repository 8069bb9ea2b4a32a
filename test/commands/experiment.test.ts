import { expect, test } from 'vitest';
import { stepsOf } from '../../source/commands/experimenting.ts';
import { parseCommand } from '../../source/commands/parse.ts';
import { LAZY, session } from '../support/session.ts';

test('an experiment runs beside the machine, point by point, and changes nothing of it', () => {
  const live = session(LAZY);
  const untouched = session(LAZY);
  live.apply({ name: 'experiment', experiment: 'E17', as: 'run' });
  live.focus = { view: 'experiments', device: null, address: null };
  const points: number[] = [];
  for (const progress of [...stepsOf('E17')].slice(1)) {
    live.experimenting?.tell(progress);
    points.push(live.snapshot().experiment?.done ?? -1);
  }
  for (const one of [live, untouched]) one.advance(100_000);

  expect(points).toEqual(points.map((_, i) => i + 1));
  expect(live.snapshot().experiment).toMatchObject({ state: 'over', result: { pass: true } });
  expect(live.log).toEqual([]);
  expect(live.simulation.machine.unit.translator.counts).toEqual(
    untouched.simulation.machine.unit.translator.counts,
  );
});

test('an experiment that is stopped keeps the points it has, and takes no more', () => {
  const live = session(LAZY);
  live.apply({ name: 'experiment', experiment: 'E17', as: 'run' });
  live.focus = { view: 'experiments', device: null, address: null };
  const [, first, second] = stepsOf('E17');
  live.experimenting?.tell(first);
  const stopped = live.apply({ name: 'experiment', experiment: null });
  live.experimenting?.tell(second);

  expect(stopped).toMatchObject({ ok: true, text: 'E17 is stopped.' });
  expect(live.snapshot().experiment).toMatchObject({ state: 'stopped', done: 1 });
  expect(live.apply({ name: 'experiment', experiment: null }).ok).toBe(false);
});

test('a snapshot carries the experiment only where it is looked at', () => {
  const live = session(LAZY);
  live.apply({ name: 'experiment', experiment: 'E17', as: 'run' });

  expect(live.snapshot().experiment).toBeNull();
});

test('the set-up of an experiment becomes a live machine: its boot line, its preset', () => {
  const live = session(LAZY);
  const notice = live.apply({ name: 'experiment', experiment: 'E1', as: 'live' });
  const { machine } = live.simulation;

  expect(notice.ok).toBe(true);
  expect(live.bootOptions.boot).toBe('intel_iommu=on,sp_off');
  expect(machine.unit.translator.iotlb.store.size).toBe(64);
  expect(machine.values['walk.ns']).toBe(290);
});

test.each([
  ['experiment E1', { name: 'experiment', experiment: 'E1', as: 'run' }],
  ['experiment off', { name: 'experiment', experiment: null }],
  ['experiment e14 live', { name: 'experiment', experiment: 'E14', as: 'live' }],
])('%s is a command', (text, command) => {
  expect(parseCommand(text)).toEqual({ ok: true, command });
});

test('an experiment that does not exist is refused with those that do', () => {
  expect(parseCommand('experiment E99')).toMatchObject({
    ok: false,
    error: expect.stringMatching(/E1, E2, .*"E99"/),
  });
});
