import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TagStore } from '../../source/vtd/caches/tag-store.ts';
import { NoMemory, PhysicalMemory } from '../../source/vtd/memory.ts';

const KIB_64 = 0x1_0000;
const SIZE = 3 * KIB_64;

describe('physical memory', () => {
  test('a fill writes exactly its bytes, whatever its alignment', () => {
    const fills = fc.array(
      fc.record({
        // Around the borders of the chunks and the end of memory, where it can go wrong.
        address: fc.oneof(
          fc.integer({ min: 0, max: 40 }),
          fc.integer({ min: KIB_64 - 20, max: KIB_64 + 20 }),
          fc.integer({ min: SIZE - 40, max: SIZE + 10 }),
        ),
        length: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: KIB_64 - 8, max: KIB_64 + 40 })),
        pattern: fc.integer(),
      }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(fills, (list) => {
        const memory = new PhysicalMemory(SIZE);
        const model = new Uint8Array(SIZE);
        for (const { address, length, pattern } of list) {
          memory.fill(address, length, pattern);
          for (let at = address; at < Math.min(address + length, SIZE); at++) {
            model[at] = pattern >>> (8 * (at % 4));
          }
        }
        expect(Buffer.compare(bytesOf(memory), model)).toBe(0);
      }),
    );
  });

  test('what is written is read back, and everything else is zero', () => {
    const memory = new PhysicalMemory(SIZE);
    memory.write64(KIB_64 - 8, 0x1234_5678, -2);
    memory.write32(KIB_64 + 4, 7);
    expect(memory.read64(KIB_64 - 8)).toEqual([-2, 0x1234_5678]);
    expect(memory.read32(KIB_64 - 4)).toBe(0x1234_5678);
    expect([...memory.readWords(KIB_64 - 8, 5)]).toEqual([-2, 0x1234_5678, 0, 7, 0]);
  });

  test('a page is cleared alone, and clearing one never written changes nothing', () => {
    const memory = new PhysicalMemory(SIZE);
    memory.fill(0, 0x3000, -1);
    memory.clearPage(0x1000);
    memory.clearPage(KIB_64);
    expect([0xff8, 0x1000, 0x1ff8, 0x2000, KIB_64].map((at) => memory.read32(at))).toEqual([-1, 0, 0, -1, 0]);
  });

  test('cleared as a whole it is zero everywhere, and keeps what is written from then on', () => {
    const memory = new PhysicalMemory(0x4000);
    memory.write32(0x1000, 1);
    memory.write32(0x2000, 2);
    memory.clearPage(0x2000);
    memory.write32(0x2004, 3);
    memory.clear();
    memory.write32(0x3000, 4);

    const words = [0x1000, 0x2000, 0x2004, 0x3000].map((address) => memory.read32(address));
    expect(words).toEqual([0, 0, 0, 4]);
  });

  test('memory above 4 GiB is memory', () => {
    const memory = new PhysicalMemory(0x2_0000_0000);
    memory.write64(0x1_8000_0010, 1, 2);
    expect(memory.load(1, 0x8000_0010 | 0)).toBe(true);
    expect([memory.hi, memory.lo]).toEqual([1, 2]);
    expect(memory.read32(0x8000_0010)).toBe(0);
  });

  test('beyond its end software gets an error, the unit a failed read, a device nothing', () => {
    const memory = new PhysicalMemory(SIZE);
    expect(() => memory.write64(SIZE, 0, 1)).toThrow(new NoMemory(SIZE, SIZE));
    expect(() => memory.write32(-4, 1)).toThrow(NoMemory);
    expect(() => memory.read64(SIZE)).toThrow(/no memory at 0x30000: it ends at 0x30000/);
    expect(() => memory.clearPage(SIZE)).toThrow(NoMemory);
    memory.lo = 5;
    for (const [hi, lo] of [
      [0, SIZE],
      [1, 0],
      [0x7fff, -8],
      [0x8000, 0],
      [-1, -8],
    ]) {
      expect(memory.load(hi, lo)).toBe(false);
    }
    expect(memory.lo).toBe(5);
    memory.fill(SIZE, 8, -1);
    expect([memory.has(-1), memory.has(0), memory.has(SIZE - 1), memory.has(SIZE)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

function bytesOf(memory: PhysicalMemory): Uint8Array {
  const words = memory.readWords(0, memory.size / 4);
  return new Uint8Array(words.buffer);
}

describe('a cache', () => {
  type Operation = {
    readonly kind: 'place' | 'find' | 'drop' | 'clear';
    readonly set: number;
    readonly tag: number;
  };

  /** A tag belongs to one set. */
  const tagOf = (set: number, tag: number): [number, number, number] => [tag >> 2, 1 + set, tag & 3];

  test('throws out the least recently used entry of a full set, exactly', () => {
    const operations = fc.array(
      fc.record<Operation>({
        kind: fc.constantFrom('place', 'place', 'place', 'find', 'find', 'find', 'drop', 'clear'),
        set: fc.integer({ min: 0, max: 7 }),
        tag: fc.integer({ min: 0, max: 6 }),
      }),
      { maxLength: 120 },
    );
    const shape = fc.record({ sets: fc.constantFrom(1, 2, 4), ways: fc.integer({ min: 1, max: 4 }) });

    fc.assert(
      fc.property(shape, operations, ({ sets, ways }, list) => {
        const store = new TagStore(sets, ways);
        // Each set as a list of tags, the most recently used last.
        let model = Array.from({ length: sets }, (): number[] => []);
        let evicted = 0;
        for (const { kind, set, tag } of list) {
          const entries = model[set % sets];
          const known = entries.includes(tag);
          const at = store.find(...tagOf(set % sets, tag));
          expect(at >= 0).toBe(known);
          if (kind === 'place' || (kind === 'find' && known)) {
            if (kind === 'place') expect(store.find(...tagOf(set % sets, tag))).toBe(at);
            if (kind === 'place') store.place(set, ...tagOf(set % sets, tag));
            else store.touch(at);
            if (known) entries.splice(entries.indexOf(tag), 1);
            else if (entries.length === ways) {
              entries.shift();
              evicted++;
            }
            entries.push(tag);
          } else if (kind === 'drop' && known) {
            store.drop(at);
            entries.splice(entries.indexOf(tag), 1);
          } else if (kind === 'clear' && tag === 0) {
            store.clear();
            model = model.map(() => []);
          }
          expect(store.count()).toBe(model.flat().length);
          expect(store.evicted).toBe(evicted);
        }
        for (let set = 0; set < sets; set++) {
          for (let tag = 0; tag <= 6; tag++) {
            expect(store.find(...tagOf(set % sets, tag)) >= 0).toBe(model[set].includes(tag));
          }
        }
      }),
    );
  });

  test('finds an entry by the tag that it was given last', () => {
    const store = new TagStore(1, 2);
    const at = store.place(0, 7, 8, 9);
    store.retag(at, 10);

    expect(store.find(7, 8, 9)).toBe(-1);
    expect(store.find(7, 8, 10)).toBe(at);
  });

  test.each([0, 3, 6, -1])('of %i sets cannot be built', (sets) => {
    expect(() => new TagStore(sets, 4)).toThrow(/a power of two of sets, got/);
  });
});
