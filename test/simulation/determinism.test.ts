import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Session } from '../../source/commands/session.ts';
import { anyCommand, bootLines, machineCommand } from '../support/commands.ts';
import { jsonOf, LAZY, memoryHash, PASSTHROUGH, STRICT, session, type } from '../support/session.ts';

const steps = fc.array(fc.record({ afterUs: fc.integer({ min: 0, max: 50 }), command: machineCommand }), {
  maxLength: 6,
});
const boots = fc.constantFrom(LAZY, PASSTHROUGH, STRICT, '');
type Steps = typeof steps extends fc.Arbitrary<infer T> ? T : never;

/** Run a script; `between` is called before and after each step. */
function play(boot: string, script: Steps, between: (run: Session) => void = () => {}): Session {
  const run = session(boot);
  for (const { afterUs, command } of script) {
    between(run);
    run.advance(run.simulation.now + afterUs * 1000);
    between(run);
    run.apply(command);
  }
  run.advance(run.simulation.now + 20_000);
  return run;
}

test('the same options and commands give the same bytes', () => {
  fc.assert(
    fc.property(boots, steps, (boot, script) => {
      expect(jsonOf(play(boot, script))).toBe(jsonOf(play(boot, script)));
    }),
    { numRuns: 8 },
  );
});

test('looking changes nothing: detail, sampling, snapshots of every view, chart columns', () => {
  fc.assert(
    fc.property(boots, steps, fc.integer({ min: 1, max: 1e6 }), (boot, script, sampleNs) => {
      const unwatched = play(boot, script);
      let turn = 0;
      const watched = play(boot, script, (run) => {
        const { journal, statistics } = run.simulation;
        journal.detail = turn % 2 === 0;
        journal.sampleNs = sampleNs;
        statistics.columnNs = sampleNs;
        const view = (['dma', 'tables', 'overview'] as const)[turn++ % 3];
        for (const device of ['nic0', 'hba1', 'tb0']) {
          run.focus = { view, device, address: turn % 2 === 0 ? null : '0xfffff000' };
          run.snapshot();
        }
      });
      expect(jsonOf(watched)).toBe(jsonOf(unwatched));
      expect(memoryHash(watched)).toBe(memoryHash(unwatched));
    }),
    { numRuns: 8 },
  );
});

test('how time is cut into pieces changes nothing', () => {
  fc.assert(
    fc.property(
      boots,
      fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 8 }),
      (boot, pieces) => {
        const whole = session(boot);
        const parts = session(boot);
        whole.advance(pieces.reduce((sum, piece) => sum + piece, 0));
        for (const piece of pieces) parts.advance(parts.simulation.now + piece);
        expect(jsonOf(parts)).toBe(jsonOf(whole));
      },
    ),
    { numRuns: 8 },
  );
});

test('another seed gives other counts', () => {
  const run = (seed: number) => {
    const one = session(LAZY, { seed });
    one.advance(200_000);
    return one.snapshot().counters;
  };
  expect(run(1)).not.toEqual(run(2));
  expect(run(0)).not.toEqual(run(2 ** 40));
  expect(run(7)).toEqual(run(7));
});

