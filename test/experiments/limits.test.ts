/** What no unit and no kernel gets around: reads of a walk, compulsory misses, the invalidation queue, staleness. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { perCore } from '../../source/experiments/cpu.ts';
import { CONTIGUOUS, Host } from '../../source/experiments/host.ts';
import { runReceive } from '../../source/experiments/receive.ts';
import type { Mapping } from '../../source/linux/dma-api/dma-api.ts';
import { type Overrides, valuesWith } from '../../source/parameters/registry.ts';
import { SECOND_STAGE } from '../../source/vtd/caches/space.ts';
import { READ, WRITE } from '../../source/vtd/formats/paging-entry.ts';
import { pasidTableEntry } from '../../source/vtd/formats/pasid-table-entry.ts';
import { scalableContextEntry } from '../../source/vtd/formats/scalable-context-entry.ts';
import { Counter, type CounterName } from '../../source/vtd/performance/counters.ts';
import { Outcome } from '../../source/vtd/translation/translator.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { Bench, deviceId, unitWith } from '../support/unit.ts';

const PAGE = 4096;
const MiB = 2 ** 20;
const GiB = 2 ** 30;
const runs = { numRuns: 30 } as const;

const STRICT = 'intel_iommu=on iommu.strict=1';
const LAZY = 'intel_iommu=on iommu.strict=0';

const hostOf = (boot: string, parameters: Overrides = {}, cpus = 1): Host =>
  new Host({ boot, values: valuesWith({ 'iotlb.ways': 'full', ...parameters }), cpus });

/** A DMA of the host's device; one of Outcome. */
const dma = ({ unit, device }: Host, address: number): number =>
  unit.translator.translate(device, Math.floor(address / 2 ** 32), address | 0, READ | WRITE);

const count = ({ unit }: Host, name: CounterName): number => unit.translator.counts[Counter[name]];

const misses = (host: Host): number => count(host, 'iotlb_lookup') - count(host, 'iotlb_hit');

/** Pages mapped one by one. */
const mapPages = ({ kernel, device }: Host, pages: number): Mapping[] =>
  Array.from({ length: pages }, () => kernel.map(device, kernel.dataFrames.allocate(), PAGE, 'both'));

describe('reach is entries times page size', () => {
  const sizes = [
    { name: '4 KiB', bytes: PAGE },
    { name: '2 MiB', bytes: 2 * MiB },
    { name: '1 GiB', bytes: GiB },
  ];

  test.each(sizes)('with pages of $name', ({ bytes }) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.boolean(), (entries, isOneTooMany) => {
        const host = hostOf('intel_iommu=on', { 'iotlb.entries': entries });
        const pages = entries + (isOneTooMany ? 1 : 0);
        // Tables alone are asked, so that there need be no memory behind them.
        const starts = Array.from(
          { length: pages },
          (_, i) => host.kernel.map(host.device, bytes * (i + 2), bytes, 'both').address,
        );
        const reach = () => {
          for (const start of starts) for (const at of [0, bytes / 2, bytes - 64]) dma(host, start + at);
        };
        reach();
        const before = misses(host);
        reach();

        expect(before).toBe(pages);
        // In turn, and with the least recently used to go, one page more than there are entries loses them all.
        expect(misses(host) - before).toBe(isOneTooMany ? pages : 0);
      }),
      runs,
    );
  });
});

