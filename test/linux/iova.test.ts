import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IovaAllocator } from '../../source/linux/iova.ts';

const PAGE = 4096;
const MSI = { start: 0xfee0_0000, end: 0xfef0_0000 };
const MASK_48 = 2 ** 48 - 1;

const allocator = ({ reserved = [MSI], limit = MASK_48, forceDac = false } = {}) =>
  new IovaAllocator(reserved, limit, forceDac);

const take = (iova: IovaAllocator, ...pages: number[]) => pages.map((count) => iova.allocate(count));

test('addresses are handed out from the top of the first 4 GiB down', () => {
  expect(take(allocator(), 1, 1, 1)).toEqual([0xffff_f000, 0xffff_e000, 0xffff_d000]);
});

test('two pages take the next naturally aligned pair', () => {
  expect(take(allocator(), 1, 1, 1, 1, 2)).toEqual([
    0xffff_f000, 0xffff_e000, 0xffff_d000, 0xffff_c000, 0xffff_a000,
  ]);
});

test('sizes up to 32 pages are rounded up to a power of two, larger ones only aligned', () => {
  expect(take(allocator(), 3, 1)).toEqual([0xffff_c000, 0xffff_b000]);
  // 33 pages from 0xfffc0000 on reach to 0xfffe0fff; the next 64-page boundary below is 0xfff80000.
  expect(take(allocator(), 33, 33, 1)).toEqual([0xfffc_0000, 0xfff8_0000, 0xffff_f000]);
});

test('the interrupt window is never handed out', () => {
  const iova = allocator();
  const addresses = Array.from({ length: 0x1300 }, () => iova.allocate(1) as number);
  expect(addresses.at(-1)).toBeLessThan(MSI.start);
  expect(addresses.filter((address) => address >= MSI.start && address < MSI.end)).toEqual([]);
  expect(addresses).toContain(MSI.end);
  expect(addresses).toContain(MSI.start - PAGE);
});

test('a reserved region is never handed out, not even in part', () => {
  const region = { start: 0xffff_c800, end: 0xffff_d800 };
  expect(take(allocator({ reserved: [MSI, region] }), 1, 1, 1)).toEqual([
    0xffff_f000, 0xffff_e000, 0xffff_b000,
  ]);
});

test('ranges freed last are handed out first, each size from its own list', () => {
  const iova = allocator();
  const [a, b, pair] = take(iova, 1, 1, 2) as number[];
  iova.free(a, 1);
  iova.free(b, 1);
  iova.free(pair, 2);
  expect(take(iova, 1, 2, 1)).toEqual([b, pair, a]);
});

test('a large range goes back into the address space and can be cut up again', () => {
  const iova = allocator();
  const large = iova.allocate(512) as number;
  expect(large).toBe(0xffe0_0000);
  iova.free(large, 512);
  expect(iova.allocate(1)).toBe(0xffff_f000);
});

test('above 4 GiB come the addresses when those below are used up, or at once with forcedac', () => {
  const quarter = 2 ** 30 / PAGE;
  const iova = allocator({ reserved: [], limit: 2 ** 39 - 1 });
  // The lowest quarter holds page 0, which is never handed out.
  expect(take(iova, quarter, quarter, quarter)).toEqual([0xc000_0000, 0x8000_0000, 0x4000_0000]);
  expect(iova.allocate(quarter)).toBe(2 ** 39 - 2 ** 30);
  expect(allocator({ limit: 2 ** 39 - 1, forceDac: true }).allocate(1)).toBe(2 ** 39 - PAGE);
});

test('a device with a narrow mask gets only addresses it can send, and null when they are gone', () => {
  const iova = allocator({ limit: 0xffff });
  expect(Array.from({ length: 16 }, () => iova.allocate(1))).toEqual([
    ...Array.from({ length: 15 }, (_, i) => 0xf000 - i * PAGE),
    null,
  ]);
});

test('live ranges never overlap, and are aligned and within limits, whatever is taken and freed', () => {
  const request = fc.record({
    free: fc.boolean(),
    pick: fc.nat(),
    pages: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(512, 600, 1024)),
  });
  const setting = fc.record({
    limit: fc.constantFrom(0x00ff_ffff, 0xfeff_ffff, 0xffff_ffff, 2 ** 39 - 1),
    forceDac: fc.boolean(),
    reserved: fc.array(
      fc.tuple(fc.integer({ min: 0, max: 0x1_0000_0000 }), fc.integer({ min: 1, max: 0x200_0000 })),
      { maxLength: 4 },
    ),
  });
  fc.assert(
    fc.property(setting, fc.array(request, { maxLength: 120 }), ({ limit, forceDac, reserved }, requests) => {
      const kept = [MSI, ...reserved.map(([start, bytes]) => ({ start, end: start + bytes }))];
      const iova = new IovaAllocator(kept, limit, forceDac);
      const live: { start: number; end: number; pages: number }[] = [];
      for (const { free, pick, pages } of requests) {
        if (free && live.length > 0) {
          const [gone] = live.splice(pick % live.length, 1);
          iova.free(gone.start, gone.pages);
          continue;
        }
        const start = iova.allocate(pages);
        if (start === null) continue;
        const end = start + pages * PAGE;
        expect(start % (2 ** Math.ceil(Math.log2(pages)) * PAGE)).toBe(0);
        expect(start).toBeGreaterThan(0);
        expect(end - 1).toBeLessThanOrEqual(limit);
        for (const other of [...live, ...kept]) expect(start < other.end && other.start < end).toBe(false);
        live.push({ start, end, pages });
      }
    }),
  );
});