describe('whatever is done to it', () => {
  const check = (run: Session) => {
    const { counters, devices, faults, memory, faultRegisters } = run.snapshot();
    expect(counters.iotlb_hit).toBeLessThanOrEqual(counters.iotlb_lookup);
    expect(counters.ctxt_cache_hit).toBeLessThanOrEqual(counters.ctxt_cache_lookup);
    expect(counters.ss_nonleaf_hit).toBeLessThanOrEqual(counters.ss_nonleaf_lookup);
    expect(counters.page_walks).toBe(counters.iotlb_lookup - counters.iotlb_hit);
    expect(counters.faults_recorded).toBeLessThanOrEqual(counters.faults);
    expect(faultRegisters.lost).toBe(counters.faults - counters.faults_recorded);
    expect(run.simulation.journal.faults).toHaveLength(counters.faults);
    // A snapshot shows the latest 200 groups of faults.
    if (faults.length < 200) expect(faults.reduce((sum, { count }) => sum + count, 0)).toBe(counters.faults);
    expect(devices.reduce((sum, { counts }) => sum + counts.faults, 0)).toBe(counters.faults);
    for (const { counts } of devices) expect(counts.iotlb_hit).toBeLessThanOrEqual(counts.iotlb_lookup);
    expect(memory.corrupted).toHaveLength(Math.min(64, memory.corruptedPages));
  };

  test('no sequence of commands fails, and the counts agree with each other', () => {
    const command = anyCommand.filter(({ name }) => name !== 'step');
    fc.assert(
      fc.property(bootLines, fc.array(command, { maxLength: 12 }), (boot, commands) => {
        const run = session(boot);
        for (const one of commands) {
          run.apply(one);
          run.advance(run.simulation.now + 5_000);
        }
        check(run);
      }),
      { numRuns: 12 },
    );
  });

  test('who may not, corrupts nothing: strict or blocked devices, and guests outside their guest', () => {
    fc.assert(
      fc.property(boots, steps, (boot, script) => {
        const run = session(boot);
        const { dma } = run.simulation.machine;
        const listener = run.simulation.journal;
        const corrupted = listener.corrupted.bind(listener);
        const innocent: string[] = [];
        listener.corrupted = (corruption) => {
          const { device } = corruption;
          const { attached, claimed } = run.simulation.machine.kernel.device(device.model.sourceId);
          const translation = run.simulation.machine.kernel.policy.translation;
          const confined = translation && (claimed || attached === null || attached.type === 'DMA');
          if (confined) innocent.push(`${device.model.name} ${corruption.owner}`);
          corrupted(corruption);
        };
        expect(dma.observer).toBe(listener);
        for (const { afterUs, command } of script) {
          run.advance(run.simulation.now + afterUs * 1000);
          // Who writes into the tables by hand may let any device through.
          if (command.name !== 'entry') run.apply(command);
        }
        run.advance(run.simulation.now + 20_000);
        expect(innocent).toEqual([]);
      }),
      { numRuns: 12 },
    );
  });

  test("a write over the kernel's own tables stops the machine or is survived, and never leaves the session", () => {
    const tables = fc.integer({ min: 0x0400_0000 / 4096, max: 0x0400_0000 / 4096 + 700 });
    const attack = fc.record({ page: tables, pages: fc.constantFrom(1, 4, 64, 256) });
    fc.assert(
      fc.property(
        fc.constantFrom(LAZY, STRICT, PASSTHROUGH),
        fc.array(attack, { minLength: 1, maxLength: 3 }),
        steps,
        (boot, attacks, script) => {
          const run = session(boot);
          run.advance(20_000);
          run.apply({ name: 'device', device: 'nvme0', to: 'passthrough' });
          for (const { page, pages } of attacks) {
            const address = `0x${(page * 4096).toString(16)}`;
            run.apply({ name: 'dma', device: 'nvme0', type: 'write', address, bytes: pages * 4096 });
            run.advance(run.simulation.now + 10_000);
          }
          for (const { afterUs, command } of script) {
            run.apply(command);
            run.advance(run.simulation.now + afterUs * 1000);
          }
          const { dmesg } = run.snapshot();
          if (run.simulation.halted !== null) expect(dmesg.at(-1)).toMatch(/Kernel panic - not syncing/);
        },
      ),
      { numRuns: 15 },
    );
  });

  test('a card whose tables were overwritten meets faults 0x0c; a driver that maps through them panics', () => {
    const tableOf = (run: Session) => {
      const { attached } = run.simulation.machine.kernel.device(0x300);
      if (attached === null || !('table' in attached) || attached.table === null)
        throw new Error('nic0 is not translated');
      return attached.table.root.toString(16);
    };
    const running = session(LAZY);
    running.advance(50_000);
    type(running, `device nvme0 passthrough; dma nvme0 write 0x${tableOf(running)} 4096`);
    // The unit goes on with what it has cached of the old tables until that is invalidated.
    running.simulation.machine.unit.invalidator.iotlbGlobal();
    expect(type(running, 'dma nic0 write 0x1000000').text).toMatch(/^Blocked: fault 0x0c/);

    const stopped = session(LAZY);
    stopped.advance(50_000);
    type(stopped, `workload nic0 stop; device nvme0 passthrough; dma nvme0 write 0x${tableOf(stopped)} 4096`);
    type(stopped, 'workload nic0 start');
    stopped.advance(100_000);
    expect(stopped.simulation.halted).toMatch(/^no memory at 0x/);
  });
});

test('a machine that has stopped lets time pass and can be booted again', () => {
  const run = session(PASSTHROUGH);
  run.simulation.guard(() => run.simulation.machine.memory.read64(2 ** 40));
  run.advance(50_000);
  expect(run.simulation.now).toBe(50_000);
  expect(run.simulation.halted).toMatch(/no memory/);
  run.apply({ name: 'boot', line: PASSTHROUGH });
  run.advance(50_000);
  expect(run.simulation.halted).toBeNull();
  expect(run.snapshot().devices[0].counts.requests).toBeGreaterThan(0);
});
