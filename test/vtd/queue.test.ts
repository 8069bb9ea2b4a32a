import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { waitDescriptor } from '../../source/vtd/formats/invalidation-descriptor.ts';
import type { Invalidation } from '../../source/vtd/invalidation/invalidator.ts';
import { Global, Offset } from '../../source/vtd/unit/registers.ts';
import { Bench, descriptorOf, qwords, unitLike, unitWith } from '../support/unit.ts';

const STATUS = 0x8000;
const IQE = 0x10;
const wait = (data: number, flags: { IF?: number; SW?: number; FN?: number } = { SW: 1 }) =>
  waitDescriptor.encode({ type: 5, STDATA: data, STADDR: STATUS, ...flags });

function running(size = 0, unit = unitLike('skylake')) {
  const machine = new Bench({ unit });
  const done: Invalidation[] = [];
  machine.iommu.invalidator.observer = (invalidation) => done.push(invalidation);
  machine.enableQueue(0xf0_0000, size);
  const stopped = () => (machine.reg(Offset.FSTS) & IQE) !== 0;
  return { machine, done, stopped, status: () => machine.memory.read32(STATUS) };
}

describe('invalidation queue', () => {
  test('carries out descriptors in order and stops at the tail', () => {
    const { machine, done, status } = running();
    machine.submit(
      descriptorOf({ context: 'device', did: 7, sid: '03:00.0', fm: 3 }),
      descriptorOf({ iotlb: 'page', did: 7, at: 0xffff_ffff_ffff_f000n, am: 9 }),
      qwords('0x4', '0x0'),
      qwords('0x14', '0x0'),
      wait(0x1234),
    );
    expect(done.map(({ kind, granularity, did, sourceId }) => [kind, granularity, did, sourceId])).toEqual([
      ['context', 'device', 7, 0x300],
      ['iotlb', 'page', 7, null],
      ['interrupt entry', 'global', null, null],
      ['interrupt entry', 'index', null, null],
      ['wait', null, null, null],
    ]);
    expect(done[1]).toMatchObject({ pages: 512 });
    expect(status()).toBe(0x1234);
    expect([machine.reg(Offset.IQH), machine.reg(Offset.IQT)]).toEqual([80, 80]);
  });

  test.each([0, 1, 7])('of size %i wraps around', (size) => {
    const { machine, status, stopped } = running(size);
    const slots = 256 << size;
    for (let n = 1; n <= slots + 3; n++) {
      machine.submit(wait(n));
      if (status() !== n || stopped()) expect(status()).toBe(n);
    }
    expect(machine.reg(Offset.IQH)).toBe(48);
    expect(machine.reg(Offset.IQT)).toBe(48);
  });

  test('takes any number of descriptors up to one less than its size at once', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 5 }), (batches) => {
        const { machine, status } = running();
        let sent = 0;
        for (const count of batches) {
          machine.submit(...Array.from({ length: count }, () => wait(++sent)));
          expect(status()).toBe(sent);
        }
        expect(machine.iommu.invalidator.counts.wait).toBe(sent);
        expect(machine.reg(Offset.IQH)).toBe((16 * sent) % 4096);
      }),
      { numRuns: 20 },
    );
  });

  test('cannot be enabled with a tail other than zero', () => {
    const machine = new Bench();
    machine.write64(Offset.IQA, 0xf0_0000n);
    machine.write64(Offset.IQT, 16n);
    machine.command(Global.QIE);
    expect(machine.reg(Offset.GSTS) & Global.QIE).toBe(0);
    machine.write64(Offset.IQT, 0n);
    machine.command(Global.QIE);
    expect(machine.reg(Offset.GSTS) & Global.QIE).not.toBe(0);
  });

  test('does not exist on a unit without queued invalidation', () => {
    const { machine } = running(0, unitWith('skylake', 'ecap.QI=0 ecap.IR=0 ecap.EIM=0'));
    expect(machine.reg(Offset.GSTS) & Global.QIE).toBe(0);
  });

  test('while off, does nothing with its tail', () => {
    const machine = new Bench();
    machine.write64(Offset.IQA, 0xf0_0000n);
    machine.memory.writeWords(0xf0_0000, wait(1));
    machine.write64(Offset.IQT, 16n);
    expect(machine.memory.read32(STATUS)).toBe(0);
  });

  test('keeps its address while on, and its head goes to zero when turned off', () => {
    const { machine, status } = running();
    machine.submit(wait(1));
    machine.write64(Offset.IQA, 0n);
    expect(machine.reg64(Offset.IQA)).toBe(0xf0_0000n);
    machine.submit(wait(2));
    expect(status()).toBe(2);
    machine.command(0, Global.QIE);
    expect(machine.reg(Offset.IQH)).toBe(0);
    machine.enableQueue(0xe0_0000);
    machine.submit(wait(3));
    expect(status()).toBe(3);
  });

  test.each([
    ['type 0', qwords('0x0', '0x0'), 3],
    ['type 3, a device TLB', qwords('0x3', '0x0'), 3],
    ['type 15', qwords('0xf', '0x0'), 3],
    ['an upper type bit', qwords('0x211', '0x0'), 3],
    ['context: no granularity', qwords('0x1', '0x0'), 4],
    ['context: low bit 6', qwords('0x51', '0x0'), 4],
    ['context: low bit 50', qwords('0x4000000000011', '0x0'), 4],
    ['context: high qword', qwords('0x11', '0x1'), 4],
    ['IOTLB: no granularity', qwords('0x2', '0x0'), 4],
    ['IOTLB: low bit 8', qwords('0x112', '0x0'), 4],
    ['IOTLB: low bit 32', qwords('0x100000012', '0x0'), 4],
    ['IOTLB: high bit 7', qwords('0x12', '0x80'), 4],
    ['IOTLB: address mask above MAMV', qwords('0x32', '0x13'), 4],
    ['interrupt entries: low bit 5', qwords('0x24', '0x0'), 4],
    ['wait: low bit 7, page-request drain', qwords('0xa5', '0x8000'), 4],
    ['wait: low bit 12', qwords('0x1025', '0x8000'), 4],
    ['wait: high bit 0', qwords('0x25', '0x8001'), 4],
  ])('stops at a bad descriptor and stays there: %s', (_, descriptor, error) => {
    const { machine, status, stopped, done } = running();
    machine.submit(wait(1), descriptor, wait(2));
    expect(stopped()).toBe(true);
    expect(machine.reg(Offset.IQH)).toBe(16);
    expect(machine.reg64(Offset.IQERCD)).toBe(BigInt(error));
    expect([status(), done.length]).toEqual([1, 1]);

    // More work does not get past it; only the repaired descriptor and a cleared IQE do.
    machine.submit(wait(3));
    expect(status()).toBe(1);
    machine.write(Offset.FSTS, 1);
    expect(stopped()).toBe(true);
    machine.memory.writeWords(0xf0_0010, wait(9, {}));
    expect(status()).toBe(1);
    machine.write(Offset.FSTS, IQE);
    expect([status(), stopped(), machine.reg(Offset.IQERCD), machine.reg(Offset.IQH)]).toEqual([
      3,
      false,
      0,
      64,
    ]);
  });

  test('a page drain is allowed where the unit has it', () => {
    const { machine, stopped } = running(0, unitWith('skylake', 'ecap.DT=1 ecap.PRS=1 ecap.PDS=1'));
    machine.submit(qwords('0xa5', '0x8000'));
    expect(stopped()).toBe(false);
  });

  test('a page-selective descriptor on a unit without it is an error', () => {
    const { machine, stopped } = running(0, unitWith('skylake', 'cap.PSI=0 cap.MAMV=0'));
    machine.submit(descriptorOf({ iotlb: 'page' }));
    expect(stopped()).toBe(true);
  });

  test('a tail beyond the queue is an error until software corrects it', () => {
    const { machine, stopped, status } = running();
    machine.memory.writeWords(0xf0_0000, wait(5));
    machine.write64(Offset.IQT, 4096n);
    expect([stopped(), machine.reg(Offset.IQERCD), machine.reg(Offset.IQH)]).toEqual([true, 1, 0]);
    machine.write64(Offset.IQT, 16n);
    expect(status()).toBe(0);
    machine.write(Offset.FSTS, IQE);
    expect([status(), stopped()]).toEqual([5, false]);
  });

  test('a queue outside memory is a fetch error', () => {
    for (const base of [0x100_0000, 2 ** 50]) {
      const machine = new Bench();
      machine.write64(Offset.IQA, BigInt(base));
      machine.command(Global.QIE);
      machine.write64(Offset.IQT, 16n);
      expect([machine.reg(Offset.FSTS), machine.reg(Offset.IQERCD)]).toEqual([IQE, 2]);
    }
  });

  test('clearing IQE while the queue runs or is off changes nothing', () => {
    const { machine, stopped } = running();
    machine.write(Offset.FSTS, IQE);
    machine.submit([0, 0, 0, 0]);
    machine.command(0, Global.QIE);
    expect(stopped()).toBe(true);
    machine.write(Offset.FSTS, IQE);
    expect(stopped()).toBe(false);
  });

  test('no sequence of bytes breaks the unit: it stops at the first bad descriptor', () => {
    const word = fc.integer();
    const random = fc.tuple(word, word, word, word);
    const likely = fc.tuple(fc.integer({ min: 0, max: 0xffff }), word, word, word);
    const good = fc.constantFrom(
      [...descriptorOf({ context: 'global' })],
      [...descriptorOf({ iotlb: 'global' })],
      [...descriptorOf({ iotlb: 'domain', did: 3 })],
      [...wait(7)],
      [...wait(7, { IF: 1 })],
    );
    const list = fc.array(fc.oneof(random, likely, good), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(list, (descriptors) => {
        const { machine, done, stopped } = running();
        machine.submit(...descriptors);
        const head = machine.reg(Offset.IQH);
        expect(done.length).toBe(head / 16);
        expect(stopped()).toBe(head !== 16 * descriptors.length);
        expect(machine.reg(Offset.IQERCD) !== 0).toBe(stopped());
        if (!stopped()) return;
        // Skipping the bad ones as Linux does, the queue comes to its end.
        for (let skipped = 0; stopped() && skipped < descriptors.length; skipped++) {
          machine.memory.writeWords(0xf0_0000 + machine.reg(Offset.IQH), wait(0, {}));
          machine.write(Offset.FSTS, IQE);
        }
        expect([stopped(), machine.reg(Offset.IQH)]).toEqual([false, 16 * descriptors.length]);
      }),
    );
  });
});

