import { describe, expect, test } from 'vitest';
import { stepsOf } from '../../source/commands/experimenting.ts';
import { parseCommand } from '../../source/commands/parse.ts';
import type { Experiment } from '../../source/experiments/experiment.ts';
import { experiments } from '../../source/experiments/index.ts';
import { runExperiment } from '../../source/experiments/run.ts';
import { Counter } from '../../source/vtd/performance/counters.ts';
import { device, LAZY, session, type } from '../support/session.ts';

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

/** What the live set-up of an experiment measures between two moments, and what the experiment does at that point. */
function bothOf(id: string, fromMs: number, toMs: number) {
  const live = session(LAZY);
  live.apply({ name: 'experiment', experiment: id, as: 'live' });
  const { simulation } = live;
  const { unit, devices } = simulation.machine;
  const now = () => ({
    bytes: devices[0].bytes,
    flushes: unit.invalidator.counts.iotlb_domain,
    misses: devices[0].counts[Counter.iotlb_lookup] - devices[0].counts[Counter.iotlb_hit],
  });
  simulation.advance(fromMs * 1e6);
  const before = now();
  simulation.advance(toMs * 1e6);
  const after = now();
  const experiment = experiments.find((one) => one.id === id);
  const x = experiment?.cases[0].live?.x as number;
  const result = runExperiment(experiment as Experiment, { xs: [x] });
  const seconds = (toMs - fromMs) / 1000;
  return {
    simulated: (series: number) => result.series[series].points[0].simulated,
    gbps: (8 * (after.bytes - before.bytes)) / seconds / 1e9,
    meanNs: devices[0].latencies.mean,
    missesPerPage: (4096 * (after.misses - before.misses)) / (after.bytes - before.bytes),
    flushesPerSecond: (after.flushes - before.flushes) / seconds,
    others: devices.slice(1).reduce((sum, { requests }) => sum + requests, 0),
  };
}

describe('the live set-up of an experiment does what the experiment measures', () => {
  test.each(['E1', 'E2', 'E3', 'E4', 'E6'])('%s: its throughput, within 2 per cent', (id) => {
    const { gbps, simulated, others } = bothOf(id, 0.2, 1);

    expect(gbps / simulated(0)).toBeGreaterThan(0.98);
    expect(gbps / simulated(0)).toBeLessThan(1.02);
    expect(others).toBe(0);
  });

  test('E5: its latency, within 2 %', () => {
    const { meanNs, simulated } = bothOf('E5', 1, 6);

    expect(meanNs / simulated(0)).toBeGreaterThan(0.98);
    expect(meanNs / simulated(0)).toBeLessThan(1.02);
  });

  // The bytes of a live device are all that it moves: descriptors, completions and acknowledgements, too.
  test.each(['E7', 'E8', 'E10'])('%s: its throughput, within 8 per cent', (id) => {
    const { gbps, simulated } = bothOf(id, 1, 3);
    const expected = simulated(0);

    expect(gbps / expected).toBeGreaterThan(0.97);
    expect(gbps / expected).toBeLessThan(1.08);
  });

  test('E11: its throughput, within 8 %, while the shuffling of its buffers is as young as there', () => {
    const { gbps, simulated } = bothOf('E11', 0.25, 1);
    const expected = 185 * (1 - simulated(1) / 100);

    expect(gbps / expected).toBeGreaterThan(0.97);
    expect(gbps / expected).toBeLessThan(1.08);
  });

  test('E7: its misses, within 10 %', () => {
    const { missesPerPage, simulated } = bothOf('E7', 1, 3);

    expect(missesPerPage / simulated(1)).toBeGreaterThan(0.9);
    expect(missesPerPage / simulated(1)).toBeLessThan(1.1);
  });

  test('E14: its flushes, within 2 %', () => {
    const { flushesPerSecond, simulated } = bothOf('E14', 0, 100);

    expect(flushesPerSecond / simulated(0)).toBeGreaterThan(0.98);
    expect(flushesPerSecond / simulated(0)).toBeLessThan(1.02);
  });

  test('stops and starts again with its device, and leaves nothing mapped', () => {
    for (const id of ['E1', 'E7', 'E10', 'E14']) {
      const live = session(LAZY);
      live.apply({ name: 'experiment', experiment: id, as: 'live' });
      live.advance(200_000);
      type(live, 'workload nic0 stop');
      live.advance(live.simulation.now + 20e6);
      const { requests, pageBytes } = { ...live.simulation.machine.devices[0], ...device(live, 'nic0') };
      expect(pageBytes).toBeNull();
      live.advance(live.simulation.now + 100_000);
      expect(live.simulation.machine.devices[0].requests).toBe(requests);

      type(live, 'workload nic0 start');
      live.advance(live.simulation.now + 200_000);
      expect(live.simulation.machine.devices[0].requests).toBeGreaterThan(requests);
      expect(device(live, 'nic0').counts.faults).toBe(0);
    }
  });

  test('has a load for each gate that times a device, and says so where there is none', () => {
    const without = experiments.filter(({ cases }) => cases[0].live === undefined).map(({ id }) => id);
    expect(without).toEqual(['E12', 'E13', 'E15', 'E16', 'E17', 'E18', 'E19', 'tenants']);
    const live = session(LAZY);
    expect(live.apply({ name: 'experiment', experiment: 'E1', as: 'live' }).text).toMatch(/window 1048576 B/);
    expect(live.apply({ name: 'experiment', experiment: 'E17', as: 'live' }).text).toMatch(
      /devices do what they do/,
    );
    expect(live.bootOptions.benchmark).toBeUndefined();
  });
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