describe('pages in turn, more of them than entries', () => {
  const inTurn = (replacement: 'lru' | 'fifo' | 'random', entries: number, more: number) => {
    const host = hostOf('intel_iommu=on', { 'iotlb.entries': entries, 'iotlb.replacement': replacement });
    const pages = mapPages(host, entries + more);
    for (let round = 0; round < 20; round++) for (const { address } of pages) dma(host, address);
    return count(host, 'iotlb_hit');
  };
  const entries = fc.integer({ min: 4, max: 64 });
  const more = fc.integer({ min: 1, max: 64 });

  test.each(['lru', 'fifo'] as const)('are never found where the %s entry goes', (replacement) => {
    fc.assert(
      fc.property(entries, more, (n, p) => {
        expect(inTurn(replacement, n, p)).toBe(0);
      }),
      runs,
    );
  });

  test('are found now and then where any entry goes', () => {
    fc.assert(
      fc.property(entries, (n) => {
        expect(inTurn('random', n, Math.ceil(n / 2))).toBeGreaterThan(0);
      }),
      runs,
    );
  });
});

describe('compulsory misses', () => {
  test('in strict mode each page that is mapped misses once at least', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 64 }),
        (uses, entries) => {
          const host = hostOf(STRICT, { 'iotlb.entries': entries });
          for (const times of uses) {
            const page = host.kernel.dataFrames.allocate();
            const mapping = host.kernel.map(host.device, page, PAGE, 'both');
            for (let i = 0; i < times; i++) dma(host, mapping.address + 64 * i);
            host.kernel.unmap(host.device, mapping);
            host.kernel.dataFrames.release(page);
          }

          expect(misses(host)).toBe(uses.length);
        },
      ),
      runs,
    );
  });

  test('reading 4 KiB pages in sequence misses 256 times a MiB', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(64, 256, 512, 4096),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 128 }),
        (step, mebibytes, entries) => {
          const host = hostOf('intel_iommu=on,sp_off', { 'iotlb.entries': entries });
          const bytes = mebibytes * MiB;
          const { address } = host.kernel.map(host.device, host.contiguous(bytes), bytes, 'both');
          for (let at = 0; at < bytes; at += step) dma(host, address + at);

          expect(misses(host)).toBe(256 * mebibytes);
        },
      ),
      runs,
    );
  });
});

