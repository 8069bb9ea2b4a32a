import { describe, expect, test } from 'vitest';
import { Global, Offset, ONE_SHOT_MASK } from '../../source/vtd/unit/registers.ts';
import type { Uncertain } from '../../source/vtd/unit/uncertain.ts';
import { Bench, unitLike, unitWith } from '../support/unit.ts';

const FOUR_RECORDS = unitLike('qemu', { capSet: 3n << 40n });
const TES = Global.TE >>> 0;
const IM = 0x8000_0000;
const IP = 0x4000_0000;

/** Devices 03:00.0 to 03:00.7 without permission for anything. */
function bench(unit = FOUR_RECORDS, uncertain: Partial<Uncertain> = {}) {
  const machine = new Bench({ unit, uncertain });
  for (let fn = 0; fn < 8; fn++) machine.attach(`03:00.${fn}`, { SSPTPTR: 0x10000n, DID: 5 });
  return machine.start();
}

const fault = (machine: Bench, fn = 0) => machine.dma(`03:00.${fn}`, 'read', 0x1000n);

describe('global command and status', () => {
  test('after power-up everything is off and both events are masked', () => {
    const machine = new Bench();
    expect(machine.reg(Offset.VER)).toBe(0x10);
    expect(machine.reg64(Offset.CAP)).toBe(0x00d2_008c_4066_0462n);
    expect(machine.reg64(Offset.ECAP)).toBe(0xf0_50dan);
    expect(
      [Offset.GSTS, Offset.FSTS, Offset.ICS, Offset.IQH, Offset.IQT].map((at) => machine.reg(at)),
    ).toEqual([0, 0, 0, 0, 0]);
    expect([machine.reg(Offset.FECTL), machine.reg(Offset.IECTL)]).toEqual([IM, IM]);
  });

  test('a one-shot command leaves its status and does not act again from a masked copy', () => {
    const machine = new Bench();
    machine.write64(Offset.RTADDR, 0x1000n);
    machine.write(Offset.GCMD, Global.SRTP);
    machine.write(Offset.GCMD, Global.SIRTP);
    expect(machine.reg(Offset.GSTS)).toBe((Global.SRTP | Global.SIRTP) >>> 0);

    machine.write64(Offset.RTADDR, 0x9000n);
    machine.command(Global.TE);
    expect(machine.iommu.translator.rootLo).toBe(0x1000);
    // The mistake the mask prevents: a copy of GSTS issues SRTP once more.
    machine.write(Offset.GCMD, machine.reg(Offset.GSTS));
    expect(machine.iommu.translator.rootLo).toBe(0x9000);
  });

  test('a write-buffer flush is done at once, and its status means pending', () => {
    const machine = new Bench();
    machine.write(Offset.GCMD, Global.WBF);
    expect(machine.reg(Offset.GSTS)).toBe(0);
  });

  test('the fault-log commands of a unit without advanced logging do nothing', () => {
    const machine = new Bench();
    machine.write(Offset.GCMD, (1 << 29) | (1 << 28) | 0x7f_ffff);
    expect(machine.reg(Offset.GSTS)).toBe(0);
  });

  test('persistent bits follow what is written', () => {
    const machine = new Bench();
    for (const set of [Global.TE, Global.QIE, Global.IRE, Global.CFI]) machine.command(set);
    machine.command(Global.SIRTP);
    machine.command(Global.SRTP);
    expect(machine.reg(Offset.GSTS)).toBe(0xc780_0000);
    machine.command(0, Global.CFI);
    expect(machine.reg(Offset.GSTS)).toBe(0xc700_0000);
    expect(machine.reg(Offset.GSTS) & ONE_SHOT_MASK).toBe(0x8600_0000 | 0);
    machine.write(Offset.GCMD, 0);
    expect(machine.reg(Offset.GSTS)).toBe((Global.SRTP | Global.SIRTP) >>> 0);
  });

  test('GCMD reads as zero', () => {
    const machine = new Bench().start();
    expect(machine.reg(Offset.GCMD)).toBe(0);
    expect(machine.reg(Offset.GSTS) & TES).not.toBe(0);
  });

  test('a root table counts when SRTP takes it and not before', () => {
    const machine = bench();
    machine.write64(Offset.RTADDR, 0x9000n);
    machine.invalidate({ context: 'global' });
    expect(fault(machine).fault).toBe(6);
    machine.command(Global.SRTP);
    machine.invalidate({ context: 'global' });
    expect(fault(machine).fault).toBe(1);
  });
});

