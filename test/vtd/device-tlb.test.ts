import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeviceTlb } from '../../source/vtd/ats/device-tlb.ts';
import type {
  EndpointLink,
  InvalidateMessage,
  PageGroupResponse,
} from '../../source/vtd/ats/endpoint-link.ts';
import {
  deviceTlbDescriptor,
  pageResponseDescriptor,
  pasidDeviceTlbDescriptor,
  waitDescriptor,
} from '../../source/vtd/formats/invalidation-descriptor.ts';
import { sizeBitsOf, withSize } from '../../source/vtd/formats/translation-completion.ts';
import type { Invalidation } from '../../source/vtd/invalidation/invalidator.ts';
import { Offset, QueueError } from '../../source/vtd/unit/registers.ts';
import { Bench, deviceId, high, low, qwords, unitLike } from '../support/unit.ts';

const STATUS = 0x8000;
const IQE = 0x10;
const ICE = 0x20;
const ITE = 0x40;
const GPU = '03:00.0';

/** An endpoint whose answers the test gives. */
class Link implements EndpointLink {
  readonly sent: InvalidateMessage[] = [];
  readonly responses: PageGroupResponse[] = [];
  invalidate(message: InvalidateMessage): void {
    this.sent.push(message);
  }
  respond(response: PageGroupResponse): void {
    this.responses.push(response);
  }
}

/** A unit in legacy mode with a queue of 128-bit descriptors, or in scalable mode with one of 256 bits. */
function machineWith({ scalable = false, unit = 'server' }: { scalable?: boolean; unit?: string } = {}) {
  const link = new Link();
  const machine = new Bench({ unit: unitLike(unit as 'server'), link });
  const done: Invalidation[] = [];
  if (scalable) machine.startScalable(0x1400n);
  else {
    machine.attach(GPU, { TT: 1, SSPTPTR: 0x10000n, DID: 5 });
    machine.start();
    machine.enableQueue();
  }
  machine.iommu.invalidator.observer = (invalidation) => done.push(invalidation);
  return {
    machine,
    link,
    done,
    answer: (message: InvalidateMessage) =>
      machine.iommu.invalidationCompleted(message.sourceId, message.tag),
    status: () => machine.memory.read32(STATUS),
    fsts: () => machine.reg(Offset.FSTS) & 0xff,
  };
}

const drop = (at: bigint, options: { S?: number; MIP?: number; SID?: number } = {}) =>
  deviceTlbDescriptor.encode({ type: 3, SID: deviceId(GPU), ADDR: at, ...options });
const wait = (data: number, flags: { FN?: number; IF?: number } = {}) =>
  waitDescriptor.encode({ type: 5, SW: 1, STDATA: data, STADDR: STATUS, ...flags });

describe('the size of a range', () => {
  test.each([
    ['0x1000', 0, 12],
    ['0x0', 1, 13],
    ['0x1000', 1, 14],
    ['0x3000', 1, 15],
    ['0xff000', 1, 21],
    ['0xfffff000', 1, 33],
    ['0x7fffffff000', 1, 44],
    ['0x7ffffffffffff000', 1, 64],
    ['0xfffffffffffff000', 1, 64],
  ])('%s with S = %i is 2^%i bytes', (at, S, bits) => {
    expect(sizeBitsOf(high(BigInt(at)), low(BigInt(at)), S === 1)).toBe(bits);
  });

  test('is what was put in', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 13, max: 31 }), (lo, bits) => {
        const told = withSize(lo, bits);
        expect(sizeBitsOf(0, told, true)).toBe(bits);
        expect(told >>> bits).toBe(lo >>> bits);
      }),
    );
  });
});