describe('a wait descriptor', () => {
  const armed = () => {
    const setup = running();
    setup.machine.write(Offset.IEDATA, 0x31);
    setup.machine.write(Offset.IEADDR, 0xfee0_0000);
    return setup;
  };

  test('without flags only orders', () => {
    const { machine, status, done } = armed();
    machine.submit(wait(5, { FN: 1 }));
    expect([status(), machine.reg(Offset.ICS), done.length]).toEqual([0, 0, 1]);
  });

  test('writes its status before it interrupts', () => {
    const { machine, status } = armed();
    machine.write(Offset.IECTL, 0);
    machine.submit(wait(5, { SW: 1, IF: 1 }));
    expect(status()).toBe(5);
    expect(machine.reg(Offset.ICS)).toBe(1);
    expect(machine.interrupts).toEqual([{ address: 0xfee0_0000, data: 0x31 }]);
  });

  test('interrupts once until software clears IWC', () => {
    const { machine } = armed();
    machine.write(Offset.IECTL, 0);
    machine.submit(wait(0, { IF: 1 }), wait(0, { IF: 1 }));
    expect(machine.interrupts.length).toBe(1);
    machine.write(Offset.ICS, 0);
    machine.submit(wait(0, { IF: 1 }));
    expect(machine.interrupts.length).toBe(1);
    machine.write(Offset.ICS, 1);
    expect(machine.reg(Offset.ICS)).toBe(0);
    machine.submit(wait(0, { IF: 1 }));
    expect(machine.interrupts.length).toBe(2);
  });

  test('while masked leaves the event pending; clearing IWC takes it back, unmasking sends it', () => {
    const { machine } = armed();
    machine.submit(wait(0, { IF: 1 }));
    expect(machine.reg(Offset.IECTL)).toBe(0xc000_0000);
    machine.write(Offset.ICS, 1);
    expect(machine.reg(Offset.IECTL)).toBe(0x8000_0000);
    machine.submit(wait(0, { IF: 1 }));
    machine.write(Offset.IECTL, 0);
    expect(machine.interrupts.length).toBe(1);
    expect(machine.reg(Offset.IECTL)).toBe(0);
  });

  test('whose status address is not memory writes nothing', () => {
    const { machine, stopped } = armed();
    machine.submit(waitDescriptor.encode({ type: 5, SW: 1, STADDR: 0x200_0000 }));
    expect([stopped(), machine.reg(Offset.IQH)]).toEqual([false, 16]);
  });

  test('may be followed by work from its own interrupt handler', () => {
    const { machine, status, done } = armed();
    machine.write(Offset.IECTL, 0);
    const send = machine.interrupts.push.bind(machine.interrupts);
    machine.interrupts.push = (message) => {
      machine.submit(wait(6));
      return send(message);
    };
    machine.submit(wait(5, { SW: 1, IF: 1 }));
    expect([status(), done.length, machine.reg(Offset.IQH), machine.reg(Offset.IQT)]).toEqual([6, 2, 32, 32]);
  });
});

