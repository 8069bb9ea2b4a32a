import { describe, expect, test } from 'vitest';
import type { EndpointLink, PageGroupResponse } from '../../source/vtd/ats/endpoint-link.ts';
import { faultRecord } from '../../source/vtd/formats/fault-record.ts';
import { type PageRequest, pageRequestEntry } from '../../source/vtd/formats/page-request.ts';
import { EXECUTE, READ, WRITE } from '../../source/vtd/formats/paging-entry.ts';
import { scalableContextEntry } from '../../source/vtd/formats/scalable-context-entry.ts';
import { Counter } from '../../source/vtd/performance/counters.ts';
import { Offset } from '../../source/vtd/unit/registers.ts';
import { Bench, type BenchOptions, high, low, qwords, unitLike } from '../support/unit.ts';

const QUEUE = 0x20_0000;
const PPR = 1;
const PRO = 2;
const MASKED = 1 << 31;

function running({
  PRE = 1,
  PASIDE = 1,
  FPD = 0,
  ...options
}: { PRE?: number; PASIDE?: number; FPD?: number } & BenchOptions = {}) {
  const responses: PageGroupResponse[] = [];
  const link: EndpointLink = { invalidate: () => {}, respond: (response) => responses.push(response) };
  const machine = new Bench({ unit: unitLike('server'), link, ...options });
  machine.poke(0x1030, 0x2001n);
  machine.memory.writeWords(
    0x2000,
    scalableContextEntry.encode({ P: 1, PRE, PASIDE, FPD, PDTS: 7, PASIDDIRPTR: 0x4000n }),
  );
  machine.startScalable(0x1400n);
  machine.write64(Offset.PQA, BigInt(QUEUE));
  machine.write(Offset.PEDATA, 0x55);
  machine.write(Offset.PEADDR, 0xfee0_0000);
  machine.write(Offset.PECTL, 0);
  const ask = (request: Partial<PageRequest> & { at?: bigint } = {}) => {
    const { at = 0x1000n, ...rest } = request;
    return machine.iommu.pageRequest({
      sourceId: 0x300,
      hi: high(at),
      lo: low(at),
      access: READ,
      pasid: -1,
      privileged: false,
      group: 0,
      isLast: true,
      ...rest,
    });
  };
  const entry = (index: number) => pageRequestEntry.decode(machine.memory.readWords(QUEUE + 32 * index, 8));
  return { machine, responses, ask, entry };
}