describe('an invalidation of a device TLB', () => {
  test('is over when the device says so, and the wait behind it not before', () => {
    const { machine, link, done, status, answer } = machineWith();
    machine.submit(drop(0xff000n, { S: 1 }), wait(7));
    expect(link.sent).toMatchObject([{ sourceId: 0x300, pasid: -1, sizeBits: 21, hi: 0, lo: 0xff000 }]);
    expect([status(), done.length, machine.reg(Offset.IQH)]).toEqual([0, 0, 32]);
    answer(link.sent[0]);
    expect(status()).toBe(7);
    expect(done).toMatchObject([
      { kind: 'device tlb', granularity: 'page', sourceId: 0x300, address: 0, pages: 512 },
      { kind: 'wait' },
    ]);
    expect(machine.iommu.invalidator.counts).toMatchObject({ device_tlb: 1, wait: 1 });
  });

  test('does not hold up what does not wait for it, unless a fence says so', () => {
    const { machine, link, done, status, answer } = machineWith();
    machine.submit(drop(0x1000n), wait(1), qwords('0x11', '0x0'), wait(2, { FN: 1 }), qwords('0x12', '0x0'));
    expect(done.map(({ kind }) => kind)).toEqual(['context']);
    expect(machine.reg(Offset.IQH)).toBe(64);
    answer(link.sent[0]);
    expect(done.map(({ kind }) => kind)).toEqual(['context', 'device tlb', 'wait', 'wait', 'iotlb']);
    expect([status(), machine.reg(Offset.IQH)]).toEqual([2, 80]);
  });

  test('waits end in their order, whatever the order of the answers', () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
        fc.infiniteStream(fc.nat()),
        (kinds, chance) => {
          const { machine, link, done, answer } = machineWith();
          machine.submit(...kinds.map((isWait, n) => (isWait ? wait(n) : drop(BigInt(n) << 12n))));
          const open = [...link.sent];
          for (const pick of chance) {
            if (open.length === 0) break;
            answer(open.splice(pick % open.length, 1)[0]);
            expect(machine.iommu.invalidator.counts.device_tlb).toBe(link.sent.length - open.length);
          }
          expect(done.length).toBe(kinds.length);
          // A wait comes after every invalidation before it.
          const order = done.map(({ kind, address }) => (kind === 'wait' ? -1 : Number(address) / 4096));
          let waits = 0;
          order.forEach((n, place) => {
            if (n >= 0) return;
            const at = kinds.flatMap((isWait, i) => (isWait ? [i] : []))[waits++];
            for (let i = 0; i < at; i++) if (!kinds[i]) expect(order.indexOf(i)).toBeLessThan(place);
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a device gets no more at a time than it can take', () => {
    const { machine, link, answer } = machineWith();
    machine.submit(...[1n, 2n, 3n, 4n].map((page) => drop(page << 12n, { MIP: 2 })), wait(9));
    expect(link.sent.length).toBe(2);
    expect(machine.reg(Offset.IQH)).toBe(32);
    answer(link.sent[1]);
    expect(link.sent.length).toBe(3);
    answer(link.sent[0]);
    answer(link.sent[2]);
    answer(link.sent[3]);
    expect(machine.memory.read32(STATUS)).toBe(9);
  });

  test('virtual functions share the places of their physical one, with ECAP.DIT', () => {
    const link = new Link();
    const machine = new Bench({ unit: unitLike('server', { ecapSet: 1n << 41n }), link }).start();
    machine.enableQueue();
    const ofFunction = (SID: number) =>
      deviceTlbDescriptor.encode({ type: 3, MIP: 1, SID, PFSIDlow: 0, PFSIDhigh: 0x30 });
    machine.submit(ofFunction(0x301), ofFunction(0x302));
    expect(link.sent.map(({ sourceId }) => sourceId)).toEqual([0x301]);
    machine.iommu.invalidationCompleted(0x301, link.sent[0].tag);
    expect(link.sent.map(({ sourceId }) => sourceId)).toEqual([0x301, 0x302]);
  });

  test('32 are under way at most', () => {
    const { machine, link, answer } = machineWith();
    machine.submit(...Array.from({ length: 40 }, (_, n) => drop(BigInt(n) << 12n)));
    expect(link.sent.length).toBe(32);
    for (let n = 0; n < 40; n++) answer(link.sent[n]);
    expect([link.sent.length, machine.reg(Offset.IQH)]).toEqual([40, 640]);
  });

  test('with PASID names the PASID, or all of them', () => {
    const { machine, link, done, answer } = machineWith({ scalable: true });
    const base = { type: 8, SID: 0x300, MIP: 4 };
    machine.submit(
      pasidDeviceTlbDescriptor.encode({ ...base, PASID: 0x12345, ADDR: 0xffff_8000_0000_1000n }),
      pasidDeviceTlbDescriptor.encode({ ...base, PASID: 1, G: 1, S: 1, ADDR: 0x7fff_ffff_ffff_f000n }),
    );
    expect(link.sent).toMatchObject([
      { pasid: 0x12345, isGlobal: false, sizeBits: 12 },
      { pasid: 1, isGlobal: true, sizeBits: 64 },
    ]);
    for (const message of link.sent) answer(message);
    expect(done).toMatchObject([
      { kind: 'device tlb', granularity: 'page', pasid: 0x12345 },
      { kind: 'device tlb', granularity: 'global', pasid: null, address: null },
    ]);
  });

  test.each([
    ['device TLBs', 'skylake', qwords('0x3', '0x0'), QueueError.TYPE],
    ['PASID-based device TLBs in legacy mode', 'server', qwords('0x8', '0x0'), QueueError.WIDTH],
    ['page requests', 'skylake', qwords('0x9', '0x0'), QueueError.TYPE],
    ['the physical function, without DIT', 'server', qwords('0x1003', '0x0'), QueueError.RESERVED],
    ['reserved bits', 'server', qwords('0x3', '0x800'), QueueError.RESERVED],
  ])('stops the queue where the unit lacks %s', (_, unit, descriptor, error) => {
    const { machine, fsts } = machineWith({ unit });
    machine.submit(descriptor);
    expect([fsts() & IQE, Number(machine.reg64(Offset.IQERCD) & 15n)]).toEqual([IQE, error]);
  });
});

describe('a device that does not answer', () => {
  test('gives up the waits under way and stops the queue until software clears ITE', () => {
    const { machine, link, done, status, fsts } = machineWith();
    machine.write(Offset.FECTL, 0);
    machine.submit(drop(0x1000n), wait(1), wait(2, { IF: 1 }));
    machine.iommu.invalidationTimedOut(link.sent[0].tag);
    expect([fsts(), machine.interrupts.length]).toEqual([ITE, 1]);
    expect(machine.reg64(Offset.IQERCD)).toBe(0x300n << 32n);
    machine.submit(qwords('0x12', '0x0'), wait(3));
    expect([status(), done.length, machine.reg(Offset.ICS)]).toEqual([0, 0, 0]);
    machine.write(Offset.FSTS, ITE);
    expect([status(), fsts(), machine.reg64(Offset.IQERCD)]).toEqual([3, 0, 0n]);
    expect(done.map(({ kind }) => kind)).toEqual(['iotlb', 'wait']);
  });

  test('does not take others with it: what they still owe is theirs', () => {
    const { machine, link, done, status, answer, fsts } = machineWith();
    machine.submit(drop(0x1000n), drop(0x2000n, { SID: 0x400 }), wait(1));
    machine.iommu.invalidationTimedOut(link.sent[0].tag);
    answer(link.sent[1]);
    expect(done).toMatchObject([{ kind: 'device tlb', sourceId: 0x400 }]);
    machine.write(Offset.FSTS, ITE);
    machine.submit(drop(0x1000n), wait(2));
    answer(link.sent[2]);
    expect([status(), fsts()]).toEqual([2, 0]);
  });

  test('and then does, answers what nobody asks any more: ICE', () => {
    const { machine, link, status, answer, fsts } = machineWith();
    machine.submit(drop(0x1000n));
    machine.iommu.invalidationTimedOut(link.sent[0].tag);
    machine.write(Offset.FSTS, ITE);
    answer(link.sent[0]);
    expect([fsts(), machine.reg64(Offset.IQERCD)]).toEqual([ICE, 0x300n << 48n]);
    machine.submit(wait(4));
    expect(status()).toBe(4);
    machine.write(Offset.FSTS, ICE);
    expect([fsts(), machine.reg64(Offset.IQERCD)]).toEqual([0, 0n]);
  });

  test('a time-out of what was answered changes nothing', () => {
    const { machine, link, answer, fsts } = machineWith();
    machine.submit(drop(0x1000n));
    answer(link.sent[0]);
    machine.iommu.invalidationTimedOut(link.sent[0].tag);
    expect(fsts()).toBe(0);
  });
});

test('an answer for another device is none: ICE names who gave it, and the wait goes on', () => {
  const { machine, link, status, fsts, answer } = machineWith();
  machine.write(Offset.FECTL, 0);
  machine.submit(drop(0x1000n), wait(5));
  machine.iommu.invalidationCompleted(0x400, link.sent[0].tag);
  expect([fsts(), status(), machine.interrupts.length]).toEqual([ICE, 0, 1]);
  expect(machine.reg64(Offset.IQERCD)).toBe(0x400n << 48n);
  answer(link.sent[0]);
  expect(status()).toBe(5);
});

test('without anything that carries messages, devices answer at once', () => {
  const machine = new Bench({ unit: unitLike('server') }).start();
  machine.enableQueue();
  machine.submit(drop(0x1000n), wait(6));
  expect(machine.memory.read32(STATUS)).toBe(6);
});

test('a page group response reaches the device', () => {
  const { machine, link } = machineWith({ scalable: true });
  machine.submit(
    pageResponseDescriptor.encode({ type: 9, RC: 1, RID: 0x300, PP: 1, PASID: 77, LPIG: 1, PRGI: 300 }),
    pageResponseDescriptor.encode({ type: 9, RC: 15, RID: 0x401, PRGI: 2 }),
  );
  expect(link.responses).toEqual([
    { sourceId: 0x300, pasid: 77, group: 300, code: 1 },
    { sourceId: 0x401, pasid: -1, group: 2, code: 15 },
  ]);
});

/** A device that does its DMA through a TLB of its own, and forgets when asked. */
function endpoint(capacity: number) {
  const tlb = new DeviceTlb(capacity);
  const link: EndpointLink = {
    invalidate: (message) => {
      tlb.invalidate(message);
      machine.iommu.invalidationCompleted(message.sourceId, message.tag);
    },
    respond: () => {},
  };
  const machine: Bench = new Bench({ unit: unitLike('server'), link });
  machine.attach(GPU, { TT: 1, SSPTPTR: 0x10000n, DID: 5 });
  machine.start();
  machine.enableQueue();
  const translate = (at: bigint): bigint | null => {
    if (tlb.find(high(at), low(at), -1, false) === null) {
      const { completion } = machine.translation(GPU, at);
      if (completion === null) return null;
      tlb.fill(high(at), low(at), -1, high(completion), low(completion));
      tlb.find(high(at), low(at), -1, false);
    }
    return (BigInt(tlb.outHi >>> 0) << 32n) | BigInt(tlb.outLo >>> 0);
  };
  return { machine, tlb, translate };
}

describe('a device TLB', () => {
  test('holds no more than its capacity, and forgets the least recently used', () => {
    const { machine, tlb, translate } = endpoint(2);
    for (let page = 0n; page < 3n; page++) machine.map(0x10000, 4, page << 12n, 0x50_0003n);
    translate(0x0n);
    translate(0x1000n);
    translate(0x0n);
    translate(0x2000n);
    expect(tlb.entries.map(({ lo }) => lo)).toEqual([0, 0x2000]);
    tlb.clear();
    expect(tlb.entries).toEqual([]);
  });

  test('keeps PASIDs, and supervisors, apart; what is global serves all PASIDs', () => {
    const tlb = new DeviceTlb(8);
    tlb.fill(0, 0x1000, 1, 0, 0x5003);
    tlb.fill(0, 0x1000, 2, 0, 0x6013);
    tlb.fill(0, 0x2000, 3, 0, 0x7023);
    expect(tlb.find(0, 0x1000, 1, false)).toMatchObject({ frameLo: 0x5000, permissions: 3 });
    expect(tlb.find(0, 0x1000, 2, false)).toBeNull();
    expect(tlb.find(0, 0x1000, 2, true)).toMatchObject({ frameLo: 0x6000 });
    expect(tlb.find(0, 0x1000, -1, false)).toBeNull();
    expect(tlb.find(0, 0x2abc, 9, false)).toMatchObject({ isGlobal: true });
    expect(tlb.outLo).toBe(0x7abc);
    expect(tlb.find(0, 0x2000, -1, false)).toBeNull();
    const all = { sourceId: 0, tag: 0, hi: 0, lo: 0, sizeBits: 64 };
    expect(tlb.invalidate({ ...all, pasid: 1, isGlobal: false })).toBe(1);
    expect(tlb.invalidate({ ...all, pasid: -1, isGlobal: false })).toBe(0);
    expect(tlb.invalidate({ ...all, pasid: 0, isGlobal: true })).toBe(2);
  });

  test('after an acknowledged invalidation never holds what memory no longer says, and a translated request is what a completion said', () => {
    const pages = fc.integer({ min: 0, max: 15 });
    const action = fc.oneof(
      { weight: 4, arbitrary: fc.record({ use: pages }) },
      { weight: 2, arbitrary: fc.record({ map: pages, frame: fc.integer({ min: 1, max: 7 }) }) },
      { weight: 1, arbitrary: fc.record({ unmap: pages, order: fc.integer({ min: 0, max: 4 }) }) },
    );
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 60 }),
        fc.integer({ min: 1, max: 12 }),
        (actions, capacity) => {
          const { machine, tlb, translate } = endpoint(capacity);
          const says = new Map<number, bigint>();
          const forget = (page: number, order: number) => {
            const first = (page >> order) << order;
            const at = BigInt(first) << 12n;
            const sized = order === 0 ? at : BigInt(withSize(low(at), 12 + order) >>> 0);
            machine.invalidate({ iotlb: 'page', did: 5, at, am: order });
            machine.submit(drop(sized, { S: order === 0 ? 0 : 1 }), wait(1));
            expect(machine.memory.read32(STATUS)).toBe(1);
          };
          for (const act of actions) {
            if ('use' in act) {
              const at = (BigInt(act.use) << 12n) | 0x123n;
              const output = translate(at);
              expect(output).toBe(says.has(act.use) ? says.get(act.use)! | 0x123n : null);
              if (output !== null) expect(machine.translated(GPU, 'read', output).output).toBe(output);
            } else if ('map' in act) {
              if (says.has(act.map)) continue;
              says.set(act.map, 0x50_0000n + (BigInt(act.frame) << 12n));
              machine.map(0x10000, 4, BigInt(act.map) << 12n, says.get(act.map)! | 3n);
            } else {
              const first = (act.unmap >> act.order) << act.order;
              for (let page = first; page < first + 2 ** act.order; page++) {
                if (!says.delete(page)) continue;
                machine.map(0x10000, 4, BigInt(page) << 12n, 0n);
              }
              forget(first, act.order);
            }
            for (const { lo, frameLo } of tlb.entries) expect(says.get(lo >>> 12)).toBe(BigInt(frameLo));
            expect(tlb.entries.length).toBeLessThanOrEqual(capacity);
          }
        },
      ),
      { numRuns: 80 },
    );
  });
});
