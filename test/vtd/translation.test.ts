import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contextEntry } from '../../source/vtd/formats/context-entry.ts';
import { Counter, namedCounts } from '../../source/vtd/performance/counters.ts';
import { type CacheShape, Translator } from '../../source/vtd/translation/translator.ts';
import type { UnitDescription } from '../../source/vtd/unit/capabilities.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { Offset } from '../../source/vtd/unit/registers.ts';
import {
  type Access,
  type Answer,
  accesses,
  Bench,
  deviceId,
  entryOffset,
  high,
  low,
  outcomeNames,
  unitLike,
} from '../support/unit.ts';

/**
 * A second description of the walk, as short as it can be: no caches, no counters, whole numbers. What it answers is
 * what a unit must answer that has nothing stale in its caches.
 */
function coldWalk(bench: Bench, unit: Unit, sourceId: number, access: Access, at: bigint): Expected {
  const inRange = (address: bigint) => address >> 20n === 0xfeen;
  const read = (address: bigint) =>
    address + 8n <= BigInt(bench.memory.size) ? bench.peek(Number(address)) : null;
  const field = (value: bigint, hi: number, lo: number) =>
    (value >> BigInt(lo)) & ((1n << BigInt(hi - lo + 1)) - 1n);
  const page = (value: bigint) => value & ~0xfffn;
  const beyondHost = (value: bigint) => value >> BigInt(unit.haw) !== 0n;

  if (inRange(at)) return access === 'write' ? { interrupt: true } : { fault: 6 };

  const rootAt = 0x1000n + 16n * BigInt(sourceId >> 8);
  const root = read(rootAt)!;
  if (!(root & 1n)) return { fault: 1 };
  if (field(root, 11, 1) !== 0n || beyondHost(root) || read(rootAt + 8n) !== 0n) return { fault: 0xa };

  const contextAt = page(root) + 16n * BigInt(sourceId & 0xff);
  const context = read(contextAt);
  if (context === null) return { fault: 9 };
  const upper = read(contextAt + 8n)!;
  if (!(context & 1n)) return { fault: 2 };
  if (field(context, 11, 4) !== 0n || beyondHost(context)) return { fault: 0xb };
  if (field(upper, 7, 7) !== 0n || field(upper, 63, 8) >> BigInt(unit.didBits) !== 0n) return { fault: 0xb };
  const type = field(context, 3, 2);
  const aw = Number(field(upper, 2, 0));
  if (type === 3n || (type === 1n && !unit.dt) || (type === 2n && !unit.pt)) return { fault: 3 };
  if (type === 2n ? aw !== Math.max(...unit.aws) : !unit.aws.includes(aw)) return { fault: 3 };

  const bits = Math.min(unit.mgaw, 30 + 9 * aw, type === 2n ? unit.haw : 64);
  if (at >> BigInt(bits) !== 0n) return { fault: 4 };
  if (type === 2n) return { output: at };

  let table = page(context);
  for (let level = aw + 2; ; level--) {
    const shift = 12 + 9 * (level - 1);
    const entry = read(table + 8n * field(at, shift + 8, shift));
    if (entry === null) return { fault: level === aw + 2 ? 3 : 7 };
    if (access !== 'read' && !(entry & 2n)) return { fault: 5 };
    if (access !== 'write' && !(entry & 1n)) return { fault: 6 };
    const isLarge = level > 1 && (entry & 0x80n) !== 0n;
    const isLeaf = level === 1 || isLarge;
    let reserved = isLeaf && unit.sc ? 0n : 0x800n;
    reserved |= field((1n << 52n) - 1n, 51, unit.haw) << BigInt(unit.haw);
    if (isLarge) reserved |= ((1n << BigInt(shift)) - 1n) & ~0xfffn;
    if (isLarge && !unit.large.includes(level)) reserved |= 0x80n;
    if ((entry & reserved) !== 0n) return { fault: 0xc };
    const frame = page(entry & ((1n << 52n) - 1n));
    if (isLeaf) {
      const output = frame | (at & ((1n << BigInt(shift)) - 1n));
      const last = frame | ((1n << BigInt(shift)) - 1n);
      const overlaps = frame <= 0xfeef_ffffn && last >= 0xfee0_0000n;
      return (unit.byPage ? overlaps : inRange(output)) ? { fault: 0xe } : { output };
    }
    table = frame;
  }
}

