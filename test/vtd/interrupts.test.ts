/** Interrupt remapping and posting: what the vectors do not say. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { messageFor, messageOfRte, rteLayout } from '../../source/vtd/formats/interrupt-message.ts';
import { interruptEntryLayout } from '../../source/vtd/formats/interrupt-remapping-entry.ts';
import { Counter } from '../../source/vtd/performance/counters.ts';
import { Global, Offset } from '../../source/vtd/unit/registers.ts';
import { Bench, deviceId, type InterruptAnswer, qwords, unitLike } from '../support/unit.ts';

const TABLE = 0x4_0000;
const DESCRIPTORS = 0x5_0000;
const NIC = '03:00.0';
const DISK = '04:00.0';
const SKYLAKE = unitLike('skylake');
const POSTING = unitLike('skylake', { capSet: 1n << 59n });

const entry = (bench: Bench, index: number, low: bigint, high = 0n) => {
  bench.poke(TABLE + 16 * index, low);
  bench.poke(TABLE + 16 * index + 8, high);
};

/** A bench whose table has 2^(S+1) entries. */
const remapping = (size = 7, isX2apic = true, options = {}) =>
  new Bench({ unit: SKYLAKE, ...options }).startInterrupts(BigInt(TABLE + size + (isX2apic ? 0x800 : 0)));

const ask = (bench: Bench, from: string, index: number): InterruptAnswer => {
  const { address, data } = messageFor(index);
  return bench.interrupt(from, address, data);
};

