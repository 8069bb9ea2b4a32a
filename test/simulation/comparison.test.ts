import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCommands } from '../../source/commands/parse.ts';
import { Session } from '../../source/commands/session.ts';
import { compareMachines } from '../../source/simulation/comparison.ts';

const LAZY = 'intel_iommu=on';
const PASSTHROUGH = 'intel_iommu=on iommu=pt';

function sessionWith(boot: string): Session {
  const session = new Session({ boot, seed: 42 });
  session.focus = { view: 'compare', device: null, address: null };
  return session;
}

function carryOut(session: Session, text: string): void {
  for (const command of parseCommands(text).commands) session.apply(command);
}

/** All that a machine has counted. */
const countsOf = (session: Session) => {
  const { counters, invalidations, devices, dmesg } = session.snapshot();
  return { counters, invalidations, devices: devices.map(({ counts }) => counts), dmesg };
};

describe('a machine that is compared with another', () => {
  test('the other is what it would be alone under its own boot line', () => {
    const session = sessionWith(LAZY);
    session.advance(1e6);
    carryOut(session, 'dma nic0 write 0x1000000 64');
    session.advance(2e6);
    carryOut(session, `compare ${PASSTHROUGH}`);
    session.advance(3e6);
    carryOut(session, 'device nvme0 passthrough');
    session.advance(4e6);

    const alone = sessionWith(PASSTHROUGH);
    alone.advance(1e6);
    carryOut(alone, 'dma nic0 write 0x1000000 64');
    alone.advance(3e6);
    carryOut(alone, 'device nvme0 passthrough');
    alone.advance(4e6);

    expect(countsOf(session.other as Session)).toEqual(countsOf(alone));
  });

  test('what is flipped here becomes there what it became here, and not the opposite', () => {
    const lanes = (text: string) => {
      const session = sessionWith(PASSTHROUGH);
      carryOut(session, text);
      const { devices, other } = session.snapshot();
      return [devices, other?.devices ?? []].map((list) => list[0].lane);
    };
    const translated = ['translated', 'translated'];
    expect(lanes(`compare ${LAZY}; device nic0 flip`)).toEqual(translated);
    expect(lanes(`device nic0 flip; compare ${LAZY}`)).toEqual(translated);
    expect(lanes(`device all flip; compare ${LAZY}`)).toEqual(translated);
    expect(lanes(`compare ${LAZY}; device nic0 flip; device nic0 flip`)).toEqual([
      'passthrough',
      'passthrough',
    ]);

    const stopped = sessionWith(PASSTHROUGH);
    carryOut(stopped, `workload nic0 stop; compare ${LAZY}; workload nic0 flip; invalidation nic0 flip`);
    expect(stopped.log.map(({ command }) => 'to' in command && command.to)).toEqual([
      'stop',
      'start',
      'flip',
    ]);
  });

  test('is not changed by being compared', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2e6 }), fc.integer({ min: 0, max: 2e6 }), (before, after) => {
        const [alone, compared] = [sessionWith(LAZY), sessionWith(LAZY)];
        for (const session of [alone, compared]) session.advance(before);
        carryOut(compared, `compare ${PASSTHROUGH}`);
        for (const session of [alone, compared]) session.advance(before + after);

        expect(countsOf(compared)).toEqual(countsOf(alone));
      }),
      { numRuns: 10 },
    );
  });

  test('compared with the same boot line differs in nothing', () => {
    const session = sessionWith(LAZY);
    carryOut(session, `compare ${LAZY}`);
    session.advance(2e6);
    const { other, ...own } = session.snapshot();

    const rows = compareMachines({ ...own, other: null }, other!);
    expect(rows.length).toBeGreaterThan(20);
    for (const row of rows) expect(row.b, `${row.subject} ${row.measure}`).toEqual(row.a);
  });

  test('a reboot of one leaves the other its boot line, and both start again', () => {
    const session = sessionWith(LAZY);
    carryOut(session, `compare ${PASSTHROUGH}`);
    session.advance(2e6);
    carryOut(session, 'boot intel_iommu=on iommu.strict=1');
    session.advance(1e6);

    expect(session.snapshot()).toMatchObject({
      boot: 'intel_iommu=on iommu.strict=1',
      timeNs: 1e6,
      other: { boot: PASSTHROUGH, timeNs: 1e6 },
    });
  });

  test('compare off leaves one machine', () => {
    const session = sessionWith(LAZY);
    carryOut(session, `compare ${PASSTHROUGH}; compare off`);

    expect(session.snapshot().other).toBeNull();
  });

  test('under passthrough the walks of the host devices are gone and those of guests are not', () => {
    const session = sessionWith(LAZY);
    carryOut(session, `compare ${PASSTHROUGH}`);
    session.advance(5e6);
    const snapshot = session.snapshot();
    const walks = (device: string) =>
      compareMachines(snapshot, snapshot.other!).find(
        ({ subject, measure }) => subject === device && measure === 'page_walks',
      );

    expect(walks('nic0')).toMatchObject({ a: expect.any(Number), b: 0 });
    expect(walks('nic0')?.difference).toBeLessThan(0);
    expect(walks('hba1')?.b).toBeGreaterThan(0);
  });
});
