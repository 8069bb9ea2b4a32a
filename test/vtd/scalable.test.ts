import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pasidTableEntry } from '../../source/vtd/formats/pasid-table-entry.ts';
import { scalableContextEntry } from '../../source/vtd/formats/scalable-context-entry.ts';
import { namedCounts } from '../../source/vtd/performance/counters.ts';
import type { CacheShape } from '../../source/vtd/translation/translator.ts';
import { Offset } from '../../source/vtd/unit/registers.ts';
import {
  type Access,
  type Answer,
  accesses,
  Bench,
  deviceId,
  high,
  low,
  outcomeNames,
  unitLike,
} from '../support/unit.ts';

/** Everything, execute and RID_PRIV as well; a host width below the guest's, and no 1 GiB pages in first stage. */
const description = unitLike('server', {
  capClear: 1n << 56n,
  ecapSet: (1n << 30n) | (1n << 34n) | (1n << 53n),
  hostAddressWidth: 46,
});
const HAW = 46n;
const MGAW = 57n;

const RAM = 0x40_0000;
const ROOT = 0x1000n;
const CONTEXTS = [0x2000n, 0x3000n];
const DIRECTORY = 0x4000n;
const PASIDS = 0x5000n;
/** Tables by level, from the index 1 up; the last of each is a second table of the lowest level. */
const FIRST = [0n, 0x1_1000n, 0x1_2000n, 0x1_3000n, 0x1_4000n, 0x1_5000n, 0x1_6000n];
const SECOND = [0n, 0x2_1000n, 0x2_2000n, 0x2_3000n, 0x2_4000n, 0x2_5000n];
const devices = ['03:00.0', '03:10.1'];

type Request = {
  readonly device: string;
  readonly access: Access;
  readonly at: bigint;
  readonly pasid: number;
  readonly isPrivileged: boolean;
};
type Result = { output: bigint } | { fault: number } | { interrupt: true };
class Refused extends Error {
  readonly fault: number;
  constructor(fault: number) {
    super();
    this.fault = fault;
  }
}

/**
 * A second description of scalable mode, in whole numbers and without caches: what a request comes to, and which flags
 * it leaves set in memory.
 */
