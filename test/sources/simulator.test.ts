import { afterEach, expect, test, vi } from 'vitest';
import { startSimulator } from '../../source/sources/simulator/simulator.ts';
import type { Source } from '../../source/sources/source.ts';
import { childrenOf } from '../support/processes.ts';

let source: Source | null = null;

afterEach(async () => {
  await source?.stop();
  source = null;
});

async function start(options: { paused?: boolean; speed?: number; boot?: string } = {}): Promise<Source> {
  source = await startSimulator({
    program: 'dist/cli.js',
    machine: { boot: options.boot ?? 'intel_iommu=on', seed: 7 },
    speed: options.speed ?? 4,
    paused: options.paused ?? false,
  });
  return source;
}

const simulators = () => childrenOf(process.pid, 'simulator-process');

const until = (condition: () => boolean) =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 15_000 });

test('simulated time passes in a background process', async () => {
  const running = await start();
  const before = running.current().timeNs;
  await until(() => running.current().timeNs > before + 1e6);
  expect(simulators()).toHaveLength(1);
});

test('a paused machine stands still and takes commands', async () => {
  const paused = await start({ paused: true });
  paused.send({ name: 'dma', device: 'nic0', type: 'write', address: '0x1000000', bytes: 64 });
  await until(() => paused.current().notice !== null);
  expect(paused.current().notice?.text).toMatch(/^Blocked: fault 0x05/);
  expect(paused.current().timeNs).toBeLessThan(10_000);
});

test('while an experiment is measured the machine goes on, and both are told of', async () => {
  const running = await start();
  running.look({ view: 'experiments', device: null, address: null });
  running.send({ name: 'experiment', experiment: 'E9', as: 'run' });
  const times = new Map<number, Set<number>>();
  running.subscribe(() => {
    const { experiment, timeNs } = running.current();
    const at = experiment?.state === 'running' ? experiment.done : -1;
    times.set(at, (times.get(at) ?? new Set()).add(timeNs));
  });
  await until(() => running.current().experiment?.state === 'over');

  expect(running.current().experiment?.result.pass).toBe(true);
  // Before the first point was there, the machine had gone on.
  expect(times.get(0)?.size).toBeGreaterThan(1);
});

test('an experiment stops in the middle of a point', async () => {
  const running = await start();
  running.look({ view: 'experiments', device: null, address: null });
  running.send({ name: 'experiment', experiment: 'E9', as: 'run' });
  await until(() => running.current().experiment?.state === 'running');
  running.send({ name: 'experiment', experiment: null });
  await until(() => running.current().experiment?.state === 'stopped');
  const { experiment, timeNs } = running.current();
  await until(() => running.current().timeNs > timeNs + 1e6);

  expect(running.current().experiment).toEqual(experiment);
  expect(experiment?.done).toBeLessThan(experiment?.of ?? 0);
});

test('a simulation that dies is reported, started again, and replayed to where it was', async () => {
  const running = await start();
  running.send({ name: 'device', device: 'nic0', to: 'passthrough' });
  await until(() => running.current().devices[0].lane === 'passthrough' && running.current().timeNs > 3e6);
  const before = running.current();
  process.kill(simulators()[0], 'SIGKILL');
  await until(() => running.trouble() !== null);
  expect(running.trouble()).toMatch(/died \(signal SIGKILL\).*replayed/);
  await until(() => running.current() !== before && running.current().timeNs > before.timeNs);
  expect(running.current().devices[0].lane).toBe('passthrough');
  expect(running.current().counters.iommu_requests).toBeGreaterThanOrEqual(before.counters.iommu_requests);
  expect(simulators()).toHaveLength(1);
});

test('stopping leaves no process behind', async () => {
  const running = await start();
  await running.stop();
  expect(simulators()).toHaveLength(0);
});

test('the snapshot carries tables and transactions only while the screen looks at them', async () => {
  const running = await start();
  expect(running.current().tables).toBeNull();
  running.look({ view: 'tables', device: 'hba1', address: '0x204a40' });
  await until(() => running.current().tables !== null);
  expect(running.current().tables).toMatchObject({
    device: 'hba1',
    address: '0x204a40',
    output: '0x8a204a40',
  });
  expect(running.current().tables?.levels.map(({ kind }) => kind)).toEqual([
    'RTADDR',
    'root table',
    'context table',
    'page table',
    'page table',
    'page table',
    'page table',
  ]);
});
