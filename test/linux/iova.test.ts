import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IovaAllocator, type IovaTuning } from '../../source/linux/dma-api/iova.ts';
import { HandClock } from '../support/host.ts';

const PAGE = 4096;
const MSI = { start: 0xfee0_0000, end: 0xfef0_0000 };
const MASK_48 = 2 ** 48 - 1;
const BELOW_4_GIB = 0xffff_ffff;

type Setting = {
  reserved?: readonly { start: number; end: number }[];
  limit?: number;
  forceDac?: boolean;
  tuning?: Partial<IovaTuning>;
};

/** An address space as the DMA API asks for it: below 4 GiB first, then anywhere. */
class AddressSpace {
  readonly clock = new HandClock();
  readonly iova: IovaAllocator;
  private readonly limit: number;
  private readonly forceDac: boolean;

  constructor({ reserved = [MSI], limit = MASK_48, forceDac = false, tuning = {} }: Setting = {}) {
    const { clock } = this;
    this.iova = new IovaAllocator(reserved, limit, {
      magazine: 127,
      depot: Infinity,
      rounds: false,
      searchesTwice: true,
      cpus: 1,
      clock,
      ...tuning,
    });
    this.limit = limit;
    this.forceDac = forceDac;
  }

  allocate(pages: number, cpu = 0): number | null {
    const { iova, limit } = this;
    const low = this.forceDac || limit <= BELOW_4_GIB ? null : iova.allocate(pages, BELOW_4_GIB, false, cpu);
    return low ?? iova.allocate(pages, limit, true, cpu);
  }

  free(address: number, pages: number, cpu = 0): void {
    this.iova.free(address, pages, cpu);
  }
}

const allocator = (setting?: Setting) => new AddressSpace(setting);

const take = (iova: AddressSpace, ...pages: number[]) => pages.map((count) => iova.allocate(count));

/** So many single pages, in the order in which they were handed out. */
const takeMany = (iova: AddressSpace, count: number): number[] =>
  Array.from({ length: count }, () => iova.allocate(1) as number);

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
  expect(take(allocator(), 33, 33)).toEqual([0xfffc_0000, 0xfff8_0000]);
});

test('the search goes on below the range handed out last: the gap above an aligned range stays', () => {
  expect(take(allocator(), 33, 1, 1)).toEqual([0xfffc_0000, 0xfffb_f000, 0xfffb_e000]);
});

test('a large range that is freed lets the search begin above it again', () => {
  const iova = allocator();
  const [upper] = take(iova, 64, 1) as number[];
  iova.free(upper, 64);
  expect(iova.allocate(1)).toBe(0xffff_f000);
});

test('where nothing is left below the last range, the search goes once more from the top', () => {
  const iova = allocator({ reserved: [], limit: 0x3_ffff });
  expect(take(iova, 33, 1)).toEqual([null, 0x3_f000]);
  // Page 0 is never handed out, so that these 32 take the upper half, in spite of the page at its end.
  expect(take(iova, 32)).toEqual([null]);
  expect(take(iova, 16, 16, 8, 1)).toEqual([0x2_0000, 0x1_0000, 0x0_8000, 0x0_7000]);
  expect(take(iova, 8)).toEqual([0x3_0000]);
});

test('the interrupt window is never handed out', () => {
  const iova = allocator();
  const addresses = takeMany(iova, 0x1300);
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

describe('magazines', () => {
  test('a range freed on one CPU is not handed out on another', () => {
    const iova = allocator({ tuning: { cpus: 2 } });
    const [first] = take(iova, 1) as number[];
    iova.free(first, 1, 1);
    expect(iova.allocate(1, 0)).toBe(first - PAGE);
    expect(iova.allocate(1, 1)).toBe(first);
  });

  test('two magazines take 254 ranges, and the one filled last is emptied first', () => {
    const iova = allocator();
    const freed = takeMany(iova, 254);
    for (const address of freed) iova.free(address, 1);
    expect(takeMany(iova, 254)).toEqual([...freed].reverse());
    expect(iova.allocate(1)).toBe(freed[253] - PAGE);
  });

  test('a third goes to the depot, from which any CPU takes it', () => {
    const iova = allocator({ tuning: { cpus: 2 } });
    const freed = takeMany(iova, 255);
    for (const address of freed) iova.free(address, 1);
    // The loaded magazine went to the depot, the second half of the ranges in it.
    expect(Array.from({ length: 127 }, () => iova.allocate(1, 1))).toEqual(freed.slice(127, 254).reverse());
    expect(iova.allocate(1, 1)).toBe(freed[254] - PAGE);
  });

  test('since Linux 6.7 the depot gives magazines back until it holds one for each CPU', () => {
    const iova = allocator();
    // Magazines of the CPU hold 254, the depot three more; the last one freed starts a new one.
    const freed = takeMany(iova, 5 * 127 + 1);
    for (const address of freed) iova.free(address, 1);
    const low = freed[freed.length - 1];
    iova.clock.advance(1e9);
    // Five magazines without the two that were given back, and the one range that was freed last.
    const again = takeMany(iova, 3 * 127 + 1);
    expect(again.every((address) => address >= low)).toBe(true);
    expect(new Set(again).size).toBe(again.length);
    // What was given back is free address space, and a range of another size finds room there.
    expect(iova.allocate(32)).toBeGreaterThan(low);
  });

  test('before, the depot holds 32, and a magazine that does not fit goes back into the address space', () => {
    const iova = allocator({ tuning: { magazine: 128, depot: 32 } });
    const freed = takeMany(iova, 35 * 128 + 1);
    for (const address of freed) iova.free(address, 1);
    iova.clock.advance(1e9);
    const again = takeMany(iova, 34 * 128 + 1);
    expect(again.every((address) => address >= freed[freed.length - 1])).toBe(true);
    expect(iova.allocate(32)).toBeGreaterThan(freed[freed.length - 1]);
  });

  test('when no address is left, what the magazines hold is taken back', () => {
    const iova = allocator({ reserved: [], limit: 0xf_ffff });
    const singles = takeMany(iova, 255);
    expect(iova.allocate(1)).toBeNull();
    for (const address of singles) iova.free(address, 1);
    expect(take(iova, 128, 64, 32, 16, 8, 4, 2, 1, 1)).toEqual([
      0x8_0000,
      0x4_0000,
      0x2_0000,
      0x1_0000,
      0x8000,
      0x4000,
      0x2000,
      0x1000,
      null,
    ]);
  });

  test('a range above the limit stays in its magazine', () => {
    const iova = allocator({ reserved: [] });
    const address = iova.iova.allocate(1, MASK_48, false, 0) as number;
    expect(address).toBe(MASK_48 + 1 - PAGE);
    iova.free(address, 1);
    expect(iova.iova.allocate(1, BELOW_4_GIB, false, 0)).toBe(0xffff_f000);
    expect(iova.iova.allocate(1, MASK_48, false, 0)).toBe(address);
  });
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
      const iova = allocator({ reserved: kept, limit, forceDac });
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