describe('register file', () => {
  const ALL = 0xffff_ffff_ffff_ffffn;

  test.each([
    ['VER, CAP and ECAP', Offset.CAP, 0x00d2_008c_222f_0606n],
    ['RTADDR', Offset.RTADDR, 0xffff_ffff_ffff_fc00n],
    // SID and FM are write-only.
    ['CCMD', Offset.CCMD, 0x6000_0000_0000_ffffn],
    ['IQA', Offset.IQA, 0xffff_ffff_ffff_f007n],
    ['IRTA', Offset.IRTA, 0xffff_ffff_ffff_f80fn],
    ['IQT', Offset.IQT, 0x7_fff0n],
    ['IQH', Offset.IQH, 0n],
    ['IVA, which reads as zero', 0xf0, 0n],
    ['IOTLB', 0xf8, 0x3003_ffff_0000_0000n],
    ['reserved offset 0x200', 0x200, 0n],
  ])('%s: only the defined bits can be written', (_, offset, expected) => {
    const machine = new Bench({ unit: unitLike('qemu') });
    // Without the start bit of a command, so that nothing happens.
    machine.write64(offset, offset === Offset.CCMD || offset === 0xf8 ? ALL >> 1n : ALL);
    expect(machine.reg64(offset)).toBe(expected);
    machine.write64(offset, 0n);
    expect(machine.reg64(offset)).toBe(offset === Offset.CAP ? expected : 0n);
  });

  test.each([
    ['FEADDR', Offset.FEADDR, 0xffff_fffc],
    ['FEUADDR', Offset.FEUADDR, 0xffff_ffff],
    ['FEDATA', Offset.FEDATA, 0xffff_ffff],
    ['IEADDR', Offset.IEADDR, 0xffff_fffc],
    ['IEUADDR', Offset.IEUADDR, 0xffff_ffff],
    ['IEDATA', Offset.IEDATA, 0xffff_ffff],
    ['FECTL', Offset.FECTL, IM],
    ['IECTL', Offset.IECTL, IM],
    ['GSTS', Offset.GSTS, 0],
    ['FSTS', Offset.FSTS, 0],
    ['ICS', Offset.ICS, 0],
  ])('%s: only the defined bits can be written', (_, offset, expected) => {
    const machine = new Bench();
    machine.write(offset, -1);
    expect(machine.reg(offset)).toBe(expected);
  });

  test('a read outside the window finds nothing', () => {
    expect(new Bench().reg(0x4000)).toBe(0);
  });
});