describe('the unit', () => {
  test('sends its own events as they are programmed, though every other such message is blocked', () => {
    const bench = remapping().start();
    bench.write(Offset.FEDATA, 0x21);
    bench.write(Offset.FEADDR, 0xfee0_3000);
    bench.write(Offset.FECTL, 0);
    expect(bench.interrupt(NIC, 0xfee0_3000, 0x21)).toMatchObject({ delivery: 'none', fault: 0x25 });
    expect(bench.interrupts).toEqual([{ address: 0xfee0_3000, data: 0x21 }]);
  });

  test('has neither IRE nor CFI without ECAP.IR, and takes no table', () => {
    const bench = new Bench({ unit: unitLike('skylake', { ecapClear: 0b11000n }) });
    bench.command(Global.SIRTP);
    bench.command(Global.IRE);
    bench.command(Global.CFI);
    expect(bench.reg(Offset.GSTS)).toBe(0);
    expect(bench.interrupt(NIC, 0xfee0_0000, 0x41).delivery).toBe('as written');
  });

  test('shows IRES, IRTPS and CFIS as they were asked for', () => {
    const bench = remapping();
    expect(bench.reg(Offset.GSTS)).toBe(0x0700_0000);
    bench.command(Global.CFI);
    expect(bench.reg(Offset.GSTS)).toBe(0x0780_0000);
  });

  test('uses a new table only from SIRTP on', () => {
    const bench = remapping();
    entry(bench, 3, 0x25_0001n);
    bench.poke(0x6_0030, 0x55_0001n);
    bench.write64(Offset.IRTA, 0x6_0807n);
    expect(ask(bench, NIC, 3).vector).toBe(0x25);
    bench.command(Global.SIRTP);
    bench.invalidate({ interruptEntries: 'global' });
    expect(ask(bench, NIC, 3).vector).toBe(0x55);
  });

  test('puts an interrupt fault into the same records as a DMA fault', () => {
    const bench = remapping().start();
    ask(bench, NIC, 9);
    expect(bench.records()).toEqual([[9n << 48n, 0x8000_0022_0000_0300n]]);
    expect(bench.dma(DISK, 'read', 0x1000n).fault).toBe(1);
    // One record on this unit, which the interrupt has.
    expect(bench.reg(Offset.FSTS) & 3).toBe(3);
  });

  test('lets a write with PASID into 0xfeex_xxxx go the way of any other DMA', () => {
    const bench = remapping().start();
    expect(bench.dma(NIC, 'write', 0xfee0_0000n, 5)).toMatchObject({ outcome: 'blocked', fault: 0x31 });
    expect(bench.iommu.translator.counts[Counter.interrupt_requests]).toBe(0);
  });

  test('keeps as many entries as its cache has room for, and reads the others again', () => {
    const bench = remapping();
    for (let index = 0; index < 65; index++) entry(bench, index, 0x25_0001n);
    for (let index = 0; index < 65; index++) expect(ask(bench, NIC, index).reads).toBe(1);
    expect(ask(bench, NIC, 64).reads).toBe(0);
    expect(ask(bench, NIC, 0).reads).toBe(1);
  });

  test('finds the rest of a table that runs over 4 GiB', () => {
    const ram = 0x1_0010_0000;
    const bench = new Bench({ ram, unit: SKYLAKE }).startInterrupts(0xffff_f80fn);
    bench.poke(0xffff_f000 + 16 * 255, 0x25_0001n);
    bench.poke(0xffff_f000 + 16 * 256, 0x26_0001n);
    expect([255, 256].map((index) => ask(bench, NIC, index).vector)).toEqual([0x25, 0x26]);
  });

  test('keeps an absent entry in caching mode until it is invalidated', () => {
    const bench = remapping(7, true, { unit: unitLike('skylake', { capSet: 1n << 7n }) });
    expect(ask(bench, NIC, 3)).toMatchObject({ fault: 0x22, reads: 1 });
    entry(bench, 3, 0x25_0001n);
    expect(ask(bench, NIC, 3)).toMatchObject({ fault: 0x22, reads: 0 });
    const { address, data } = messageFor(3);
    const { steps } = bench.iommu.explainInterrupt(deviceId(NIC), address | 0, data);
    expect(steps.at(-1)).toMatchObject({ stage: 'interrupt-entry cache', verdict: 'blocked', fault: 0x22 });
    bench.invalidate({ interruptEntries: 'index', index: 3 });
    expect(ask(bench, NIC, 3)).toMatchObject({ vector: 0x25, reads: 1 });
  });

  test('counts look-ups and hits of remapped and posted interrupts for the unit and for the device', () => {
    const bench = remapping(7, true, { unit: POSTING });
    const mine = bench.iommu.translator.countRequester(deviceId(NIC));
    entry(bench, 1, 0x25_0001n);
    entry(bench, 2, (BigInt(DESCRIPTORS) << 32n) | 0x41_8001n);
    for (const index of [1, 2, 1, 2, 2, 3]) ask(bench, NIC, index);
    bench.interrupt(NIC, 0xfee0_0000, 0);
    for (const counts of [mine, bench.iommu.translator.counts]) {
      expect(counts[Counter.interrupt_requests]).toBe(7);
      expect(counts[Counter.int_cache_lookup]).toBe(6);
      expect(counts[Counter.int_cache_hit_nonposted]).toBe(1);
      expect(counts[Counter.int_cache_hit_posted]).toBe(2);
      expect(counts[Counter.interrupts_posted]).toBe(3);
      expect(counts[Counter.interrupts_blocked]).toBe(2);
      expect(counts[Counter.faults]).toBe(2);
    }
  });
});