type Expected = { output: bigint } | { fault: number } | { interrupt: true };
type Unit = {
  readonly description: UnitDescription;
  readonly haw: number;
  readonly mgaw: number;
  readonly aws: number[];
  readonly large: number[];
  readonly didBits: number;
  readonly sc: boolean;
  readonly pt: boolean;
  readonly dt: boolean;
  readonly byPage: boolean;
};

const units: Unit[] = [
  {
    description: presets.skylake,
    haw: 39,
    mgaw: 39,
    aws: [2],
    large: [2, 3],
    didBits: 8,
    sc: true,
    pt: true,
    dt: false,
    byPage: false,
  },
  {
    description: presets.qemu,
    haw: 48,
    mgaw: 48,
    aws: [1, 2],
    large: [2, 3],
    didBits: 16,
    sc: false,
    pt: true,
    dt: false,
    byPage: true,
  },
  {
    // Everything: 3 to 5 levels, device TLBs, no pass-through, no pages of 1 GiB, four fault records.
    description: unitLike('qemu', {
      capSet: (1n << 11n) | (0x38n << 16n) | (3n << 40n),
      capClear: (0x3fn << 16n) | (1n << 35n),
      ecapSet: 1n << 2n,
      ecapClear: 1n << 6n,
      hostAddressWidth: 46,
    }),
    haw: 46,
    mgaw: 57,
    aws: [1, 2, 3],
    large: [2],
    didBits: 16,
    sc: false,
    pt: false,
    dt: true,
    byPage: false,
  },
];

const tinyCaches: CacheShape = {
  iotlb: { sets: 2, ways: 2 },
  pagingCache: { 5: 1, 4: 1, 3: 2, 2: 2 },
  contextCacheEntries: 2,
  pasidCache: { sets: 1, ways: 2 },
  interruptCacheEntries: 1,
};
const noPagingCaches: CacheShape = { ...tinyCaches, pagingCache: { 5: 0, 4: 0, 3: 0, 2: 0 } };
const shapes = [undefined, tinyCaches, noPagingCaches];

const RAM = 0x40_0000;
const TABLES = Array.from({ length: 12 }, (_, i) => 0x1_0000n + 0x1000n * BigInt(i));
const FRAMES = [0x5_5555_5000n, 0x4000_0000n, 0xc000_0000n, 0xfee0_0000n, 0xfee0_1000n, 0xfec0_0000n];
const devices = ['03:00.0', '03:00.1', '03:1f.7', '04:00.0'];

/** Few indices at each level, so that paths cross. 3 and then 0x1f7 lead to the interrupt range. */
const index = fc.constantFrom(0n, 1n, 3n, 0x1f7n);
const inputAddress = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.tuple(index, index, index, index, fc.constantFrom(0n, 0xabcn)).map(joinIndices),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(index, index, fc.constantFrom(37n, 39n, 47n, 48n, 56n, 63n)).map(farAddress),
  },
  { weight: 1, arbitrary: fc.constantFrom(0xfee0_0000n, 0xfeef_fff0n, 0xfedf_f000n, 0xfef0_0000n) },
);

function joinIndices([l4, l3, l2, l1, offset]: [bigint, bigint, bigint, bigint, bigint]): bigint {
  return (l4 << 39n) | (l3 << 30n) | (l2 << 21n) | (l1 << 12n) | offset;
}

function farAddress([l2, l1, bit]: [bigint, bigint, bigint]): bigint {
  return (1n << bit) | (l2 << 21n) | (l1 << 12n);
}

