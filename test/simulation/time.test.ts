import { expect, test } from 'vitest';
import { Statistics } from '../../source/simulation/statistics.ts';
import { EventQueue } from '../../source/timing/event-queue.ts';
import { LAZY, session } from '../support/session.ts';

test('what is due at the same time happens in the order in which it was planned', () => {
  const queue = new EventQueue();
  const done: string[] = [];
  queue.schedule(5, () => done.push('b'));
  queue.schedule(3, () => done.push('a'));
  queue.schedule(5, () => done.push('c'));
  while (queue.nextTime() < Number.POSITIVE_INFINITY) queue.runNext();
  expect(done).toEqual(['a', 'b', 'c']);
});

test('what was called off does not happen, and does not count as next', () => {
  const queue = new EventQueue();
  const cancel = queue.schedule(1, () => {
    throw new Error('called off');
  });
  queue.schedule(2, () => {});
  cancel();
  expect(queue.nextTime()).toBe(2);
});

test('rates are per second of simulated time, over the last samples', () => {
  let timeNs = 0;
  const counts = () => ({
    requests: timeNs / 1000,
    bytes: 0,
    iotlb_lookup: 0,
    iotlb_hit: 0,
    page_walks: 0,
    faults: 0,
    interrupts: 0,
    interrupts_blocked: 0,
  });
  const statistics = new Statistics(() => ({ timeNs, devices: [counts()] }), 1e6);
  expect(statistics.rates()[0].requests).toBe(0);
  for (let i = 0; i < 10; i++) {
    timeNs = statistics.nextSample();
    statistics.sample();
  }
  expect(timeNs).toBe(5e6);
  expect(statistics.rates()[0].requests).toBe(1e6);
  expect(statistics.columns).toHaveLength(5);
  expect(statistics.columns[0]).toMatchObject({ spanNs: 1e6, requests: 1000 });
});

test('the columns of the charts add up to the counts of the devices', () => {
  const run = session(LAZY);
  run.simulation.statistics.columnNs = 20_000;
  // The first sample was planned with the usual length of a column.
  run.advance(1e6);
  const { series, devices } = run.snapshot();
  const inColumns = series.reduce((sum, { requests }) => sum + requests, 0);
  const all = devices.reduce((sum, { counts }) => sum + counts.requests, 0);
  expect(inColumns).toBeLessThanOrEqual(all);
  expect(inColumns).toBeGreaterThan(all * 0.9);
});

test('while running, events are sampled; faults, commands and kernel lines are all kept', () => {
  const run = session(LAZY);
  run.apply({ name: 'dma', device: 'nic0', type: 'write', address: '0x1000000', bytes: 64 });
  run.apply({ name: 'run', forNs: null });
  run.advance(400_000);
  const { events, counters } = run.snapshot();
  const kinds = (kind: string) => events.filter((event) => event.kind === kind);
  expect(kinds('dma').length).toBeLessThanOrEqual(6);
  expect(kinds('fault')).toHaveLength(counters.faults);
  expect(kinds('command')).toHaveLength(1);
  expect(kinds('kernel').length).toBeGreaterThanOrEqual(2);
  expect(events.map(({ id }) => id)).toEqual([...events.keys()].map((index) => index + events[0].id));
});

test('while stepping, every request is kept with its steps', () => {
  const run = session(LAZY);
  run.apply({ name: 'pause' });
  run.apply({ name: 'step', count: 20 });
  run.focus = { view: 'dma', device: 'nic0', address: null };
  const { transactions, events } = run.snapshot();
  expect(events.filter(({ kind }) => kind === 'dma').length).toBeGreaterThanOrEqual(20);
  expect(transactions.length).toBeGreaterThan(0);
  for (const { steps } of transactions) expect(steps.length).toBeGreaterThan(0);
});

test('a recorded fault is shown with the message that the kernel printed for it', () => {
  const run = session(LAZY);
  run.apply({ name: 'dma', device: 'nic0', type: 'write', address: '0x1000abc', bytes: 64 });
  expect(run.snapshot().faults[0]).toMatchObject({
    device: 'nic0',
    type: 'write',
    address: '0x1000000',
    reason: 5,
    count: 1,
    dmesg: expect.stringContaining('fault addr 0x1000000 [fault reason 0x05]'),
  });
  expect(run.simulation.journal.faults[0]).toMatchObject({ address: '0x1000abc' });
});