describe('a page request', () => {
  test('goes into the queue in memory, bit by bit', () => {
    const { machine, ask, entry } = running();
    expect(
      ask({
        at: 0xffff_8000_1234_5678n,
        access: WRITE | EXECUTE,
        pasid: 0xabcde,
        privileged: true,
        group: 511,
      }),
    ).toBe('posted');
    expect(ask({ group: 3, isLast: false })).toBe('posted');
    expect(entry(0)).toMatchObject({
      type: 1n,
      PP: 1n,
      RID: 0x300n,
      PASID: 0xabcden,
      EXE: 1n,
      PRIV: 1n,
      R: 0n,
      W: 1n,
      LPIG: 1n,
      PRGI: 511n,
      ADDR: 0xffff_8000_1234_5000n,
    });
    expect(entry(1)).toMatchObject({ PP: 0n, PASID: 0n, R: 1n, W: 0n, LPIG: 0n, PRGI: 3n, ADDR: 0x1000n });
    expect([machine.reg(Offset.PQT), machine.reg(Offset.PQH), machine.reg(Offset.PRS)]).toEqual([64, 0, PPR]);
    expect(machine.iommu.translator.counts[Counter.pg_req_posted]).toBe(2);
  });

  test('raises one event until software clears PPR', () => {
    const { machine, ask } = running();
    ask();
    ask();
    expect(machine.interrupts).toEqual([{ address: 0xfee0_0000, data: 0x55 }]);
    machine.write(Offset.PRS, PPR);
    expect(machine.reg(Offset.PRS)).toBe(0);
    ask();
    expect(machine.interrupts.length).toBe(2);
  });

  test('leaves its event pending while that is masked; clearing PRS takes it back, unmasking sends it', () => {
    const { machine, ask } = running();
    machine.write(Offset.PECTL, MASKED);
    ask();
    expect([machine.reg(Offset.PECTL), machine.interrupts.length]).toEqual([0xc000_0000, 0]);
    machine.write(Offset.PRS, PPR);
    expect(machine.reg(Offset.PECTL)).toBe(0x8000_0000);
    ask();
    machine.write(Offset.PECTL, 0);
    expect([machine.reg(Offset.PECTL), machine.interrupts.length]).toEqual([0, 1]);
  });

  test('finds a full queue after one entry less than it has: PRO, and the unit answers in the stead of software', () => {
    const { machine, responses, ask } = running();
    for (let n = 0; n < 127; n++) expect(ask({ group: n })).toBe('posted');
    expect(ask({ group: 200, isLast: false })).toBe('dropped');
    expect(responses).toEqual([]);
    expect(ask({ group: 200 })).toBe('dropped');
    expect(responses).toEqual([{ sourceId: 0x300, pasid: -1, group: 200, code: 0 }]);
    expect(machine.reg(Offset.PRS)).toBe(PPR | PRO);
    // Room alone is not enough: PRO must be cleared.
    machine.write(Offset.PQH, machine.reg(Offset.PQT));
    expect(ask()).toBe('dropped');
    machine.write(Offset.PRS, PRO);
    expect(ask()).toBe('posted');
    expect(machine.reg(Offset.PQT)).toBe(0);
  });

  test('overflows where there is no memory for the queue', () => {
    const { machine, ask } = running();
    machine.write64(Offset.PQA, 0x1000_0000_0000n);
    expect(ask()).toBe('dropped');
    expect([machine.reg(Offset.PRS), machine.interrupts.length]).toEqual([PRO, 1]);
  });

  test('needs PRE: fault 0x47, recorded as a page request, and its group fails', () => {
    const { machine, responses, ask } = running({ PRE: 0 });
    expect(ask({ pasid: 9, access: READ | EXECUTE, privileged: true })).toBe('refused');
    const [record] = machine.records();
    expect(faultRecord.decode(qwords(...record))).toMatchObject({
      FR: 0x47n,
      T1: 0n,
      T2: 1n,
      AT: 0n,
      PP: 1n,
      PV: 9n,
      EXE: 1n,
      PRIV: 1n,
      SID: 0x300n,
      FI: 0x1000n,
    });
    expect(responses).toEqual([{ sourceId: 0x300, pasid: 9, group: 0, code: 15 }]);
    expect(ask({ isLast: false })).toBe('refused');
    expect(responses.length).toBe(1);
  });

  test('is not recorded with FPD, and needs PASIDE where it has a PASID', () => {
    const quiet = running({ PRE: 0, FPD: 1 });
    quiet.ask();
    expect(quiet.machine.records().every(([, hi]) => hi === 0n)).toBe(true);
    const { machine, ask } = running({ PASIDE: 0 });
    expect(ask({ pasid: 1 })).toBe('refused');
    expect((machine.records()[0][1] >> 32n) & 0xffn).toBe(0x45n);
    expect(ask()).toBe('posted');
  });

  test('in legacy mode is fault 0x32, and in a mode that the unit lacks 0x30', () => {
    for (const [rtaddr, fault] of [
      [0x1000n, 0x32n],
      [0x1800n, 0x30n],
    ]) {
      const { machine, ask } = running();
      machine.setRoot(rtaddr);
      expect(ask()).toBe('refused');
      expect((machine.records()[0][1] >> 32n) & 0xffn).toBe(fault);
    }
  });

  test('is refused without a record while translation is off or aborts, and by a unit without ECAP.PRS', () => {
    const off = running();
    off.machine.command(0, 1 << 31);
    const aborting = running();
    aborting.machine.setRoot(0xc00n);
    const without = running({ unit: unitLike('server', { ecapClear: (1n << 29n) | (1n << 42n) }) });
    for (const { machine, ask } of [off, aborting, without]) {
      expect(ask()).toBe('refused');
      expect(machine.reg(Offset.FSTS)).toBe(0);
    }
    expect([Offset.PQA, Offset.PEDATA, Offset.PECTL].map((at) => without.machine.reg(at))).toEqual([0, 0, 0]);
  });

  test('is explained by the same steps', () => {
    const { machine } = running({ PRE: 0 });
    const steps = (bench: Bench) =>
      bench.iommu.probe((translator) => translator.admitsPageRequest(0x300, 0, 0x1000, -1, false, false))
        .steps;
    expect(steps(machine).at(-1)).toMatchObject({ stage: 'context entry', verdict: 'blocked', fault: 0x47 });
    expect(steps(running().machine).at(-1)).toMatchObject({ stage: 'page request', verdict: 'passed' });
    expect(machine.reg(Offset.FSTS)).toBe(0);
  });
});
