import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { QueueContention } from '../../source/linux/unit/queue-contention.ts';
import type { Overrides } from '../../source/parameters/registry.ts';
import { jsonOf, LAZY, PASSTHROUGH, STRICT, session } from '../support/session.ts';

describe('CPUs at the invalidation queue', () => {
  const arrivals = fc.array(fc.record({ after: fc.nat(300), ahead: fc.nat(2000) }), { maxLength: 60 });

  test('have it one at a time, each as long as it takes, whoever comes when', () => {
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 500 }), fc.nat(100), (comers, heldNs, waiterNs) => {
        const queue = new QueueContention({ heldNs, waiterNs });
        let now = 0;
        const turns = comers.map(({ after, ahead }, i) => {
          now += after;
          const came = now + ahead;
          return { came, ...queue.enter(i, came, now) };
        });

        for (const { came, start, end } of turns) {
          expect(start).toBeGreaterThanOrEqual(came);
          expect(end - start).toBeGreaterThanOrEqual(heldNs);
          expect(end - start).toBeLessThanOrEqual(heldNs + waiterNs * comers.length);
        }
        const inOrder = turns.toSorted((a, b) => a.start - b.start);
        inOrder.slice(1).forEach(({ start }, i) => {
          expect(start).toBeGreaterThanOrEqual(inOrder[i].end);
        });
      }),
    );
  });

  test('slow each other down as they wait', () => {
    const queue = new QueueContention({ heldNs: 100, waiterNs: 10 });

    expect(queue.enter(0, 0, 0)).toMatchObject({ start: 0, end: 100 });
    expect(queue.enter(1, 1, 1)).toMatchObject({ start: 100, end: 200 });
    expect(queue.enter(2, 2, 2)).toMatchObject({ start: 200, end: 310 });
    expect(queue.enter(3, 3, 3)).toMatchObject({ start: 310, end: 430 });
    expect(queue.enter(4, 1000, 1000)).toMatchObject({ start: 1000, end: 1100 });
  });
});

describe('drivers of the live machine on CPUs of their own', () => {
  function machine(boot: string, parameters: Overrides = {}) {
    const run = session(boot, { parameters });
    run.simulation.advance(2e6);
    const report = JSON.parse(jsonOf(run)) as {
      cpus: { iommuCycles: number; queueWaitNs: number }[];
      devices: { name: string; dma: { bytes: number } }[];
    };
    const waits = report.cpus.map(({ queueWaitNs }) => queueWaitNs);
    return { ...report, waits, all: waits.reduce((sum, each) => sum + each, 0) };
  }

  test('wait for each other where each unmap invalidates, the longer the more the queue is held', () => {
    const { waits, all } = machine(STRICT);
    const held = machine(STRICT, { 'invalidation.queueNs': 2000 });

    // nic0 and nvme0 unmap all the time, each on its own CPU.
    expect(waits[0]).toBeGreaterThan(0);
    expect(waits[1]).toBeGreaterThan(0);
    expect(held.all).toBeGreaterThan(4 * all);
    expect(held.devices[0].dma.bytes).toBeLessThan(machine(STRICT).devices[0].dma.bytes);
  });

  test('hardly wait where unmaps are flushed together, and not at all in pass-through or on one CPU', () => {
    expect(machine(LAZY).all).toBeLessThan(machine(STRICT).all / 10);
    expect(machine(PASSTHROUGH).all).toBe(0);
    expect(machine(STRICT, { cpus: 1 }).waits).toEqual([0]);
  });

  test('are counted by CPU: each has its part of the cycles', () => {
    const { cpus } = machine(STRICT);

    expect(cpus).toHaveLength(4);
    expect(cpus[0].iommuCycles).toBeGreaterThan(cpus[1].iommuCycles);
    expect(cpus[1].iommuCycles).toBeGreaterThan(0);
  });
});
