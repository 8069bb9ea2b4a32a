import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PageFrames } from '../../source/linux/page-frames.ts';
import { SecondStageTable } from '../../source/linux/page-tables/second-stage-table.ts';
import type { KernelVersion } from '../../source/linux/version.ts';
import { READ, WRITE } from '../../source/vtd/formats/paging-entry.ts';
import { PhysicalMemory } from '../../source/vtd/memory.ts';

const PAGE = 4096;
const MiB2 = 2 ** 21;
const GiB = 2 ** 30;

/** Frames that know how many of them are out. */
class CountedFrames extends PageFrames {
  readonly out = new Set<number>();

  override allocate(): number {
    const frame = super.allocate();
    if (this.out.has(frame)) throw new Error(`frame 0x${frame.toString(16)} was given out twice`);
    this.out.add(frame);
    return frame;
  }

  override release(frame: number): void {
    if (!this.out.delete(frame)) throw new Error(`frame 0x${frame.toString(16)} was not out`);
    super.release(frame);
  }
}

function build({ levels = 3, largestLeaf = 3, version = '6.16' as KernelVersion } = {}) {
  const memory = new PhysicalMemory(64 * 2 ** 20);
  const frames = new CountedFrames(2 ** 20, 64 * 2 ** 20);
  return { memory, frames, table: new SecondStageTable(memory, frames, levels, largestLeaf, version) };
}

test('a page is mapped with its permissions, and nothing around it', () => {
  const { table } = build();
  table.map(0xffff_f000, 0x1234_5000, PAGE, WRITE);
  expect(table.lookUp(0xffff_f123)).toEqual({ physical: 0x1234_5123, level: 1, permissions: WRITE });
  expect(table.lookUp(0xffff_e000)).toBeNull();
  expect(table.lookUp(0x1_0000_0000)).toBeNull();
});

test.each([
  ['5.12', WRITE],
  ['5.13', READ | WRITE],
  ['6.15', READ | WRITE],
  ['6.16', WRITE],
] as const)('a page for writing alone in Linux %s', (version, permissions) => {
  const { table } = build({ version });
  table.map(0xffff_f000, 0x1234_5000, PAGE, WRITE);
  expect(table.lookUp(0xffff_f000)?.permissions).toBe(permissions);
});

test('the largest page is used that both addresses, the length and the unit allow', () => {
  const levelOf = (iova: number, physical: number, bytes: number, largestLeaf: number) => {
    const { table } = build({ largestLeaf });
    table.map(iova, physical, bytes, READ);
    return table.lookUp(iova)?.level;
  };
  expect(levelOf(GiB, 2 * GiB, GiB, 3)).toBe(3);
  expect(levelOf(GiB, 2 * GiB, GiB, 2)).toBe(2);
  expect(levelOf(GiB, 2 * GiB, GiB, 1)).toBe(1);
  expect(levelOf(GiB, 2 * GiB + MiB2, GiB, 3)).toBe(2);
  expect(levelOf(GiB + MiB2, 2 * GiB, MiB2, 3)).toBe(2);
  expect(levelOf(GiB, 2 * GiB, MiB2, 3)).toBe(2);
  expect(levelOf(GiB, 2 * GiB, MiB2 - PAGE, 3)).toBe(1);
  expect(levelOf(GiB, 2 * GiB + PAGE, MiB2, 3)).toBe(1);
  expect(levelOf(GiB + PAGE, 2 * GiB, MiB2, 3)).toBe(1);
});

test('a range that begins and ends inside large pages gets small ones at both ends', () => {
  const { table } = build();
  table.map(MiB2 - PAGE, 8 * MiB2 - PAGE, PAGE + 2 * MiB2 + PAGE, READ | WRITE);
  expect(table.leaves).toEqual([0, 2, 2, 0]);
  expect([MiB2 - PAGE, MiB2, 2 * MiB2, 3 * MiB2].map((iova) => table.lookUp(iova)?.level)).toEqual([
    1, 2, 2, 1,
  ]);
});

test('a table goes back when an unmap covers all of it, and only then', () => {
  const { table, frames } = build({ largestLeaf: 1 });
  table.map(0, 16 * MiB2, MiB2, READ);
  expect(frames.out.size).toBe(3);
  expect(table.unmap(0, MiB2 - PAGE)).toEqual([]);
  expect(table.unmap(MiB2 - PAGE, PAGE)).toEqual([]);
  expect(frames.out.size).toBe(3);
  table.map(0, 16 * MiB2, MiB2, READ);
  const freed = table.unmap(0, MiB2);
  expect(freed).toHaveLength(1);
  // Not before the unit has forgotten it.
  expect(frames.out.size).toBe(3);
  table.release(freed);
  expect(frames.out.size).toBe(2);
  expect(table.lookUp(0)).toBeNull();
});