describe('memory reads', () => {
  test('are the misses of the IOTLB and of the three paging-structure caches, added up', () => {
    fc.assert(
      fc.property(
        fc.tuple(...[32, 4, 4, 8].map((max) => fc.integer({ min: 1, max }))),
        fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)), { minLength: 1, maxLength: 300 }),
        ([iotlb, l1, l2, l3], visits) => {
          const host = hostOf('intel_iommu=on,sp_off', {
            'iotlb.entries': iotlb,
            'pagingCache.l1.entries': l1,
            'pagingCache.l2.entries': l2,
            'pagingCache.l3.entries': l3,
            // 48-bit addresses, so that there is more than one entry of level 4.
            'cap.MGAW': 47,
          });
          const { kernel, device, unit } = host;
          kernel.claim(device);
          const domain = kernel.attachUnmanaged(device, 1);
          const at = ([i, j, k, l]: readonly [number, number, number, number]) =>
            i * 2 ** 39 + j * 2 ** 30 + k * 2 ** 21 + l * PAGE;
          for (const visit of new Set(visits.map(at))) {
            kernel.mapForOwner(domain, visit, [{ physical: CONTIGUOUS, bytes: PAGE }]);
          }
          // Root and context entry are read once.
          dma(host, at(visits[0]));
          const { pagingCache, iotlb: cache } = unit.translator;
          let missed = 0;
          const before = count(host, 'iommu_mrds');
          for (const visit of visits) {
            const address = at(visit);
            const [hi, lo] = [Math.floor(address / 2 ** 32), address | 0];
            const { did } = unit.translator;
            if (cache.find(did, hi, lo, SECOND_STAGE) < 0) {
              const found = [2, 3, 4].findIndex(
                (level) => pagingCache.find(level, did, hi, lo, false, SECOND_STAGE) >= 0,
              );
              missed += 1 + (found < 0 ? 3 : found);
            }
            expect(dma(host, address)).not.toBe(Outcome.BLOCKED);
          }

          expect(count(host, 'iommu_mrds') - before).toBe(missed);
        },
      ),
      runs,
    );
  });

  test.each([
    [3, 1],
    [4, 2],
    [5, 3],
  ])('of a walk of %i levels are 1 to as many', (levels, AW) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4 }),
        fc.array(fc.integer({ min: 0, max: 2 ** 26 }), { minLength: 2, maxLength: 30 }),
        (entries, pages) => {
          const size = entries as 0;
          const caches = {
            iotlb: { sets: 1, ways: 1 },
            pagingCache: { 5: size, 4: size, 3: size, 2: size },
            contextCacheEntries: 1,
            pasidCache: { sets: 1, ways: 1 },
            interruptCacheEntries: 1,
          };
          const bench = new Bench({ unit: presets.server, caches, ram: 0x400_0000 });
          bench.attach('03:00.0', { AW, SSPTPTR: 0x8000n, DID: 1 });
          const all = pages.map((page) => BigInt(page) << 12n);
          for (const at of all) bench.map(0x8000, levels, at, 0x7003n);
          bench.start();
          bench.dma('03:00.0', 'read', all[0]);
          const reads = all.slice(1).map((at) => bench.dma('03:00.0', 'read', at));
          const walks = reads.filter(({ outcome }) => outcome === 'walked');

          for (const walk of walks) {
            expect(walk.reads).toBeGreaterThanOrEqual(1);
            expect(walk.reads).toBeLessThanOrEqual(levels);
            if (entries === 0) expect(walk.reads).toBe(levels);
          }
        },
      ),
      runs,
    );
  });

  test('of a nested walk are (4 + 1) (4 + 1) - 1 = 24 at most, and that many where nothing is cached', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4 }),
        fc.array(fc.integer({ min: 0, max: 2 ** 30 }), { minLength: 1, maxLength: 12 }),
        (entries, pages) => {
          const bench = nestedBench(entries, pages);
          bench.dma('03:00.0', 'read', 0n);
          for (const page of pages) {
            bench.invalidate({ iotlb: 'domain', did: 1 });
            const { outcome, reads } = bench.dma('03:00.0', 'read', BigInt(page) << 12n);

            expect(outcome).toBe('walked');
            // What the walk has just cached serves the rest of it.
            expect(reads).toBeLessThanOrEqual(24);
            if (entries === 0) expect(reads).toBe(24);
            expect(bench.dma('03:00.0', 'read', (BigInt(page) << 12n) + 64n).reads).toBe(0);
          }
          for (const page of pages) {
            expect(bench.dma('03:00.0', 'read', BigInt(page) << 12n).reads).toBeLessThanOrEqual(24);
          }
        },
      ),
      runs,
    );
  });
});

/** A device whose guest has tables of its own, under those of its host: four levels each, in 4 KiB pages. */
function nestedBench(entries: number, pages: readonly number[]): Bench {
  const size = entries as 0;
  const bench = new Bench({
    unit: unitWith('server', 'ecap.RPRIVS=1'),
    ram: 0x100_0000,
    caches: {
      iotlb: { sets: 1, ways: 4 },
      pagingCache: { 5: size, 4: size, 3: size, 2: size },
      contextCacheEntries: 4,
      pasidCache: { sets: 1, ways: 4 },
      interruptCacheEntries: 4,
    },
  });
  const [root, contexts, directory, pasids, second] = [0x1000, 0x2000, 0x4000, 0x5000, 0x6000];
  bench.poke(root + 16 * 3, BigInt(contexts | 1));
  bench.memory.writeWords(
    contexts + 32 * (deviceId('03:00.0') & 0x7f),
    scalableContextEntry.encode({ P: 1, RID_PRIV: 1, PASIDDIRPTR: BigInt(directory) }),
  );
  bench.poke(directory, BigInt(pasids | 1));
  // Guest-physical addresses are host-physical ones, page by page.
  const first = 0x20_0000;
  bench.nextTable = first + PAGE;
  for (const page of [0, ...pages]) bench.map(first, 4, BigInt(page) << 12n, BigInt(first + 0x10_0000 + 3));
  const last = bench.nextTable;
  bench.nextTable = 0x80_0000;
  for (let at = first; at <= first + 0x10_0000 || at < last; at += PAGE) {
    bench.map(second, 4, BigInt(at), BigInt(at + 3));
  }
  bench.memory.writeWords(
    pasids,
    pasidTableEntry.encode({
      ...{ P: 1, PGTT: 3, AW: 2, DID: 1, SRE: 1, PWSNP: 1 },
      SSPTPTR: BigInt(second),
      FSPTPTR: BigInt(first),
    }),
  );
  return bench.startScalable();
}