function coldWalk(bench: Bench, { device, access, at, pasid, isPrivileged }: Request) {
  const flags = new Map<bigint, bigint>();
  const read = (address: bigint): bigint | null =>
    address + 8n <= BigInt(RAM) ? bench.peek(Number(address)) | (flags.get(address) ?? 0n) : null;
  const mark = (address: bigint, bits: bigint) => flags.set(address, (flags.get(address) ?? 0n) | bits);
  const need = (condition: boolean, fault: number) => {
    if (!condition) throw new Refused(fault);
  };
  const must = (value: bigint | null, fault: number): bigint => {
    if (value === null) throw new Refused(fault);
    return value;
  };
  const field = (value: bigint, hi: number, lo: number) =>
    (value >> BigInt(lo)) & ((1n << BigInt(hi - lo + 1)) - 1n);
  const page = (value: bigint) => value & 0xf_ffff_ffff_f000n;
  const has = (value: bigint, bit: number) => ((value >> BigInt(bit)) & 1n) !== 0n;
  const aboveHost = (value: bigint) => field(value, 51, Number(HAW)) !== 0n;
  const inRange = (address: bigint) => address >> 20n === 0xfeen;
  const writes = access === 'write' || access === 'atomic';
  const reads = access !== 'write';
  const executes = access === 'execute';

  function decide(): Result {
    if (pasid < 0 && inRange(at)) {
      need(access === 'write', 0x86);
      return { interrupt: true };
    }
    const id = BigInt(deviceId(device));
    const rootAt = ROOT + 16n * (id >> 8n) + 8n * ((id >> 7n) & 1n);
    const root = read(rootAt)!;
    need(has(root, 0), 0x39);
    const contextAt = page(root) + 32n * (id & 0x7fn);
    const context = [0n, 8n, 16n, 24n].map((offset) => read(contextAt + offset)!);
    need(has(context[0], 0), 0x41);
    need(field(context[0], 8, 5) === 0n && field(context[1], 63, 21) === 0n && context[2] === 0n, 0x42);
    const size = field(context[0], 11, 9) + 13n;
    const used = pasid < 0 ? field(context[1], 19, 0) : BigInt(pasid);
    const isSupervisor = pasid < 0 ? has(context[1], 20) : isPrivileged;
    if (pasid < 0) need(used >> size === 0n, 0x48);
    else {
      need(has(context[0], 3), 0x45);
      need(used >> size === 0n, 0x46);
    }
    const directory = must(read(page(context[0]) + 8n * (used >> 6n)), 0x50);
    need(has(directory, 0), 0x51);
    need(field(directory, 11, 2) === 0n, 0x52);
    const entryAt = page(directory) + 64n * (used & 63n);
    const entry = [0n, 8n, 16n].map((offset) => must(read(entryAt + offset), 0x58));
    const controls = entry[2];
    need(has(entry[0], 0), 0x59);
    need(field(entry[0], 11, 10) === 0n && field(controls, 11, 8) === 0n, 0x5a);
    const type = Number(field(entry[0], 8, 6));
    const aw = field(entry[0], 4, 2);
    const levels = Number(field(controls, 3, 2));
    need(type >= 1 && type <= 4, 0x5b);
    need(!(type === 2 || type === 3) || aw === 2n || aw === 3n, 0x5b);
    need(!(type === 1 || type === 3) || levels < 2, 0x5b);
    need(!executes || has(controls, 1), 0x5c);
    need(!isSupervisor || has(controls, 0), 0x5d);

    if (type === 4) {
      need(at >> HAW === 0n, 0x83);
      need(!inRange(at), 0x87);
      return { output: at };
    }
    const ssee = has(entry[0], 5);
    const ssade = has(entry[0], 9);
    const snoops = has(entry[1], 23);

    /** The second stage: where an address leads, and what may be done there. */
    function second(address: bigint, wanted: { r: boolean; w: boolean; x: boolean }) {
      let table = page(entry[0]);
      let mayWrite = true;
      for (let level = Number(aw) + 2; ; level--) {
        const shift = 12 + 9 * (level - 1);
        const slot = table + 8n * field(address, shift + 8, shift);
        const value = must(read(slot), level === Number(aw) + 2 ? 0x7b : 0x78);
        need(has(value, 0) || has(value, 1) || (ssee && has(value, 2)), 0x79);
        need(!wanted.w || has(value, 1), 0x85);
        need(!wanted.r || has(value, 0), 0x86);
        need(!wanted.x || !ssee || has(value, 2), 0x82);
        const isLarge = (level === 2 || level === 3) && has(value, 7);
        const isLeaf = level === 1 || isLarge;
        need(!aboveHost(value) && (isLeaf || !has(value, 11)) && (level < 4 || !has(value, 7)), 0x7a);
        if (isLarge) need(field(value, shift - 1, 12) === 0n, 0x7a);
        if (ssade) {
          const bits = (isLeaf && wanted.w ? 0x300n : 0x100n) & ~value;
          need(bits === 0n || snoops, 0x7c);
          mark(slot, bits);
        }
        mayWrite &&= has(value, 1);
        if (isLeaf) {
          const offset = (1n << BigInt(shift)) - 1n;
          return { output: (page(value) & ~offset) | (address & offset), mayWrite, slot };
        }
        table = page(value);
      }
    }
    const beyondSecond = (address: bigint) => {
      const agaw = 30n + 9n * aw;
      return address >> (agaw < MGAW ? agaw : MGAW) !== 0n;
    };

    if (type === 2) {
      need(!beyondSecond(at), 0x84);
      const { output } = second(at, { r: reads, w: writes, x: executes });
      need(!inRange(output), 0x87);
      return { output };
    }

    const sign = BigInt.asIntN(64, at) >> (levels === 1 ? 56n : 47n);
    need(sign === 0n || sign === -1n, 0x80);
    const isNested = type === 3;
    const protects = has(controls, 4);
    const nxe = has(controls, 5);
    let table = BigInt.asUintN(64, (controls >> 12n) << 12n);
    let isUser = true;
    for (let level = 4 + levels; ; level--) {
      const isTop = level === 4 + levels;
      const shift = 12 + 9 * (level - 1);
      let slot = table + 8n * field(at, shift + 8, shift);
      let below: ReturnType<typeof second> | null = null;
      if (isNested) {
        need(!beyondSecond(slot), 0x74);
        try {
          below = second(slot, { r: true, w: false, x: false });
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          const denied = error.fault === 0x79 || error.fault === 0x86;
          throw new Refused(denied ? (isTop ? 0x75 : 0x76) : error.fault);
        }
        slot = below.output;
      }
      const value = must(read(slot), isTop ? 0x73 : 0x70);
      need(has(value, 0), 0x71);
      need(isSupervisor || has(value, 2), 0x81);
      need(!writes || has(value, 1) || (isSupervisor && !protects), 0x85);
      need(!executes || !nxe || !has(value, 63), 0x82);
      const isLarge = (level === 2 || level === 3) && has(value, 7);
      const isLeaf = level === 1 || isLarge;
      isUser &&= has(value, 2);
      need(!(isLeaf && executes && isSupervisor && has(controls, 6) && isUser), 0x82);
      need(!aboveHost(value) && (nxe || !has(value, 63)) && (level < 4 || !has(value, 7)), 0x72);
      if (isLarge) need(level === 2 && field(value, shift - 1, 13) === 0n, 0x72);
      const bits = ((isLeaf && writes ? 0x60n : 0x20n) | (has(controls, 7) ? 0x400n : 0n)) & ~value;
      if (bits !== 0n) {
        need(snoops, 0x90);
        need(below === null || below.mayWrite, 0x77);
        mark(slot, bits);
        if (below !== null && ssade) mark(below.slot, 0x200n);
      }
      if (isLeaf) {
        const offset = (1n << BigInt(shift)) - 1n;
        const output = (page(value) & ~offset) | (at & offset);
        need(!inRange(output), 0x87);
        if (!isNested) return { output };
        need(!beyondSecond(output), 0x84);
        const final = second(output, { r: reads, w: writes, x: executes }).output;
        need(!inRange(final), 0x87);
        return { output: final };
      }
      table = page(value);
    }
  }

  try {
    return { result: decide(), flags };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { result: { fault: error.fault }, flags };
  }
}