test('a large page in the place of an empty table gives that table back', () => {
  const { table, frames } = build();
  table.map(0, 8 * MiB2, PAGE, READ);
  table.unmap(0, PAGE);
  expect(table.map(0, 8 * MiB2, MiB2, READ)).toBe(true);
  expect(table.lookUp(PAGE)).toEqual({ physical: 8 * MiB2 + PAGE, level: 2, permissions: READ });
  expect(frames.out.size).toBe(table.tables);
  table.free();
  expect(frames.out.size).toBe(0);
});

test('a domain that is freed gives back every frame, cleared', () => {
  const { table, frames, memory } = build({ levels: 4 });
  table.map(MiB2 - PAGE, 0, 3 * MiB2, READ);
  table.map(2 ** 38, 0, PAGE, WRITE);
  const used = [...frames.out];
  table.free();
  expect(frames.out.size).toBe(0);
  for (const frame of used) expect([...memory.readWords(frame, 1024)].every((word) => word === 0)).toBe(true);
});

test('a domain that maps and unmaps for long does not use more and more memory', () => {
  const { table, frames } = build({ largestLeaf: 1 });
  let most = 0;
  for (let round = 0; round < 200; round++) {
    const iova = (round % 50) * MiB2;
    table.map(iova, 0, MiB2, READ);
    most = Math.max(most, frames.out.size);
    table.release(table.unmap(iova, MiB2));
  }
  expect(most).toBeLessThan(5);
});

test('the tables in memory say what was mapped and not unmapped, page by page', () => {
  // A small window of 4 MiB chunks across table borders, where all interesting neighbours are.
  const windowPages = 3 * 512;
  const start = GiB - MiB2;
  const request = fc.record({
    unmap: fc.boolean(),
    page: fc.integer({ min: 0, max: windowPages - 1 }),
    pages: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(512, 1024, 1536)),
    aligned: fc.boolean(),
    physical: fc.integer({ min: 0, max: 2 ** 20 }),
    permissions: fc.constantFrom(READ, WRITE, READ | WRITE),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(1, 2, 3),
      fc.constantFrom(3, 4),
      fc.array(request, { maxLength: 25 }),
      (largestLeaf, levels, requests) => {
        const { table, frames } = build({ largestLeaf, levels });
        const model = new Map<number, { physical: number; permissions: number }>();
        for (const { unmap, page, pages, aligned, physical, permissions } of requests) {
          const first = aligned ? page - (page % 512) : page;
          const count = Math.min(pages, windowPages - first);
          const range = Array.from({ length: count }, (_, i) => first + i);
          const iova = start + first * PAGE;
          if (unmap) {
            // Nobody unmaps a part of a large page: the DMA API unmaps what it mapped.
            const cutsLarge = [first - 1, first + count].some((outside) => {
              const edge = Math.max(0, Math.min(outside, windowPages - 1));
              const leaf = table.lookUp(start + edge * PAGE);
              return leaf !== null && leaf.level > 1 && model.has(edge);
            });
            if (cutsLarge) continue;
            table.release(table.unmap(iova, count * PAGE));
            for (const at of range) model.delete(at);
          } else {
            if (range.some((at) => model.has(at))) continue;
            const target = (aligned ? physical - (physical % 512) : physical) * PAGE;
            table.map(iova, target, count * PAGE, permissions);
            for (const [i, at] of range.entries())
              model.set(at, { physical: target + i * PAGE, permissions });
          }
        }
        for (let at = 0; at < windowPages; at++) {
          const found = table.lookUp(start + at * PAGE);
          const wanted = model.get(at) ?? null;
          if (
            wanted === null
              ? found !== null
              : found === null ||
                found.physical !== wanted.physical ||
                found.permissions !== wanted.permissions
          )
            expect({ at, found }).toEqual({ at, found: wanted });
          if (found !== null) expect(found.level).toBeLessThanOrEqual(largestLeaf);
        }
        const [, small, large, huge] = table.leaves;
        expect(small + 512 * large + 512 * 512 * huge).toBe(model.size);
        expect(table.tables).toBe(frames.out.size);
        table.free();
        expect(frames.out.size).toBe(0);
      },
    ),
    { numRuns: 60 },
  );
});