describe('invalidation registers', () => {
  const IVA = 0x500;
  const IOTLB = 0x508;
  const granted = (machine: Bench) => Number((machine.reg64(IOTLB) >> 57n) & 3n);
  const contextGranted = (machine: Bench) => Number((machine.reg64(Offset.CCMD) >> 59n) & 3n);

  test.each([1, 2, 3])('context command of granularity %i completes and reports it', (granularity) => {
    const machine = new Bench();
    machine.write64(Offset.CCMD, (1n << 63n) | (BigInt(granularity) << 61n) | 5n);
    expect(machine.reg64(Offset.CCMD) >> 63n).toBe(0n);
    expect(contextGranted(machine)).toBe(granularity);
    expect(machine.iommu.invalidator.counts.context).toBe(1);
  });

  test('a context command without granularity is invalid and reported as such', () => {
    const machine = new Bench();
    machine.write64(Offset.CCMD, (1n << 63n) | (3n << 61n));
    machine.write64(Offset.CCMD, (1n << 63n) | (3n << 59n));
    expect(contextGranted(machine)).toBe(0);
    expect(machine.iommu.invalidator.counts.context).toBe(1);
  });

  test.each([1, 2, 3])('IOTLB command of granularity %i completes and reports it', (granularity) => {
    const machine = new Bench();
    machine.write64(IVA, 0x1000n);
    machine.write64(IOTLB, (1n << 63n) | (BigInt(granularity) << 60n) | (5n << 32n));
    expect(machine.reg64(IOTLB) >> 63n).toBe(0n);
    expect(granted(machine)).toBe(granularity);
    const { iotlb_global, iotlb_domain, iotlb_page } = machine.iommu.invalidator.counts;
    expect([iotlb_global, iotlb_domain, iotlb_page].indexOf(1)).toBe(granularity - 1);
  });

  test.each([
    ['without granularity', undefined, 0n, 0n],
    ['with an address mask above MAMV', undefined, 3n, 19n],
    [
      'of a page, on a unit without page-selective invalidation',
      unitWith('skylake', 'cap.PSI=0 cap.MAMV=0'),
      3n,
      0n,
    ],
  ])('an IOTLB command %s is invalid and reported as such', (_, unit, granularity, am) => {
    const machine = new Bench({ unit });
    machine.write64(IVA, 0x1000n | am);
    machine.write64(IOTLB, (1n << 63n) | (granularity << 60n) | (3n << 57n));
    expect(granted(machine)).toBe(0);
    expect(machine.reg64(IOTLB) >> 63n).toBe(0n);
    expect(machine.iommu.invalidator.counts).toMatchObject({
      iotlb_global: 0,
      iotlb_domain: 0,
      iotlb_page: 0,
    });
  });

  test('the largest address mask is accepted', () => {
    const machine = new Bench();
    machine.write64(IVA, 18n);
    machine.write64(IOTLB, (1n << 63n) | (3n << 60n));
    expect(granted(machine)).toBe(3);
  });

  test('a write without the start bit starts nothing and keeps what was reported', () => {
    const machine = new Bench();
    machine.write64(Offset.CCMD, (1n << 63n) | (1n << 61n));
    machine.write64(IOTLB, (1n << 63n) | (2n << 60n));
    machine.write64(Offset.CCMD, 3n << 61n);
    machine.write64(IOTLB, 3n << 60n);
    expect([contextGranted(machine), granted(machine)]).toEqual([1, 2]);
    expect(machine.iommu.invalidator.counts).toMatchObject({ context: 1, iotlb_domain: 1, iotlb_page: 0 });
  });

  test('are dead while the queue is on', () => {
    const machine = new Bench();
    machine.enableQueue();
    machine.write64(Offset.CCMD, (1n << 63n) | (1n << 61n));
    machine.write64(IOTLB, (1n << 63n) | (1n << 60n));
    expect(machine.iommu.invalidator.counts).toMatchObject({ context: 0, iotlb_global: 0 });
    expect([contextGranted(machine), granted(machine)]).toEqual([0, 0]);
    expect([machine.reg64(Offset.CCMD) >> 63n, machine.reg64(IOTLB) >> 63n]).toEqual([0n, 0n]);
  });
});