describe('an IOAPIC', () => {
  test('sends an index in place of a destination, as the recorded timer does', () => {
    const lo = 0x2;
    const hi = (1 << 17) | (1 << 16);
    expect(rteLayout(hi).name).toBe('IOAPIC redirection entry, remappable');
    expect(messageOfRte(hi, lo)).toEqual({ address: 0xfee0_0030, data: 0x2 });
  });

  test('sends destination, delivery mode and trigger in the compatibility format', () => {
    // Processor 5, logical, level, lowest priority, vector 0x31.
    const lo = 0x31 | (1 << 8) | (1 << 11) | (1 << 15);
    const hi = 5 << 24;
    expect(rteLayout(hi).decode([lo, hi])).toMatchObject({ V: 0x31n, DLM: 1n, DM: 1n, TM: 1n, DST: 5n });
    const { address, data } = messageOfRte(hi, lo);
    expect(new Bench().interrupt('ff:00.0', address, data)).toMatchObject({
      delivery: 'as written',
      vector: 0x31,
      destination: 5,
      deliveryMode: 1,
      isLogical: true,
      isLevel: true,
    });
  });

  test('and a device name the same entry by the same index', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), (index) => {
        const hi = ((index & 0x7fff) << 17) | (1 << 16);
        const lo = (index >>> 15) << 11;
        expect(messageOfRte(hi, lo)).toEqual(messageFor(index));
        const bench = remapping(15);
        const { address, data } = messageFor(index);
        expect(bench.interrupt(NIC, address, data).index).toBe(index);
      }),
    );
  });
});

/** Entries of which about half are good, and descriptors that may be. */
const word32 = fc.integer({ min: 0, max: 0xffff_ffff });
const low = fc.oneof(
  fc
    .record({ vector: fc.nat(255), mode: fc.nat(7), flags: fc.nat(31), destination: fc.nat(255) })
    .map(
      ({ vector, mode, flags, destination }) =>
        (BigInt(destination) << 40n) | BigInt((vector << 16) | (mode << 5) | flags | 1),
    ),
  fc
    .record({ vector: fc.nat(255), urgent: fc.nat(1), at: fc.nat(3) })
    .map(
      ({ vector, urgent, at }) =>
        (BigInt(DESCRIPTORS + 64 * at) << 32n) | BigInt((vector << 16) | (urgent << 14) | 0x8001),
    ),
  fc.tuple(word32, word32).map(([hi, lo]) => (BigInt(hi) << 32n) | BigInt(lo)),
);
const high = fc.oneof(
  fc.constant(0n),
  fc
    .record({ type: fc.nat(3), qualifier: fc.nat(3), bus: fc.nat(5), devfn: fc.nat(255) })
    .map(({ type, qualifier, bus, devfn }) => BigInt((type << 18) | (qualifier << 16) | (bus << 8) | devfn)),
);
const ENTRIES = 16;
const change = fc.record({ index: fc.nat(ENTRIES - 1), low, high });
const request = fc.record({ from: fc.constantFrom(NIC, DISK, '03:00.1'), index: fc.nat(ENTRIES) });

/** What an entry says, read field by field; only what the requests below can meet. */
function expected(bench: Bench, from: string, index: number): Pick<InterruptAnswer, 'delivery' | 'fault'> {
  const refused = (fault: number) => ({ delivery: 'none', fault }) as const;
  if (index >= ENTRIES) return refused(0x21);
  const raw = [bench.peek(TABLE + 16 * index), bench.peek(TABLE + 16 * index + 8)];
  const layout = interruptEntryLayout(Number(raw[0] & 0xffff_ffffn));
  const words = qwords(...raw);
  const fields = layout.decode(words) as Record<string, bigint>;
  if (fields.P === 0n) return refused(0x22);
  const reserved = layout.reserved(bench.iommu.capabilities);
  const isReserved = words.some((word, i) => (word & reserved[i]) !== 0);
  if (isReserved || fields.DLM === 3n || fields.DLM === 6n || fields.SVT === 3n) return refused(0x24);
  const id = BigInt(deviceId(from));
  const ignored = [0n, 4n, 6n, 7n][Number(fields.SQ)];
  if (fields.SVT === 1n && (id | ignored) !== (fields.SID | ignored)) return refused(0x26);
  const bus = id >> 8n;
  if (fields.SVT === 2n && (bus < fields.SID >> 8n || bus > (fields.SID & 0xffn))) return refused(0x26);
  if (fields.IM === 0n) return { delivery: 'remapped', fault: 0 };
  const at = (fields.PDAH << 32n) | (fields.PDAL << 6n);
  if (at >= BigInt(bench.memory.size)) return refused(0x27);
  const control = bench.peek(Number(at) + 32);
  const isTold = (control & 1n) === 0n && (fields.URG === 1n || (control & 2n) === 0n);
  return { delivery: isTold ? 'posted, notified' : 'posted', fault: 0 };
}

