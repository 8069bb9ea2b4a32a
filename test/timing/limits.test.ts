/** What bounds any device and any unit in time: requests under way, walkers, the link, reach, the hit ratio. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runWindow, type WindowRun } from '../../source/experiments/window.ts';
import { type Overrides, valuesWith } from '../../source/parameters/registry.ts';
import { rawGbps } from '../../source/timing/link.ts';

const KiB = 1024;
const runs = { numRuns: 25 } as const;

/** Any plausible unit and device. */
const unit = fc.record({
  'iotlb.entries': fc.integer({ min: 1, max: 200 }),
  'iotlb.ways': fc.constant('full' as const),
  'iotlb.fill': fc.constantFrom('return' as const, 'issue' as const),
  'iotlb.merge': fc.constantFrom('on' as const, 'off' as const),
  'iotlb.order': fc.constantFrom('any' as const, 'inOrder' as const),
  'iotlb.replacement': fc.constantFrom('lru' as const, 'fifo' as const, 'random' as const),
  walkers: fc.integer({ min: 1, max: 12 }),
  'walk.ns': fc.integer({ min: 50, max: 600 }),
  'walk.busyNs': fc.integer({ min: 0, max: 10 }),
  'write.bufferLines': fc.integer({ min: 8, max: 200 }),
});

const load = fc.record({
  windowBytes: fc.integer({ min: 1, max: 1024 }).map((pages) => pages * 4 * KiB),
  bytes: fc.constantFrom(64, 128, 256, 512),
  outstanding: fc.integer({ min: 1, max: 64 }),
  isWarm: fc.boolean(),
});

function measure(parameters: Overrides, options: Partial<WindowRun>) {
  const values = valuesWith({ 'read.outstanding': options.outstanding ?? 35 }, parameters);
  const run = {
    pages: '4 KiB',
    type: 'read',
    isWarm: true,
    outstanding: 35,
    requests: 2000,
    windowBytes: 64 * KiB,
    bytes: 64,
  } as const;
  return { values, ...runWindow({ values, ...run, ...options }) };
}

test("Little's law: throughput is outstanding times size by latency, and no more", () => {
  fc.assert(
    fc.property(unit, load, (parameters, options) => {
      const { gbps, meanNs } = measure(parameters, options);
      const expected = (8 * options.bytes * options.outstanding) / meanNs;

      expect(gbps / expected).toBeGreaterThan(0.9);
      expect(gbps / expected).toBeLessThan(1.1);
    }),
    runs,
  );
});

test("Little's law: posted writes are no faster than what the root complex buffers by how long it holds a line", () => {
  fc.assert(
    fc.property(unit, load, fc.integer({ min: 50, max: 1000 }), (parameters, options, ns) => {
      const { values, gbps } = measure({ ...parameters, 'write.ns': ns }, { ...options, type: 'write' });

      expect(gbps).toBeLessThanOrEqual(((8 * 64 * values['write.bufferLines']) / ns) * 1.01);
    }),
    runs,
  );
});

test('walk rate: no more walks than walkers by the time of a walk', () => {
  fc.assert(
    fc.property(
      unit,
      load,
      fc.constantFrom('read' as const, 'write' as const),
      (parameters, options, type) => {
        const { values, walksM } = measure(parameters, { ...options, type });

        expect(walksM).toBeLessThanOrEqual(((1000 * values.walkers) / values['walk.ns']) * 1.03);
      },
    ),
    runs,
  );
});

test('link: payload never exceeds the raw rate less the headers', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('read' as const, 'write' as const),
      fc.constantFrom(64, 128, 256, 512),
      fc.integer({ min: 1, max: 4 }),
      (type, bytes, lanes) => {
        const { values, gbps } = measure(
          { 'link.lanes': lanes, 'read.outstanding': 64 },
          { type, bytes, outstanding: 64 },
        );
        const overhead =
          type === 'read' ? values['link.completionOverheadBytes'] : values['link.writeOverheadBytes'];
        const packet = Math.min(bytes, values['link.maxPayloadBytes']);

        expect(gbps).toBeLessThanOrEqual(((rawGbps(3, lanes) * packet) / (packet + overhead)) * 1.001);
        expect(gbps).toBeGreaterThan(0);
      },
    ),
    runs,
  );
  expect(rawGbps(3, 8)).toBeCloseTo(63.0, 1);
});

test('reach: a window that the entries cover misses no more once it is in', () => {
  fc.assert(
    fc.property(unit, fc.integer({ min: 1, max: 200 }), (parameters, pages) => {
      fc.pre(pages <= parameters['iotlb.entries'] && parameters['iotlb.fill'] === 'return');
      const { hitRatio } = measure(parameters, { windowBytes: pages * 4 * KiB });

      expect(hitRatio).toBeGreaterThan(0.999);
    }),
    runs,
  );
});

test('uniform random access hits min(1, N / P), whatever is replaced', () => {
  fc.assert(
    fc.property(
      unit,
      fc.integer({ min: 8, max: 200 }),
      fc.integer({ min: 8, max: 800 }),
      (parameters, entries, pages) => {
        // One at a time, so that no miss is under way when the next request comes.
        const { hitRatio } = measure(
          { ...parameters, 'iotlb.entries': entries },
          { windowBytes: pages * 4 * KiB, outstanding: 1, requests: 6000 },
        );

        expect(Math.abs(hitRatio - Math.min(1, entries / pages))).toBeLessThan(0.04);
      },
    ),
    runs,
  );
});

test('more walkers, shorter walks and more entries never cost throughput', () => {
  const base = { 'iotlb.ways': 'full', 'iotlb.entries': 64, walkers: 3, 'walk.ns': 300 } as const;
  const options = { windowBytes: 1024 * KiB };
  const { gbps } = measure(base, options);

  expect(measure({ ...base, walkers: 6 }, options).gbps).toBeGreaterThan(gbps);
  expect(measure({ ...base, 'walk.ns': 150 }, options).gbps).toBeGreaterThan(gbps);
  expect(measure({ ...base, 'iotlb.entries': 128 }, options).gbps).toBeGreaterThan(gbps);
});

test('with the IOMMU off nothing is looked up and nothing walks', () => {
  const { walksM, hitRatio } = measure({}, { pages: 'none', windowBytes: 4096 * KiB });

  expect(walksM).toBe(0);
  expect(hitRatio).toBe(0);
});
