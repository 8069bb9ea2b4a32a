import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { explainStep } from '../../source/ui/explain-step.ts';
import { Bench, deviceId, high, low, unitWith } from '../support/unit.ts';

const DEVICE = '03:00.0';
const CONTEXT = 0x5000n;
const TABLE = 0x1_0000;
const PAGES = 24;
const request = { device: 'nic0', bdf: DEVICE, type: 'write', address: '0x1000', bytes: 64 } as const;

/** A unit with caching mode whose device has an empty table. */
function bench(): Bench {
  const machine = new Bench({ unit: unitWith('qemu', 'cap.CM=1') });
  machine.attach(DEVICE, { SSPTPTR: BigInt(TABLE), DID: 5 });
  return machine.start();
}

const explained = (machine: Bench, at: bigint) =>
  machine.iommu.explain(deviceId(DEVICE), high(at), low(at), 2);

describe('in caching mode', () => {
  test('an explanation says what is cached as not present, and that memory does not matter', () => {
    const machine = bench();
    machine.dma(DEVICE, 'write', 0x1000n);
    machine.map(TABLE, 4, 0x1000n, 0x40_0003n);
    const { outcome, steps } = explained(machine, 0x1000n);

    expect(outcome).toBe(5);
    expect(steps.map(({ stage, verdict }) => `${stage}: ${verdict}`)).toEqual([
      'context cache: hit',
      'IOTLB: miss',
      'IOTLB: blocked',
    ]);
    expect(steps[2]).toMatchObject({
      clause: 'chapter 6.1: cached as not present, with CAP.CM',
      fault: 5,
      reads: 0,
    });
    const { meaning, why } = explainStep(steps[2], request);
    expect(meaning).toBe('cached as not present');
    expect(why).toContain('Until software invalidates it, the tables in memory do not matter');
  });

  test('likewise of a context entry, and whether it was malformed', () => {
    const machine = bench();
    machine.poke(CONTEXT, 0xdn);
    machine.dma(DEVICE, 'write', 0x1000n);
    machine.attach(DEVICE, { SSPTPTR: BigInt(TABLE), DID: 5 });
    const [step, ...others] = explained(machine, 0x1000n).steps;

    expect(others).toEqual([]);
    expect(step).toMatchObject({ stage: 'context cache', verdict: 'blocked', fault: 3 });
    expect(explainStep(step, request).meaning).toBe('cached as malformed');
  });

  test('a cold explanation looks past what is kept', () => {
    const machine = bench();
    machine.dma(DEVICE, 'write', 0x1000n);
    machine.map(TABLE, 4, 0x1000n, 0x40_0003n);
    expect(machine.iommu.explain(deviceId(DEVICE), 0, 0x1000, 2, true).outcome).toBe(3);
  });

  test('software that invalidates every page it maps or unmaps never notices', () => {
    const page = fc.integer({ min: 0, max: PAGES - 1 });
    const change = fc.record({ page, frame: fc.option(fc.integer({ min: 1, max: 99 })), access: page });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 40 }), (changes) => {
        const machine = bench();
        const frames = new Map<number, number>();
        for (const { page: at, frame, access } of changes) {
          const iova = BigInt(at) << 12n;
          machine.map(TABLE, 4, iova, frame === null ? 0n : BigInt(frame * 4096 + 3));
          machine.invalidate({ iotlb: 'page', did: 5, at: iova });
          if (frame === null) frames.delete(at);
          else frames.set(at, frame);
          const expected = frames.get(access);
          expect(machine.dma(DEVICE, 'read', BigInt(access) << 12n).output).toBe(
            expected === undefined ? null : BigInt(expected) << 12n,
          );
        }
      }),
    );
  });

  test('software that forgets to invalidate what it maps meets the old absence exactly where it was met before', () => {
    const page = fc.integer({ min: 0, max: PAGES - 1 });
    fc.assert(
      fc.property(fc.uniqueArray(page), fc.uniqueArray(page), page, (touched, mapped, spare) => {
        const machine = bench();
        // The tables above the pages are there from the beginning.
        machine.map(TABLE, 4, BigInt(PAGES) << 12n, 0x99_0003n);
        for (const at of touched) expect(machine.dma(DEVICE, 'read', BigInt(at) << 12n).fault).toBe(6);
        for (const at of mapped) machine.map(TABLE, 4, BigInt(at) << 12n, BigInt(at * 4096 + 0x40_0003));
        for (const at of [...mapped, spare]) {
          const works = mapped.includes(at) && !touched.includes(at);
          expect(machine.dma(DEVICE, 'read', BigInt(at) << 12n).outcome).toBe(works ? 'walked' : 'blocked');
          if (works) machine.invalidate({ iotlb: 'page', did: 5, at: BigInt(at) << 12n });
        }
      }),
    );
  });
});