/** What works almost everywhere: identity in second stage for the tables, pages of all sizes in both. */
function healthy(bench: Bench): void {
  const link = (table: bigint, index: number, value: bigint) => bench.poke(table + 8n * BigInt(index), value);
  for (let level = 5; level >= 2; level--) {
    link(SECOND[level], 0, SECOND[level - 1] | 7n);
    link(FIRST[level], 0, FIRST[level - 1] | 7n);
    if (level >= 4) link(FIRST[level], 0x1ff, FIRST[level - 1] | 7n);
  }
  link(SECOND[3], 1, 0xc000_0000n | 0x87n);
  link(SECOND[2], 1, 0x20_0000n | 0x87n);
  for (let index = 0; index < 0x40; index++) link(SECOND[1], index, (BigInt(index) << 12n) | 7n);
  link(FIRST[3], 1, 0x4000_0000n | 0x87n);
  link(FIRST[2], 1, 0x20_0000n | 0x87n);
  link(FIRST[2], 2, FIRST[6] | 7n);
  // Guest pages: small, in a second-stage page of 2 MiB and of 1 GiB, the interrupt range, above any width.
  const frames = [
    0x8000n,
    0x9000n,
    0x20_3000n,
    0x4012_3000n,
    0xfee0_0000n,
    0x7ee0_1000n,
    0x2000_0000_0000n,
    0n,
  ];
  frames.forEach((frame, index) => {
    link(FIRST[1], index, frame | 7n);
    link(FIRST[6], index, frame | 7n);
  });
}

const usually = <T>(good: fc.Arbitrary<T>, odd: fc.Arbitrary<T>, weight = 25) =>
  fc.oneof({ weight, arbitrary: good }, { weight: 1, arbitrary: odd });

const fewBits = (...options: bigint[]) => fc.constantFrom(...options);
const firstSlots = [
  ...[1, 6].flatMap((table) => [0, 1, 2, 3, 4, 5].map((index) => FIRST[table] + 8n * BigInt(index))),
  ...[2, 3, 4, 5].flatMap((table) => [0, 1, 2, 0x1ff].map((index) => FIRST[table] + 8n * BigInt(index))),
];
const secondSlots = [
  ...[8, 9, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16].map((index) => SECOND[1] + 8n * BigInt(index)),
  ...[2, 3, 4, 5].flatMap((table) => [0, 1].map((index) => SECOND[table] + 8n * BigInt(index))),
];
/** Bits flipped in one entry. */
const defects = fc.array(
  fc.oneof(
    fc.tuple(
      fc.constantFrom(...firstSlots),
      fewBits(1n, 2n, 4n, 0x20n, 0x60n, 0x80n, 0x420n, 0x2000n, 1n << 46n, 1n << 41n, 1n << 63n, 1n << 51n),
    ),
    fc.tuple(
      fc.constantFrom(...secondSlots),
      fewBits(1n, 2n, 3n, 4n, 7n, 0x80n, 0x100n, 0x300n, 0x800n, 0x1000n, 1n << 46n, 1n << 41n, 1n << 62n),
    ),
  ),
  { maxLength: 5 },
);

