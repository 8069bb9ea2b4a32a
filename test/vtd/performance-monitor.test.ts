import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PerfFilters, PerformanceMonitoring } from '../../source/linux/unit/performance-monitoring.ts';
import { type CounterName, counterNames, namedCounts } from '../../source/vtd/performance/counters.ts';
import { performanceEvents } from '../../source/vtd/performance/performance-events.ts';
import {
  EnhancedCommand,
  PageTables,
  PerformanceOffset,
} from '../../source/vtd/performance/performance-registers.ts';
import { Bench, deviceId, unitWith } from '../support/unit.ts';

const { CAP, ECMD, ECRSP, CFGOFF, CNTROFF, OVFOFF, FRZOFF, INTRSTS, INTRCTL, EVNTCAP } = PerformanceOffset;
const STEP = 0x400;

/** Devices 03:00.0 and 03:00.1 in domains 5 and 6, with the pages from 0 to 15 mapped; 03:00.2 in pass-through. */
function bench(words = 'cap.NFR=7'): Bench {
  const machine = new Bench({ unit: unitWith('server', words) });
  machine.attach('03:00.0', { SSPTPTR: 0x10000n, DID: 5 });
  machine.attach('03:00.1', { SSPTPTR: 0x20000n, DID: 6 });
  machine.attach('03:00.2', { TT: 2, AW: 3, DID: 1 });
  for (const table of [0x10000, 0x20000])
    for (let page = 0; page < 16; page++)
      machine.map(table, 4, BigInt(page * 4096), BigInt(0x40_0003 + page * 4096));
  machine.setRoot(0x1000n);
  machine.enableQueue();
  machine.command(1 << 31);
  return machine;
}

const driver = (machine: Bench) => PerformanceMonitoring.find(machine.iommu)!;

const requests = fc.array(
  fc.record({
    from: fc.constantFrom('03:00.0', '03:00.1', '03:00.2', '03:00.3'),
    page: fc.integer({ min: 0, max: 20 }),
    access: fc.constantFrom('read' as const, 'write' as const),
  }),
  { maxLength: 40 },
);