describe('the invalidation queue', () => {
  const costs = fc.record({
    'cpu.ghz': fc.double({ min: 1, max: 5, noNaN: true }),
    'cpu.invalidateCycles': fc.integer({ min: 100, max: 20_000 }),
  });

  /** Pages unmapped in a second by one CPU that does nothing else, and invalidations for each page. */
  function unmapRate(parameters: Overrides, pagesAtOnce: number): { rate: number; invalidations: number } {
    const host = hostOf(STRICT, parameters);
    const { kernel, device, unit, values } = host;
    const segments = () =>
      Array.from({ length: pagesAtOnce }, () => ({ physical: kernel.dataFrames.allocate(), bytes: PAGE }));
    const mappings = Array.from({ length: 10 }, () => kernel.mapList(device, segments(), 'both')).flat();
    const before = { cycles: kernel.cycles, invalidations: unit.invalidator.counts.iotlb_page };
    for (const mapping of mappings) kernel.unmap(device, mapping);
    const pages = 10 * pagesAtOnce;
    return {
      rate: (1e9 * values['cpu.ghz'] * pages) / (kernel.cycles - before.cycles),
      invalidations: (unit.invalidator.counts.iotlb_page - before.invalidations) / pages,
    };
  }

  test('takes no more unmaps a second in strict mode than the clock by what one invalidation costs', () => {
    fc.assert(
      fc.property(costs, (parameters) => {
        const { rate, invalidations } = unmapRate(parameters, 1);

        expect(rate).toBeLessThanOrEqual((1e9 * parameters['cpu.ghz']) / parameters['cpu.invalidateCycles']);
        expect(invalidations).toBe(1);
      }),
      runs,
    );
  });

  test('takes 64 times as many pages where one invalidation covers a descriptor of 64', () => {
    fc.assert(
      fc.property(costs, (parameters) => {
        const { rate, invalidations } = unmapRate(parameters, 64);
        const bound = (1e9 * parameters['cpu.ghz']) / parameters['cpu.invalidateCycles'];

        expect(rate).toBeLessThanOrEqual(64 * bound);
        expect(rate / unmapRate(parameters, 1).rate).toBeCloseTo(64);
        expect(invalidations).toBe(1 / 64);
      }),
      runs,
    );
  });
});