describe('whatever the table holds', () => {
  test('a request ends as its entry says, if each change is invalidated', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(change, request), { maxLength: 40 }), (actions) => {
        const bench = remapping(3, true, { unit: POSTING });
        for (const action of actions) {
          if ('low' in action) {
            entry(bench, action.index, action.low, action.high);
            bench.invalidate({ interruptEntries: 'index', index: action.index });
            continue;
          }
          const told = expected(bench, action.from, action.index);
          expect(ask(bench, action.from, action.index)).toMatchObject(told);
          // The processor reads the descriptors: ON goes back to 0.
          for (let i = 0; i < 4; i++) bench.poke(DESCRIPTORS + 64 * i + 32, i % 2 === 0 ? 0n : 2n);
        }
      }),
    );
  });

  test('a cached entry answers as it was until its index is invalidated', () => {
    fc.assert(
      fc.property(
        fc.nat(ENTRIES - 1),
        fc.nat(ENTRIES - 1),
        fc.nat(4),
        fc.nat(255),
        fc.nat(255),
        (index, other, im, before, after) => {
          const bench = remapping(3);
          entry(bench, index, BigInt((before << 16) | 1));
          expect(ask(bench, NIC, index).vector).toBe(before);
          entry(bench, index, BigInt((after << 16) | 1));
          bench.invalidate({ interruptEntries: 'index', index: other, im });
          const isCovered = index >>> im === other >>> im;
          expect(ask(bench, NIC, index)).toMatchObject({
            vector: isCovered ? after : before,
            reads: isCovered ? 1 : 0,
          });
        },
      ),
    );
  });

  test('an explanation ends as the request does, and changes nothing', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), fc.array(request), (changes, requests) => {
        const bench = remapping(3, true, { unit: POSTING });
        for (const { index, low, high } of changes) entry(bench, index, low, high);
        for (const { from, index } of requests) {
          const { address, data } = messageFor(index);
          const { translator } = bench.iommu;
          const counts = translator.counts.slice();
          const descriptors = bench.memory.readWords(DESCRIPTORS, 64).slice();
          const explained = bench.iommu.explainInterrupt(deviceId(from), address | 0, data);
          expect(translator.counts).toEqual(counts);
          expect(bench.memory.readWords(DESCRIPTORS, 64)).toEqual(descriptors);
          expect(explained.steps.at(-1)?.verdict).toBe(explained.fault === 0 ? 'passed' : 'blocked');
          expect(explained.steps.at(-1)?.fault).toBe(explained.fault);
          const answer = ask(bench, from, index);
          expect(explained.fault).toBe(answer.fault);
          const told = [...explained.steps.at(-1)!.words];
          if (answer.fault === 0) expect(told[1]).toBe(answer.vector);
        }
      }),
    );
  });

  test('an explanation from memory reads the entry also where it is cached', () => {
    const bench = remapping();
    entry(bench, 3, 0x25_0001n);
    ask(bench, NIC, 3);
    const { address, data } = messageFor(3);
    const stages = (cold: boolean) =>
      bench.iommu
        .explainInterrupt(deviceId(NIC), address | 0, data, 4, cold)
        .steps.map(({ stage, verdict }) => `${stage}: ${verdict}`);
    expect(stages(false)).toEqual([
      'interrupt range: go on',
      'interrupt request: go on',
      'interrupt-entry cache: hit',
      'source validation: go on',
      'interrupt: passed',
    ]);
    expect(stages(true)).toContain('interrupt-remapping entry: go on');
  });
});