describe('the counters of performance monitoring', () => {
  test('are found only on a unit that has them, and with them the events that it counts', () => {
    expect(PerformanceMonitoring.find(new Bench().iommu)).toBeNull();
    const { counters, events } = driver(bench());
    expect(counters).toBe(8);
    const names = events.map(({ name }) => name);
    expect(names).toEqual(
      performanceEvents.map(({ name }) => name).filter((name) => counterNames.includes(name as CounterName)),
    );
    expect(names).toContain('iotlb_lookup');
    expect(names).not.toContain('iommu_clocks');
    expect(() => driver(bench()).open('pw_occupancy')).toThrow('this unit does not count pw_occupancy');
  });

  test('read as nothing on a unit without them, and keep nothing', () => {
    const machine = new Bench();
    for (const offset of [CAP, CFGOFF, CNTROFF, INTRCTL, EVNTCAP, ECRSP]) {
      machine.write(offset, -1);
      expect(machine.reg(offset)).toBe(0);
    }
  });

  test('every event of the table has one group and one bit of its own', () => {
    const codes = performanceEvents.map(({ group, code }) => `${group} ${code}`);
    expect(new Set(codes).size).toBe(codes.length);
    for (const { code } of performanceEvents) expect(code & (code - 1)).toBe(0);
  });

  test('without a filter count what the unit counts, each event its own', () => {
    fc.assert(
      fc.property(requests, requests, (before, after) => {
        const machine = bench();
        for (const { from, page, access } of before) machine.dma(from, access, BigInt(page * 4096));
        const start = namedCounts(machine.iommu.translator.counts);
        const perf = driver(machine);
        const names = perf.events.slice(0, 8).map(({ name }) => name as CounterName);
        const counters = names.map((name) => perf.open(name)!);
        expect(perf.open('iommu_requests')).toBeNull();
        for (const { from, page, access } of after) machine.dma(from, access, BigInt(page * 4096));
        const now = namedCounts(machine.iommu.translator.counts);
        expect(counters.map((counter) => perf.read(counter))).toEqual(
          names.map((name) => now[name] - start[name]),
        );
      }),
    );
  });

  test('with a filter count a part, and the parts make the whole', () => {
    fc.assert(
      fc.property(requests, (made) => {
        const machine = bench();
        const perf = driver(machine);
        const kinds: PerfFilters[] = [
          {},
          { requester_id: deviceId('03:00.0') },
          { domain: 5 },
          { domain: 6 },
          { domain: 1 },
          { page_table: PageTables.LEGACY },
          { page_table: PageTables.FIRST_STAGE | PageTables.SECOND_STAGE },
          { requester_id: deviceId('03:00.0'), domain: 6 },
        ];
        const counters = kinds.map((filters) => perf.open('iommu_requests', filters)!);
        for (const { from, page, access } of made) machine.dma(from, access, BigInt(page * 4096));
        const of = (...devices: string[]) => made.filter(({ from }) => devices.includes(from)).length;
        expect(counters.map((counter) => perf.read(counter))).toEqual([
          made.length,
          of('03:00.0'),
          of('03:00.0'),
          of('03:00.1'),
          of('03:00.2'),
          // A device whose context entry is not present has no tables.
          of('03:00.0', '03:00.1', '03:00.2'),
          0,
          0,
        ]);
      }),
    );
  });

  test('by PASID and by page-table type in scalable mode', () => {
    const machine = new Bench({ unit: unitWith('server', 'cap.NFR=7') });
    machine.poke(0x1030, 0x2001n);
    machine.poke(0x2000, 0x4009n);
    machine.poke(0x4000, 0x5001n);
    machine.memory.writeWords(0x5040, [0x101, 0, 8, 0]);
    machine.memory.writeWords(0x5080, [0x101, 0, 9, 0]);
    machine.startScalable();
    const perf = driver(machine);
    const counters = [
      { pasid: 1 },
      { pasid: 2 },
      { domain: 9 },
      { page_table: PageTables.PASS_THROUGH },
      { ats: 1 },
      { ats: 6 },
    ].map((filters) => perf.open('pasid_cache_lookup', filters)!);
    for (const pasid of [1, 2, 2, 2, 3]) machine.dma('03:00.0', 'read', 0x1000n, pasid);
    expect(counters.map((counter) => perf.read(counter))).toEqual([1, 3, 3, 4, 5, 0]);
  });

  test('by address type, where devices have TLBs of their own', () => {
    const machine = bench();
    machine.attach('03:00.0', { SSPTPTR: 0x10000n, DID: 5, TT: 1 });
    machine.invalidate({ context: 'global' });
    const perf = driver(machine);
    const counters = [1, 2, 4, 6].map((ats) => perf.open('ctxt_cache_lookup', { ats, domain: 5 })!);
    const { translator } = machine.iommu;
    const id = deviceId('03:00.0');
    machine.dma('03:00.0', 'read', 0n);
    for (let i = 0; i < 2; i++) translator.translationRequest(id, 0, 0);
    for (let i = 0; i < 4; i++) translator.translatedRequest(id, 0, 0, 1);
    expect(counters.map((counter) => perf.read(counter))).toEqual([1, 2, 4, 6]);
  });

  test('stand still while frozen or disabled', () => {
    const machine = bench();
    const perf = driver(machine);
    const counter = perf.open('iommu_requests')!;
    const made = () => machine.dma('03:00.0', 'read', 0n);
    made();
    perf.freeze(true);
    expect(machine.reg(machine.reg(FRZOFF))).toBe(0xff);
    made();
    expect(perf.read(counter)).toBe(1);
    perf.freeze(false);
    expect(machine.reg(machine.reg(FRZOFF))).toBe(0);
    made();
    perf.close(counter);
    made();
    expect(perf.read(counter)).toBe(2);
    expect(machine.iommu.translator.monitor).toBeNull();
    expect(perf.open('iommu_requests')).toEqual(counter);
    expect(perf.read(counter)).toBe(0);
  });

  test('overflow into their status, with one interrupt until software has taken it', () => {
    const machine = bench();
    machine.write(PerformanceOffset.INTRDATA, 0x31);
    machine.write(PerformanceOffset.INTRADDR, 0xfee0_0003);
    machine.write(PerformanceOffset.INTRUADDR, 1);
    expect(machine.reg(INTRCTL)).toBe(0x8000_0000);
    const perf = driver(machine);
    const counter = perf.open('iommu_requests')!;
    const at = machine.reg(CNTROFF);
    const full = () => machine.write64(at, 0xffff_ffff_ffffn);
    const status = machine.reg(OVFOFF);

    full();
    expect(perf.read(counter)).toBe(2 ** 48 - 1);
    machine.dma('03:00.0', 'read', 0n);
    expect([perf.read(counter), machine.reg(status), machine.reg(INTRSTS)]).toEqual([0, 1, 1]);
    // Masked, it waits.
    expect([machine.reg(INTRCTL), machine.interrupts.length]).toEqual([0xc000_0000, 0]);
    machine.write(INTRCTL, 0);
    expect(machine.interrupts).toEqual([{ address: 0x1_fee0_0000, data: 0x31 }]);
    full();
    machine.dma('03:00.0', 'read', 0n);
    expect(machine.interrupts.length).toBe(1);
    machine.write(INTRSTS, 1);
    machine.write(status, 1);
    expect([machine.reg(status), machine.reg(INTRSTS)]).toEqual([0, 0]);
    full();
    machine.dma('03:00.0', 'read', 0n);
    expect(machine.interrupts.length).toBe(2);
  });

  test('several events of a group add up in one counter', () => {
    const machine = bench();
    const perf = driver(machine);
    const counter = perf.open('iotlb_lookup')!;
    machine.write(machine.reg(CFGOFF) + 4, 3);
    expect(machine.reg64(machine.reg(CFGOFF))).toBe(0x3_0000_0302n);
    machine.dma('03:00.0', 'read', 0n);
    machine.dma('03:00.0', 'read', 0n);
    expect(perf.read(counter)).toBe(3);
  });

  test('keep their configuration and filters, and know no others', () => {
    const machine = bench();
    const block = machine.reg(CFGOFF) + 0x100;
    for (let filter = 0; filter < 5; filter++) {
      machine.write(block + 8 + 4 * filter, 0x8000_0000 + filter);
      expect(machine.reg(block + 8 + 4 * filter)).toBe(0x8000_0000 + filter);
    }
    machine.write(block + 8 + 20, -1);
    expect([machine.reg(block + 28), machine.reg(machine.reg(CFGOFF) + 0x800)]).toEqual([0, 0]);
    machine.write(machine.reg(CFGOFF) + 0x800, -1);
    expect(machine.reg(machine.reg(CNTROFF) + 8 * STEP)).toBe(0);
    machine.write(machine.reg(CNTROFF) + 8, -1);
    expect(machine.reg(machine.reg(CNTROFF) + 8)).toBe(0);
  });

  test.each([
    ['of another code', 0x42, 0],
    ['for a counter that does not exist', EnhancedCommand.ENABLE, 8],
  ])('refuse a command %s', (_, code, operand) => {
    const machine = bench();
    machine.write64(ECMD, BigInt(code) | (BigInt(operand) << 16n));
    expect(machine.reg(ECRSP) & 1).toBe(0);
    expect(machine.reg(ECRSP) >> 1).not.toBe(0);
  });

  test('do not notice explanations', () => {
    const machine = bench();
    const perf = driver(machine);
    const counter = perf.open('iommu_requests')!;
    machine.iommu.explain(deviceId('03:00.0'), 0, 0, 1);
    expect(perf.read(counter)).toBe(0);
  });
});