/** Mostly what works, as a walk has up to five entries and any one that does not ends it. */
const usually = <T>(good: fc.Arbitrary<T>, odd: fc.Arbitrary<T>, weight = 25) =>
  fc.oneof({ weight, arbitrary: good }, { weight: 1, arbitrary: odd });

const entry = fc
  .record({
    page: fc.oneof(
      { weight: 14, arbitrary: fc.constantFrom(...TABLES) },
      { weight: 2, arbitrary: fc.constantFrom(...FRAMES) },
      { weight: 2, arbitrary: fc.constantFrom(...FRAMES).map((frame) => frame | 0x80n) },
    ),
    permission: usually(fc.constant(3n), fc.constantFrom(0n, 1n, 2n), 8),
    odd: usually(
      fc.constant(0n),
      fc.constantFrom(0x80n, 0x800n, 0x7ff0_0000_0000_0004n, 1n << 39n, 1n << 47n, 1n << 51n),
    ),
  })
  .map(({ page, permission, odd }) => page | permission | odd);

/** Every slot that a request can reach. */
const slots = TABLES.flatMap((table) => [0n, 1n, 3n, 0x1f7n].map((slot) => Number(table + 8n * slot)));

const context = fc.record({
  TT: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 2, 3) }),
  AW: usually(fc.constant(2), fc.constantFrom(0, 1, 3, 4), 3),
  // One table for each domain: what two devices share they may share.
  domain: fc.integer({ min: 0, max: 3 }),
  FPD: fc.constantFrom(0, 0, 1),
  odd: usually(fc.constant(0n), fc.constantFrom(16n, 1n << 50n)),
  P: usually(fc.constant(1), fc.constant(0)),
});

/** A few addresses, asked for again and again by all devices and in every way. */
const requests = fc.array(inputAddress, { minLength: 1, maxLength: 6 }).chain((addresses) =>
  fc.array(
    fc.record({
      device: fc.constantFrom(...devices),
      access: fc.constantFrom<Access[]>('read', 'read', 'write', 'atomic'),
      at: fc.constantFrom(...addresses),
    }),
    { minLength: 1, maxLength: 25 },
  ),
);

const state = fc.record({
  contexts: fc.array(context, { minLength: devices.length, maxLength: devices.length }),
  entries: fc.array(entry, { minLength: slots.length, maxLength: slots.length }),
});

const phases = fc.array(fc.tuple(state, requests), { minLength: 1, maxLength: 3 });
const setup = fc.record({ unit: fc.constantFrom(...units), caches: fc.constantFrom(...shapes) });

function build({ unit, caches }: { unit: Unit; caches: CacheShape | undefined }): Bench {
  const uncertain = { contextReservedIsQualified: true, interruptRangeByPage: unit.byPage };
  return new Bench({ unit: unit.description, ram: RAM, caches, uncertain }).start();
}

type State = typeof state extends fc.Arbitrary<infer T> ? T : never;

function put(bench: Bench, { contexts, entries }: State): void {
  // One address width for each domain as well, which the specification demands of software.
  const widths = new Map<number, number>();
  contexts.forEach(({ domain, odd, AW, ...rest }, which) => {
    const id = deviceId(devices[which]);
    if (!widths.has(domain)) widths.set(domain, AW);
    const table = 0x2000 + 0x1000 * (id >> 8);
    bench.poke(0x1000 + 16 * (id >> 8), BigInt(table) | 1n);
    const SSPTPTR = TABLES[domain];
    const words = contextEntry.encode({ ...rest, AW: widths.get(domain), DID: domain + 1, SSPTPTR });
    const at = table + 16 * (id & 0xff);
    bench.memory.writeWords(at, words);
    bench.poke(at, bench.peek(at) | odd);
  });
  slots.forEach((slot, which) => {
    bench.poke(slot, entries[which]);
  });
}