describe('what was unmapped', () => {
  const rates = fc.array(fc.integer({ min: 200, max: 500_000 }), { minLength: 1, maxLength: 4 });

  test('is out of reach at once in strict mode', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), (pages) => {
        const host = hostOf(STRICT);
        for (const mapping of mapPages(host, pages)) {
          dma(host, mapping.address);
          host.kernel.unmap(host.device, mapping);

          expect(dma(host, mapping.address)).toBe(Outcome.BLOCKED);
        }
      }),
      runs,
    );
  });

  test('stays in reach in lazy mode for 10 ms or the time to fill the queue of its CPU, whichever is shorter', () => {
    fc.assert(
      fc.property(rates, (ofCpus) => {
        const host = hostOf(LAZY, {}, ofCpus.length);
        const { kernel, device, clock, unit } = host;
        const waiting: { at: number; cpu: number }[] = [];
        const longest = ofCpus.map(() => 0);
        unit.invalidator.observer = ({ kind, granularity }) => {
          if (kind !== 'iotlb' || granularity !== 'domain') return;
          for (const { at, cpu } of waiting.splice(0)) {
            longest[cpu] = Math.max(longest[cpu], clock.now() - at);
          }
        };
        const page = kernel.dataFrames.allocate();
        const work = (cpu: number, everyNs: number) => {
          const mapping = kernel.map(device, page, PAGE, 'both', cpu);
          waiting.push({ at: clock.now(), cpu });
          kernel.unmap(device, mapping, cpu);
          clock.after(everyNs, () => work(cpu, everyNs));
        };
        ofCpus.forEach((rate, cpu) => {
          work(cpu, 1e9 / rate);
        });
        host.run(() => clock.now() > 40e6);

        ofCpus.forEach((rate, cpu) => {
          expect(longest[cpu]).toBeLessThanOrEqual(Math.min(10e6, (255 * 1e9) / rate) * 1.001);
          expect(longest[cpu]).toBeGreaterThan(0);
        });
      }),
      runs,
    );
  });
});

test('a core moves no more than its clock allows by the cycles that a packet is charged', () => {
  const cycles = fc.integer({ min: 0, max: 5000 });
  fc.assert(
    fc.property(
      fc.record({
        'cpu.ghz': fc.double({ min: 1, max: 5, noNaN: true }),
        'cpu.packetCycles': cycles,
        'cpu.allocateIovaCycles': cycles,
        'cpu.unmapTableCycles': cycles,
        'cpu.invalidateCycles': cycles,
        'cpu.deferCycles': cycles,
      }),
      fc.constantFrom(STRICT, LAZY),
      fc.integer({ min: 64, max: 4096 }),
      (parameters, boot, bytes) => {
        const { gbps, cycles: charged } = perCore(valuesWith(parameters), boot, bytes, 255);
        const least =
          parameters['cpu.packetCycles'] +
          2 * (parameters['cpu.allocateIovaCycles'] + parameters['cpu.unmapTableCycles']) +
          2 * (boot === STRICT ? parameters['cpu.invalidateCycles'] : parameters['cpu.deferCycles']);

        expect(charged).toBeGreaterThanOrEqual(least);
        expect(gbps).toBeLessThanOrEqual((8 * bytes * parameters['cpu.ghz']) / least);
      },
    ),
    { numRuns: 10 },
  );
});

test('the buffers of a receiving card are mapped at 2 x cores x MTU x ring bytes, within the next power of two', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      (cores, descriptors, contiguous) => {
        const ring = 64 * descriptors;
        const { mappedBytes } = runReceive({
          values: valuesWith(),
          boot: STRICT,
          cpus: cores,
          cores,
          flows: cores,
          ring,
          contiguous,
          moderationNs: 1000,
          wireGbps: 98,
          pages: 500,
        });
        const published = 2 * cores * PAGE * ring;

        expect(mappedBytes).toBe(published);
        expect(mappedBytes).toBeLessThanOrEqual(2 ** Math.ceil(Math.log2(published)));
      },
    ),
    { numRuns: 10 },
  );
});

test('pass-through costs a look-up in the context cache, and no walk', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2 ** 30 }), { minLength: 1, maxLength: 100 }),
      (addresses) => {
        const host = hostOf('intel_iommu=on iommu=pt');
        for (const address of addresses) expect(dma(host, address)).toBe(Outcome.PASSED);

        expect(count(host, 'ctxt_cache_lookup')).toBe(addresses.length);
        expect(count(host, 'ctxt_cache_hit')).toBe(addresses.length - 1);
        expect(count(host, 'page_walks')).toBe(0);
        expect(count(host, 'iotlb_lookup')).toBe(0);
        // The root entry and the context entry, once.
        expect(count(host, 'iommu_mrds')).toBe(2);
      },
    ),
    runs,
  );
});