test('an invalidation tells how many translations it dropped', () => {
  const machine = new Bench();
  machine.attach('03:00.0', { SSPTPTR: 0x10000n, DID: 5 });
  machine.start();
  const dropped: number[] = [];
  machine.iommu.invalidator.observer = (done) => dropped.push(done.dropped);
  const warm = () => {
    for (let page = 0n; page < 4n; page++) {
      machine.map(0x10000, 4, page << 12n, 0x50_0003n);
      machine.dma('03:00.0', 'read', page << 12n);
    }
  };
  warm();
  machine.invalidate({ iotlb: 'page', did: 5, at: 0n, am: 1 });
  machine.invalidate({ iotlb: 'page', did: 6, at: 0n, am: 3 });
  machine.invalidate({ iotlb: 'domain', did: 5 });
  warm();
  machine.invalidate({ iotlb: 'global' });
  machine.invalidate({ context: 'domain', did: 5 });
  expect(dropped).toEqual([2, 0, 2, 4, 0]);
});

describe('invalidation queue of 256-bit descriptors', () => {
  function scalable(rtaddr = 0x1400n) {
    const machine = new Bench({ unit: unitLike('server') }).startScalable(rtaddr);
    const stopped = () => (machine.reg(Offset.FSTS) & IQE) !== 0;
    const error = () => Number(machine.reg64(Offset.IQERCD) & 15n);
    return { machine, stopped, error };
  }

  test('carries out all types, tells of them, and wraps around', () => {
    const { machine, stopped } = scalable();
    const done: Invalidation[] = [];
    machine.iommu.invalidator.observer = (invalidation) => done.push(invalidation);
    machine.submit(
      descriptorOf({ pasidCache: 'global' }),
      descriptorOf({ pasidCache: 'domain', did: 3 }),
      descriptorOf({ pasidCache: 'pasid', did: 3, pasid: 0xfffff }),
      descriptorOf({ pasidIotlb: 'all', did: 3, pasid: 9 }),
      descriptorOf({ pasidIotlb: 'page', did: 3, pasid: 9, at: 0xffff_8000_0000_0000n, am: 63 }),
      descriptorOf({ context: 'domain', did: 3 }),
    );
    expect(stopped()).toBe(false);
    expect(done.map(({ kind, granularity, did, pasid }) => [kind, granularity, did, pasid])).toEqual([
      ['pasid cache', 'global', null, null],
      ['pasid cache', 'domain', 3, null],
      ['pasid cache', 'pasid', 3, 0xfffff],
      ['pasid iotlb', 'pasid', 3, 9],
      ['pasid iotlb', 'page', 3, 9],
      ['context', 'domain', 3, null],
    ]);
    for (let n = 1; n <= 130; n++) {
      machine.submit(wait(n));
      expect(machine.memory.read32(STATUS)).toBe(n);
    }
    // Three descriptors came with the start.
    expect(machine.reg(Offset.IQH)).toBe(((130 + 6 + 3) * 32) % 4096);
  });

  test.each([
    ['bits in the upper half', qwords('0x11', '0x0', '0x1', '0x0'), 4],
    ['a granularity of the PASID cache that is none', qwords('0x27', '0x0'), 4],
    ['a granularity of PASID-based IOTLB that is none', qwords('0x16', '0x0'), 4],
    ['type 10, once page stream response', qwords('0xa', '0x0'), 3],
  ])('stops at %s', (_, descriptor, expected) => {
    const { machine, stopped, error } = scalable();
    machine.submit(descriptor);
    expect([stopped(), error()]).toEqual([true, expected]);
  });

  test('stops at a tail in the middle of a descriptor', () => {
    const { machine, error } = scalable();
    machine.write64(Offset.IQT, BigInt(machine.reg(Offset.IQT)) + 16n);
    expect(error()).toBe(6);
  });

  test('stops at a PASID type while the tables are those of legacy mode', () => {
    const machine = new Bench({ unit: unitLike('server') });
    machine.enableQueue(0xf0_0000, 0, true);
    machine.submit(descriptorOf({ pasidCache: 'global' }));
    expect(machine.reg64(Offset.IQERCD)).toBe(7n);
  });

  test('is needed in scalable mode: 128-bit descriptors stop the queue', () => {
    const machine = new Bench({ unit: unitLike('server') });
    machine.enableQueue();
    machine.submit(descriptorOf({ context: 'global' }));
    expect(machine.reg64(Offset.IQERCD)).toBe(0n);
    machine.submit(descriptorOf({ pasidCache: 'global' }));
    expect(machine.reg64(Offset.IQERCD)).toBe(5n);
    const other = new Bench({ unit: unitLike('server') });
    other.enableQueue();
    other.setRoot(0x1400n);
    other.submit(descriptorOf({ context: 'global' }));
    expect(other.reg64(Offset.IQERCD)).toBe(5n);
  });

  test('turning translation off empties all caches', () => {
    const { machine } = scalable();
    machine.poke(0x1030, 0x2001n);
    machine.poke(0x2000, 0x4001n);
    machine.poke(0x4000, 0x5001n);
    machine.poke(0x5000, 0x101n);
    expect(machine.dma('03:00.0', 'read', 0n).reads).toBe(4);
    expect(machine.dma('03:00.0', 'read', 0n).reads).toBe(0);
    machine.command(0, Global.TE);
    machine.command(Global.TE);
    expect(machine.dma('03:00.0', 'read', 0n).reads).toBe(4);
  });

  test('registers carry out nothing in scalable mode', () => {
    const machine = new Bench({ unit: { ...unitLike('server'), version: 0x50 } });
    machine.invalidate({ context: 'global' });
    expect(machine.iommu.invalidator.counts.context).toBe(1);
    machine.setRoot(0x1400n);
    machine.invalidate({ context: 'global' });
    machine.invalidate({ iotlb: 'global' });
    expect(machine.iommu.invalidator.counts).toMatchObject({ context: 1, iotlb_global: 0 });
  });
});