const asExpected = ({ outcome, output, fault }: Answer): Expected => {
  if (outcome === 'interrupt') return { interrupt: true };
  return output === null ? { fault } : { output };
};

/** Everything a request may change. */
function visible(bench: Bench): unknown {
  const { translator } = bench.iommu;
  const { iotlb, contextCache } = translator;
  return structuredClone({
    counts: namedCounts(translator.counts),
    iotlb: [iotlb.entries(), [...iotlb.store.newer], iotlb.store.evicted],
    contexts: [devices.map((device) => contextCache.find(deviceId(device))), contextCache.words],
    paging: [2, 3, 4, 5].map((level) => translator.pagingCache.count(level)),
    records: bench.records(),
    status: bench.reg(Offset.FSTS),
    control: bench.reg(Offset.FECTL),
    messages: bench.interrupts,
  });
}

function explain(bench: Bench, device: string, access: Access, at: bigint, isCold = false) {
  return bench.iommu.explain(deviceId(device), high(at), low(at), accesses[access], isCold);
}

describe('any tables, any requests', () => {
  test('what the unit answers from its caches is what a cold walk answers', () => {
    fc.assert(
      fc.property(setup, phases, (machine, list) => {
        const bench = build(machine);
        for (const [tables, asked] of list) {
          put(bench, tables);
          bench.invalidate({ context: 'global' });
          bench.invalidate({ iotlb: 'global' });
          for (const { device, access, at } of asked) {
            const expected = coldWalk(bench, machine.unit, deviceId(device), access, at);
            const again = bench.dma(device, access, at);
            expect(asExpected(again), `${device} ${access} 0x${at.toString(16)}`).toEqual(expected);
            expect(asExpected(bench.dma(device, access, at))).toEqual(expected);
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  test('the cold explanation of a request is that walk too, whatever is cached', () => {
    fc.assert(
      fc.property(setup, state, state, requests, (machine, before, after, asked) => {
        const bench = build(machine);
        put(bench, before);
        for (const { device, access, at } of asked) bench.dma(device, access, at);
        put(bench, after);
        for (const { device, access, at } of asked) {
          const { outcome, hi, lo, fault } = explain(bench, device, access, at, true);
          const answer: Answer = {
            outcome: outcomeNames[outcome],
            output: outcome >= 4 ? null : (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0),
            fault,
            reads: 0,
          };
          expect(asExpected(answer)).toEqual(coldWalk(bench, machine.unit, deviceId(device), access, at));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('an explanation changes nothing and tells what then happens', () => {
    fc.assert(
      fc.property(setup, state, requests, (machine, tables, asked) => {
        const bench = build(machine);
        put(bench, tables);
        for (const { device, access, at } of asked) {
          const before = visible(bench);
          const cold = explain(bench, device, access, at, true);
          const told = explain(bench, device, access, at);
          expect(visible(bench)).toEqual(before);

          const answer = bench.dma(device, access, at);
          expect(outcomeNames[told.outcome]).toBe(answer.outcome);
          expect(told.fault).toBe(answer.fault);
          expect(told.steps.at(-1)!.reads).toBe(answer.reads);
          for (const { steps, outcome, fault } of [cold, told]) {
            const last = steps.at(-1)!;
            const verdicts = { untranslated: 'passed', passed: 'passed', hit: 'hit', walked: 'go on' };
            const ends = { ...verdicts, interrupt: 'go on', blocked: 'blocked' };
            expect(last.verdict).toBe(ends[outcomeNames[outcome]]);
            expect(last.fault).toBe(fault);
            expect(steps.slice(0, -1).filter(({ verdict }) => verdict === 'blocked')).toEqual([]);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test('each step that reads memory shows what lies there', () => {
    fc.assert(
      fc.property(setup, state, requests, (machine, tables, asked) => {
        const bench = build(machine);
        put(bench, tables);
        for (const { device, access, at } of asked) {
          let reads = 0;
          for (const step of explain(bench, device, access, at, true).steps) {
            if (!['root entry', 'context entry', 'paging entry'].includes(step.stage)) continue;
            expect(step.reads).toBe(++reads);
            if (step.address! >= RAM) expect(step.words).toEqual([]);
            else {
              const size = step.stage === 'paging entry' ? 2 : 4;
              expect(step.words).toEqual([...bench.memory.readWords(step.address!, size)]);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test('the counters add up, for the unit and over its requesters', () => {
    fc.assert(
      fc.property(setup, state, requests, (machine, tables, asked) => {
        const bench = build(machine);
        put(bench, tables);
        const rows = devices.map((device) => bench.iommu.translator.countRequester(deviceId(device)));
        const answers = asked.map(({ device, access, at }) => bench.dma(device, access, at));

        const counts = namedCounts(bench.iommu.translator.counts);
        const total = (what: (answer: Answer) => number) =>
          answers.reduce((sum, answer) => sum + what(answer), 0);
        const ended = (...names: string[]) => total(({ outcome }) => (names.includes(outcome) ? 1 : 0));
        expect(counts.iommu_mrds).toBe(total(({ reads }) => reads));
        expect(counts.iommu_requests + counts.interrupt_requests).toBe(asked.length);
        expect(counts.interrupt_requests).toBe(ended('interrupt'));
        expect(counts.iotlb_hit + counts.page_walks).toBe(counts.iotlb_lookup);
        expect(counts.ss_nonleaf_lookup).toBe(counts.page_walks);
        expect(counts.ss_nonleaf_hit).toBeLessThanOrEqual(counts.ss_nonleaf_lookup);
        expect(counts.iotlb_hit).toBeGreaterThanOrEqual(ended('hit'));
        expect(counts.page_walks).toBeGreaterThanOrEqual(ended('walked'));
        expect(counts.faults).toBe(ended('blocked'));
        expect(counts.faults_recorded).toBeLessThanOrEqual(counts.faults);
        expect(counts.ctxt_cache_hit).toBeLessThanOrEqual(counts.ctxt_cache_lookup);
        const summed = rows.reduce((sum, row) => sum.map((value, i) => value + row[i]));
        expect([...summed]).toEqual([...bench.iommu.translator.counts]);
      }),
      { numRuns: 100 },
    );
  });

  test('after the pages that changed are invalidated the rest may stay cached', () => {
    const where = fc.record({
      page: fc.integer({ min: 0, max: 3 }),
      region: fc.integer({ min: 0, max: 2 }),
      am: fc.constantFrom(0, 1, 2, 9, 10, 18),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...shapes),
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 }),
        where,
        fc.boolean(),
        (caches, leafLevels, { page, region, am }, hint) => {
          const unit = { ...units[0], byPage: false };
          const bench = build({ unit, caches });
          bench.attach('03:00.0', { SSPTPTR: 0x1_0000n, DID: 1 });
          bench.nextTable = 0x2_0000;
          const probes: { at: bigint; level: number }[] = [];
          // Three regions of 1 GiB, each mapped by leaves of one size.
          leafLevels.forEach((level, gib) => {
            const bytes = 1n << BigInt(12 + 9 * (level - 1));
            const count = level === 3 ? 1n : 4n;
            for (let n = 0n; n < count; n++) {
              const at = (BigInt(gib) << 30n) + n * bytes;
              bench.map(0x1_0000, 4, at, (at + 0x10_0000_0000n) | 3n | (level > 1 ? 0x80n : 0n), level);
              probes.push({ at, level }, { at: at + bytes - 0x1000n, level });
            }
          });
          for (const { at } of probes) bench.dma('03:00.0', 'write', at);

          const first = (BigInt(region) << 30n) + (BigInt(page) << 12n);
          const size = 4096n << BigInt(am);
          const from = first - (first % size);
          for (const { at, level } of probes) {
            const bytes = 1n << BigInt(12 + 9 * (level - 1));
            const start = at - (at % bytes);
            if (start < from + size && start + bytes > from) bench.map(0x1_0000, 4, at, 0n, level);
          }
          bench.invalidate({ iotlb: 'page', did: 1, at: first, am, ih: hint });
          for (const { at } of probes) {
            expect(asExpected(bench.dma('03:00.0', 'write', at))).toEqual(
              coldWalk(bench, unit, deviceId('03:00.0'), 'write', at),
            );
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('pass-through', () => {
  test('gives out every address below its limit unchanged', () => {
    const bench = new Bench();
    bench.attach('03:00.0', { TT: 2, DID: 1 });
    bench.start();
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: (1n << 39n) - 1n }),
        fc.constantFrom<Access[]>('read', 'write'),
        (at, access) => {
          fc.pre(at >> 20n !== 0xfeen);
          expect(bench.dma('03:00.0', access, at)).toMatchObject({ outcome: 'passed', output: at });
        },
      ),
    );
    const { iotlb_lookup, page_walks } = namedCounts(bench.iommu.translator.counts);
    expect([iotlb_lookup, page_walks]).toEqual([0, 0]);
  });
});

describe('steps', () => {
  const stages = (bench: Bench, at: bigint) => {
    const steps: NonNullable<Translator['steps']> = [];
    bench.iommu.translator.steps = steps;
    bench.dma('03:00.0', 'read', at);
    bench.iommu.translator.steps = null;
    return steps.map(({ stage, verdict, level }) => `${stage}${level > 0 ? ` ${level}` : ''}: ${verdict}`);
  };

  test('of a request that happens tell its whole way', () => {
    const bench = new Bench();
    bench.attach('03:00.0', { SSPTPTR: 0x10000n, DID: 5 });
    bench.map(0x10000, 4, 0x20_1000n, 0x5001n);
    bench.start();
    expect(stages(bench, 0x20_1000n)).toEqual([
      'context cache: miss',
      'root entry: go on',
      'context entry: go on',
      'IOTLB: miss',
      'paging entry 4: go on',
      'paging entry 3: go on',
      'paging entry 2: go on',
      'paging entry 1: go on',
    ]);
    expect(stages(bench, 0x20_1000n)).toEqual(['context cache: hit', 'IOTLB 1: hit']);
    expect(stages(bench, 0x20_2000n)).toEqual([
      'context cache: hit',
      'IOTLB: miss',
      'paging-structure cache 2: hit',
      'paging entry 1: blocked',
    ]);
  });

  test('while translation is off are a gate that lets everything pass', () => {
    expect(stages(new Bench(), 0x1000n)).toEqual(['gate: passed']);
  });

  test('with a table mode the unit lacks are a gate that lets nothing pass', () => {
    expect(stages(new Bench().start(0x1400n), 0x1000n)).toEqual(['gate: blocked']);
  });

  test('of a read of the interrupt range while translation is off end without a fault', () => {
    const bench = new Bench();
    const { outcome, fault, steps } = explain(bench, '03:00.0', 'read', 0xfee0_0000n);
    expect([outcomeNames[outcome], fault]).toEqual(['blocked', 0]);
    expect(steps.at(-1)).toMatchObject({ verdict: 'blocked', fault: 0 });
  });

  test('of a cached large page that covers the interrupt range end there, not at the hit', () => {
    const bench = new Bench();
    bench.attach('03:00.0', { SSPTPTR: 0x10000n, DID: 5 });
    bench.map(0x10000, 4, 0n, 0xc000_0083n, 3);
    bench.start();
    bench.dma('03:00.0', 'read', 0x1000n);
    expect(stages(bench, 0x3ee0_0000n)).toEqual(['context cache: hit', 'IOTLB 3: hit', 'output: blocked']);
  });

  test('of unreadable tables show no words', () => {
    const bench = new Bench();
    bench.poke(0x1030, 0x200_0001n);
    bench.start();
    expect(explain(bench, '03:00.0', 'read', 0n).steps.at(-1)).toMatchObject({
      stage: 'context entry',
      fault: 9,
      words: [],
    });
    bench.setRoot(0x200_0000n);
    expect(explain(bench, '03:00.0', 'read', 0n).steps.at(-1)).toMatchObject({
      stage: 'root entry',
      fault: 8,
      words: [],
    });
  });
});

test('a context cache that is full gives up the entry used longest ago', () => {
  const bench = new Bench({ caches: tinyCaches });
  for (const fn of [0, 1, 2]) bench.attach(`03:00.${fn}`, { TT: 2, DID: 1 });
  bench.start();
  const reads = [0, 1, 0, 2, 0, 1, 2].map((fn) => bench.dma(`03:00.${fn}`, 'read', 0n).reads);
  expect(reads).toEqual([2, 2, 0, 2, 0, 2, 2]);
});

test('a paging-structure cache that is full gives up the entry used longest ago', () => {
  const bench = new Bench({ caches: tinyCaches });
  bench.attach('03:00.0', { SSPTPTR: 0x10000n, DID: 5 });
  bench.start();
  const readsOf = (region: bigint, page: bigint) => {
    const at = (region << 21n) | (page << 12n);
    bench.map(0x10000, 4, at, 0x50_0003n);
    return bench.dma('03:00.0', 'read', at).reads;
  };
  // Three regions of 2 MiB share a PDPT entry, which is cached too: without the PD entry two reads remain.
  expect([readsOf(0n, 0n), readsOf(1n, 0n), readsOf(0n, 1n), readsOf(2n, 0n)]).toEqual([6, 2, 1, 2]);
  expect([readsOf(0n, 2n), readsOf(1n, 1n)]).toEqual([1, 2]);
});

test('an explanation is no use of a cache entry', () => {
  const contexts = new Bench({ caches: tinyCaches });
  for (const fn of [0, 1, 2]) contexts.attach(`03:00.${fn}`, { TT: 2, DID: 1 });
  contexts.start();
  for (const fn of [0, 1]) contexts.dma(`03:00.${fn}`, 'read', 0n);
  explain(contexts, '03:00.0', 'read', 0n);
  contexts.dma('03:00.2', 'read', 0n);
  expect(contexts.dma('03:00.1', 'read', 0n).reads).toBe(0);

  const tables = new Bench({ caches: tinyCaches });
  tables.attach('03:00.0', { SSPTPTR: 0x10000n, DID: 5 });
  for (let at = 0n; at < 0x60_0000n; at += 0x20_0000n) {
    tables.map(0x10000, 4, at, 0x50_0003n);
    tables.map(0x10000, 4, at + 0x1000n, 0x50_1003n);
  }
  tables.start();
  for (const at of [0n, 0x20_0000n]) tables.dma('03:00.0', 'read', at);
  explain(tables, '03:00.0', 'read', 0x1000n);
  tables.dma('03:00.0', 'read', 0x40_0000n);
  expect(tables.dma('03:00.0', 'read', 0x20_1000n).reads).toBe(1);
});

test('a requester is counted from when it is asked about', () => {
  const bench = new Bench().start();
  bench.dma('03:00.0', 'read', 0n);
  const counts = bench.iommu.translator.countRequester(0x300);
  bench.dma('03:00.0', 'read', 0n);
  bench.dma('03:00.1', 'read', 0n);
  expect(counts[Counter.iommu_requests]).toBe(1);
  expect(bench.iommu.translator.countRequester(0x300)).toBe(counts);
  expect(bench.iommu.translator.counts[Counter.iommu_requests]).toBe(3);
});

test('a translator stands on its own, with the sizes of caches it has by default', () => {
  const { memory, iommu } = new Bench();
  const translator = new Translator(memory, iommu.capabilities, iommu.faultLog, () => {});
  expect(translator.iotlb.store.size).toBe(128);
  expect(entryOffset(0x20_1000n, 2)).toBe(8);
});