const pasidEntry = fc.record({
  P: usually(fc.constant(1), fc.constant(0)),
  PGTT: usually(fc.constantFrom(1, 2, 3, 3, 4), fc.constantFrom(0, 5, 7)),
  AW: usually(fc.constantFrom(2, 3), fc.constantFrom(0, 1, 4)),
  FSPM: usually(fc.constantFrom(0, 1), fc.constantFrom(2, 3)),
  SSEE: fc.constantFrom(0, 1),
  SSADE: fc.constantFrom(0, 1),
  PWSNP: usually(fc.constant(1), fc.constant(0), 8),
  SRE: usually(fc.constant(1), fc.constant(0), 8),
  ERE: usually(fc.constant(1), fc.constant(0), 8),
  WPE: fc.constantFrom(0, 1),
  NXE: usually(fc.constant(1), fc.constant(0), 3),
  SMEP: fc.constantFrom(0, 1),
  EAFE: fc.constantFrom(0, 1),
  odd: usually(
    fc.constant<readonly [number, bigint]>([0, 0n]),
    fc.constantFrom<(readonly [number, bigint])[]>([0, 0x400n], [2, 0x100n]),
    40,
  ),
  outside: usually(fc.constant(0), fc.constantFrom(1, 2), 30),
});
const contextEntry = fc.record({
  P: usually(fc.constant(1), fc.constant(0)),
  PASIDE: usually(fc.constant(1), fc.constant(0)),
  PDTS: fc.constantFrom(0, 7),
  RID_PASID: usually(fc.constantFrom(0, 1, 2, 3), fc.constantFrom(64, 0x2000), 12),
  RID_PRIV: fc.constantFrom(0, 0, 1),
  odd: usually(fc.constant(0n), fc.constant(0x20n)),
});
const state = fc.record({
  contexts: fc.array(contextEntry, { minLength: 2, maxLength: 2 }),
  pasids: fc.array(pasidEntry, { minLength: 4, maxLength: 4 }),
  directory: usually(fc.constant(0n), fc.constantFrom(1n, 4n, 0x40_0000n)),
  defects,
});
type State = typeof state extends fc.Arbitrary<infer T> ? T : never;

const inputAddress = fc.oneof(
  {
    weight: 14,
    arbitrary: fc
      .tuple(
        fc.constantFrom(0n, 0n, 0n, 0xffff_ff80_0000_0000n & ~0x7f_ffff_ffffn),
        fewBits(0n, 0n, 0n, 1n),
        fewBits(0n, 0n, 1n, 2n),
        fewBits(0n, 1n, 2n, 3n, 4n, 5n, 7n, 8n, 9n),
        fewBits(0n, 0xabcn),
      )
      .map(([top, l3, l2, l1, offset]) => top | (l3 << 30n) | (l2 << 21n) | (l1 << 12n) | offset),
  },
  {
    weight: 1,
    arbitrary: fewBits(0xfee0_0000n, 0x7ee0_1000n, 1n << 46n, 1n << 47n, 1n << 56n, 1n << 57n, 1n << 63n),
  },
);
const requests = fc.array(inputAddress, { minLength: 1, maxLength: 5 }).chain((addresses) =>
  fc.array(
    fc.record<Request>({
      device: fc.constantFrom(...devices),
      access: fc.constantFrom<Access[]>('read', 'read', 'write', 'atomic', 'execute'),
      at: fc.constantFrom(...addresses),
      pasid: usually(fc.constantFrom(-1, 0, 1, 2, 3), fc.constantFrom(64, 0x2001), 20),
      isPrivileged: fc.boolean(),
    }),
    { minLength: 1, maxLength: 20 },
  ),
);
/** A request without PASID can neither execute nor be privileged by itself. */
const asMade = (request: Request): Request =>
  request.pasid < 0 && request.access === 'execute' ? { ...request, access: 'read' } : request;