describe('fault log', () => {
  const HELD = 1n << 63n;
  const held = (machine: Bench) => machine.records().map(([, hi]) => (hi & HELD) !== 0n);
  const release = (machine: Bench, index: number) => machine.write64(0x220 + 16 * index + 8, HELD);
  const status = (machine: Bench) => {
    const value = machine.reg(Offset.FSTS);
    return { PFO: value & 1, PPF: (value >> 1) & 1, IQE: (value >> 4) & 1, FRI: value >> 8 };
  };

  test('fills its records in turn and says where it began', () => {
    const machine = bench();
    fault(machine, 0);
    release(machine, 0);
    for (const fn of [1, 2, 3]) fault(machine, fn);
    expect(held(machine)).toEqual([false, true, true, true]);
    expect(status(machine)).toEqual({ PFO: 0, PPF: 1, IQE: 0, FRI: 1 });
    fault(machine, 4);
    expect(held(machine)).toEqual([true, true, true, true]);
    expect(status(machine)).toEqual({ PFO: 0, PPF: 1, IQE: 0, FRI: 1 });
    expect(machine.records().map(([, hi]) => hi & 0xffffn)).toEqual([0x304n, 0x301n, 0x302n, 0x303n]);
  });

  test('overflows when the next record is taken, although another one is free', () => {
    const machine = bench();
    for (const fn of [0, 1, 2, 3]) fault(machine, fn);
    release(machine, 1);
    fault(machine, 4);
    expect(status(machine).PFO).toBe(1);
    expect(held(machine)).toEqual([true, false, true, true]);
  });

  test('drops every fault while it has overflowed, even with all records free', () => {
    const machine = bench();
    for (const fn of [0, 1, 2, 3, 4]) fault(machine, fn);
    for (let i = 0; i < 4; i++) release(machine, i);
    expect(status(machine)).toEqual({ PFO: 1, PPF: 0, IQE: 0, FRI: 0 });
    expect(fault(machine, 5)).toMatchObject({ outcome: 'blocked', fault: 6 });
    expect(held(machine)).toEqual([false, false, false, false]);
    machine.write(Offset.FSTS, 1);
    fault(machine, 5);
    expect(status(machine)).toEqual({ PFO: 0, PPF: 1, IQE: 0, FRI: 0 });
  });

  test('keeps one record of a device until software has taken it', () => {
    const machine = bench();
    for (let i = 0; i < 3; i++) fault(machine, 1);
    expect(held(machine)).toEqual([true, false, false, false]);
    expect(status(machine).PFO).toBe(0);
    release(machine, 0);
    fault(machine, 1);
    expect(held(machine)).toEqual([false, true, false, false]);
  });

  test.each([
    ['source', [true, false, false, false]],
    ['fault', [true, true, true, false]],
    ['none', [true, true, true, true]],
  ] as const)('compresses by %s', (faultCompression, expected) => {
    const machine = bench(FOUR_RECORDS, { faultCompression });
    machine.map(0x10000, 4, 0x3000n, 0x5001n);
    machine.dma('03:00.1', 'read', 0x2000n);
    machine.dma('03:00.1', 'read', 0x2abcn);
    machine.dma('03:00.1', 'read', 0x4000n);
    machine.dma('03:00.1', 'write', 0x3000n);
    expect(held(machine)).toEqual(expected);
    expect(status(machine).PFO).toBe(0);
  });

  test.each([1, 2, 3, 4, 8, 100])(
    'of %i records is a ring that loses nothing software takes in time',
    (count) => {
      const machine = new Bench({
        unit: unitWith('qemu', `ecap.IRO=240 cap.NFR=${count - 1}`),
        uncertain: { faultCompression: 'none' },
      });
      machine.start();
      let next = 0;
      for (let round = 1; round <= 12; round++) {
        const burst = 1 + ((round * 7) % count);
        for (let i = 0; i < burst; i++) machine.dma('03:00.0', 'read', BigInt((round * 1000 + i) * 4096));
        expect(status(machine)).toEqual({ PFO: 0, PPF: 1, IQE: 0, FRI: next });
        for (let i = 0; i < burst; i++, next = (next + 1) % count) {
          const [page, hi] = machine.records()[next];
          expect([page, hi >> 63n]).toEqual([BigInt((round * 1000 + i) * 4096), 1n]);
          release(machine, next);
        }
        expect(status(machine)).toEqual({ PFO: 0, PPF: 0, IQE: 0, FRI: 0 });
      }
      for (let i = 0; i <= count; i++) machine.dma('03:00.0', 'read', BigInt(i * 4096));
      expect(status(machine)).toEqual({ PFO: 1, PPF: 1, IQE: 0, FRI: next });
    },
  );

  test('with a single record loses the second device', () => {
    const machine = bench(unitLike('qemu'));
    fault(machine, 0);
    fault(machine, 0);
    expect(status(machine).PFO).toBe(0);
    fault(machine, 1);
    expect(status(machine)).toEqual({ PFO: 1, PPF: 1, IQE: 0, FRI: 0 });
    expect(machine.records()[0][1] & 0xffffn).toBe(0x300n);
  });

  test('PPF cannot be cleared, nor anything in a record but F', () => {
    const machine = bench();
    fault(machine);
    const before = machine.records();
    machine.write(Offset.FSTS, -1);
    machine.write64(0x220, -1n);
    machine.write64(0x228, 0x7fff_ffff_ffff_ffffn);
    expect(machine.records()).toEqual(before);
    expect(status(machine).PPF).toBe(1);
    release(machine, 0);
    expect(status(machine).PPF).toBe(0);
    expect(machine.records()[0]).toEqual([before[0][0], before[0][1] & ~HELD]);
  });

  test('a request that does not fault was not recorded, whatever came before it', () => {
    const machine = bench();
    machine.map(0x10000, 4, 0x2000n, 0x5003n);
    fault(machine);
    expect(machine.iommu.translator.recorded).toBe(true);
    machine.dma('03:00.0', 'read', 0x2000n);
    expect(machine.iommu.translator.recorded).toBe(false);
  });
});