const tinyCaches: CacheShape = {
  iotlb: { sets: 2, ways: 2 },
  pagingCache: { 5: 1, 4: 1, 3: 2, 2: 2 },
  contextCacheEntries: 1,
  pasidCache: { sets: 1, ways: 2 },
  interruptCacheEntries: 1,
};
const shapes = [undefined, tinyCaches, { ...tinyCaches, pagingCache: { 5: 0, 4: 0, 3: 0, 2: 0 } }];

function put(bench: Bench, { contexts, pasids, directory, defects: flips }: State): void {
  for (let at = 0x1_0000; at < 0x3_0000; at += 0x1000) bench.memory.clearPage(at);
  healthy(bench);
  for (const [slot, bits] of flips) bench.poke(slot, bench.peek(slot) ^ bits);
  bench.poke(ROOT + 0x30n, CONTEXTS[0] | 1n);
  bench.poke(ROOT + 0x38n, CONTEXTS[1] | 1n);
  contexts.forEach(({ odd, ...fields }, index) => {
    const words = scalableContextEntry.encode({ ...fields, PASIDDIRPTR: DIRECTORY });
    const at = Number(CONTEXTS[index]) + 32 * (deviceId(devices[index]) & 0x7f);
    bench.memory.writeWords(at, words);
    bench.poke(at, bench.peek(at) | odd);
  });
  bench.poke(DIRECTORY, (PASIDS | 1n) ^ directory);
  pasids.forEach(({ odd, outside, ...fields }, pasid) => {
    const words = pasidTableEntry.encode({
      ...fields,
      DID: pasid + 1,
      SSPTPTR: outside === 1 ? 0x40_0000n : (SECOND[fields.AW + 2] ?? SECOND[4]),
      FSPTPTR: outside === 2 ? 0x40_0000n : FIRST[4 + (fields.FSPM & 1)],
    });
    const at = Number(PASIDS) + 64 * pasid;
    bench.memory.writeWords(at, words);
    bench.poke(at + 8 * odd[0], bench.peek(at + 8 * odd[0]) | odd[1]);
  });
}

const build = (caches: CacheShape | undefined) =>
  new Bench({ unit: description, ram: RAM, caches }).startScalable();

const asResult = ({ outcome, output, fault }: Answer): Result => {
  if (outcome === 'interrupt') return { interrupt: true };
  return output === null ? { fault } : { output };
};
/** The words of all tables, each of which can be compared at once. */
const tablesOf = ({ memory }: Bench) =>
  [...FIRST, ...SECOND].map((table) => {
    const words = new Int32Array(1024);
    for (let i = 0; i < 1024; i += 2) {
      memory.load(0, Number(table) + 4 * i);
      words[i] = memory.lo;
      words[i + 1] = memory.hi;
    }
    return Buffer.from(words.buffer);
  });
const same = (a: Buffer[], b: Buffer[]) => a.every((table, index) => table.equals(b[index]));
const dma = (bench: Bench, { device, access, at, pasid, isPrivileged }: Request) =>
  bench.dma(device, access, at, pasid, isPrivileged);
const explain = (bench: Bench, { device, access, at, pasid, isPrivileged }: Request, isCold: boolean) =>
  bench.iommu.explain(deviceId(device), high(at), low(at), accesses[access], isCold, pasid, isPrivileged);

function visible(bench: Bench): unknown {
  const { translator } = bench.iommu;
  return structuredClone({
    counts: namedCounts(translator.counts),
    iotlb: [translator.iotlb.entries(), [...translator.iotlb.store.newer], translator.iotlb.store.evicted],
    pasids: [translator.pasidCache.words, [...translator.pasidCache.store.newer]],
    contexts: [devices.map((device) => translator.contextCache.find(deviceId(device)))],
    paging: [2, 3, 4, 5].map((level) => [
      translator.pagingCache.count(level),
      translator.firstStageCache.count(level),
    ]),
    records: bench.records(),
    status: bench.reg(Offset.FSTS),
    tables: tablesOf(bench).map((table) => table.toString('latin1')),
  });
}