describe('fault event', () => {
  function armed(masked = false) {
    const machine = bench();
    machine.write(Offset.FEDATA, 0x4021);
    machine.write(Offset.FEADDR, 0xfee0_1000);
    machine.write(Offset.FEUADDR, 1);
    if (!masked) machine.write(Offset.FECTL, 0);
    return machine;
  }
  const message = { address: 0x1_fee0_1000, data: 0x4021 };
  const clearAll = (machine: Bench) => machine.clearFaults();

  test('is sent once in each pending period', () => {
    const machine = armed();
    for (const fn of [0, 1, 2, 3, 4, 5]) fault(machine, fn);
    expect(machine.interrupts).toEqual([message]);
    clearAll(machine);
    fault(machine);
    expect(machine.interrupts).toEqual([message, message]);
    expect(machine.reg(Offset.FECTL)).toBe(0);
  });

  test('is not sent for a fault while a queue error is pending, nor the other way round', () => {
    const machine = armed();
    machine.enableQueue();
    machine.submit([0, 0, 0, 0]);
    expect(machine.interrupts.length).toBe(1);
    fault(machine);
    expect(machine.interrupts.length).toBe(1);
    clearAll(machine);
    // The queue stops again at the descriptor that is still bad, in a new pending period.
    machine.write(Offset.FSTS, 0x10);
    expect(machine.interrupts.length).toBe(2);

    const other = armed();
    other.enableQueue();
    fault(other);
    other.submit([0, 0, 0, 0]);
    expect(other.interrupts.length).toBe(1);
  });

  test('while masked it waits, and unmasking sends it', () => {
    const machine = armed(true);
    fault(machine);
    expect(machine.interrupts).toEqual([]);
    expect(machine.reg(Offset.FECTL)).toBe((IM | IP) >>> 0);
    machine.write(Offset.FECTL, IM);
    expect(machine.reg(Offset.FECTL)).toBe((IM | IP) >>> 0);
    machine.write(Offset.FECTL, 0);
    expect(machine.interrupts).toEqual([message]);
    expect(machine.reg(Offset.FECTL)).toBe(0);
    machine.write(Offset.FECTL, IM);
    machine.write(Offset.FECTL, 0);
    expect(machine.interrupts).toEqual([message]);
  });

  test('while masked it goes away with its cause', () => {
    const machine = armed(true);
    fault(machine, 0);
    fault(machine, 1);
    machine.write64(0x228, 1n << 63n);
    expect(machine.reg(Offset.FECTL) & IP).not.toBe(0);
    machine.write64(0x238, 1n << 63n);
    expect(machine.reg(Offset.FECTL)).toBe(IM);
    machine.write(Offset.FECTL, 0);
    expect(machine.interrupts).toEqual([]);
  });

  test('is not sent for a fault that FPD hides', () => {
    const machine = armed();
    machine.attach('03:00.0', { SSPTPTR: 0x10000n, DID: 5, FPD: 1 });
    expect(fault(machine)).toMatchObject({ outcome: 'blocked', fault: 6 });
    expect(machine.interrupts).toEqual([]);
    expect(machine.reg(Offset.FSTS)).toBe(0);
  });
});