describe('any structures of scalable mode, any requests', () => {
  test('what the unit answers is what a cold walk answers, and leaves the same flags', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...shapes),
        fc.array(fc.tuple(state, requests), { minLength: 1, maxLength: 3 }),
        (caches, phases) => {
          const bench = build(caches);
          for (const [tables, asked] of phases) {
            put(bench, tables);
            bench.invalidateAll();
            for (const made of asked) {
              const request = asMade(made);
              const { result, flags } = coldWalk(bench, request);
              const before = tablesOf(bench);
              const placeOf = (at: bigint) => [...FIRST, ...SECOND].indexOf(at & ~0xfffn);
              // An entry that leads back into root table or context tables: its flags change who is asked next.
              if ([...flags.keys()].some((at) => placeOf(at) < 0)) break;
              for (const [at, bits] of flags) {
                const table = placeOf(at);
                const offset = Number(at & 0xfffn);
                before[table].writeInt32LE(before[table].readInt32LE(offset) | low(bits), offset);
              }
              const title = `${request.device} ${request.access} 0x${request.at.toString(16)} ${request.pasid}`;
              const answer = dma(bench, request);
              expect(asResult(answer), title).toEqual(result);
              expect(same(tablesOf(bench), before), title).toBe(true);
              expect(asResult(dma(bench, request)), title).toEqual(result);
              expect(same(tablesOf(bench), before), title).toBe(true);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('an explanation changes nothing and tells what then happens', () => {
    fc.assert(
      fc.property(fc.constantFrom(...shapes), state, requests, (caches, tables, asked) => {
        const bench = build(caches);
        put(bench, tables);
        for (const made of asked) {
          const request = asMade(made);
          const before = visible(bench);
          const cold = explain(bench, request, true);
          const told = explain(bench, request, false);
          expect(visible(bench)).toEqual(before);
          const { result } = coldWalk(bench, request);
          if ('output' in result) {
            expect((BigInt(cold.hi >>> 0) << 32n) | BigInt(cold.lo >>> 0)).toBe(result.output);
          } else if ('fault' in result) expect(cold.fault).toBe(result.fault);
          const answer = dma(bench, request);
          expect(outcomeNames[told.outcome]).toBe(answer.outcome);
          expect(told.fault).toBe(answer.fault);
          // A nested walk that happens also finds what it has just cached itself.
          expect(told.steps.at(-1)!.reads).toBeGreaterThanOrEqual(answer.reads);
          for (const { steps, fault } of [cold, told]) {
            expect(steps.at(-1)!.fault).toBe(fault);
            expect(steps.slice(0, -1).filter(({ verdict }) => verdict === 'blocked')).toEqual([]);
          }
        }
      }),
      { numRuns: 80 },
    );
  });

  test('each step that reads memory shows what lies there', () => {
    fc.assert(
      fc.property(state, requests, (tables, asked) => {
        const bench = build(undefined);
        put(bench, tables);
        for (const made of asked) {
          let reads = 0;
          for (const step of explain(bench, asMade(made), true).steps) {
            if (!step.stage.endsWith('entry') || step.address === null || step.reads === reads) continue;
            expect(step.reads).toBe(++reads);
            if (step.address >= RAM) expect(step.words).toEqual([]);
            else expect(step.words).toEqual([...bench.memory.readWords(step.address, step.words.length)]);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test('the counters add up', () => {
    fc.assert(
      fc.property(state, requests, (tables, asked) => {
        const bench = build(tinyCaches);
        put(bench, tables);
        const outcomes = asked.map((made) => dma(bench, asMade(made)).outcome);
        const ended = (outcome: string) => outcomes.filter((each) => each === outcome).length;
        const counts = namedCounts(bench.iommu.translator.counts);
        expect(counts.iotlb_hit + counts.page_walks).toBe(counts.iotlb_lookup);
        expect(counts.pasid_cache_hit).toBeLessThanOrEqual(counts.pasid_cache_lookup);
        expect(counts.pasid_cache_lookup).toBeLessThanOrEqual(counts.ctxt_cache_lookup);
        expect(counts.fs_nonleaf_lookup).toBeLessThanOrEqual(counts.page_walks);
        expect(counts.fs_nonleaf_hit).toBeLessThanOrEqual(counts.fs_nonleaf_lookup);
        expect(counts.faults).toBe(ended('blocked'));
        expect(counts.page_walks).toBeGreaterThanOrEqual(ended('walked'));
      }),
      { numRuns: 100 },
    );
  });
});
