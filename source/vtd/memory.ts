/**
 * Physical memory. All tables the unit walks are read from here and from nowhere else.
 *
 * Sparse in pages of 4 KiB that come into being when first written; an untouched page reads as zeros from one
 * shared page, so that a read needs no test beyond the one for the end of memory.
 */
import { highHalf, lowHalf } from './bits.ts';

const PAGE_BYTES = 0x1000;
const PAGE_WORDS = PAGE_BYTES >>> 2;
const UNTOUCHED = new Int32Array(PAGE_WORDS);

/** Software touched an address where there is no memory. */
export class NoMemory extends Error {
  constructor(address: number, size: number) {
    super(`no memory at 0x${address.toString(16)}: it ends at 0x${size.toString(16)}`);
  }
}

export class PhysicalMemory {
  /** Bytes; addresses at or above are not memory, and the unit's reads there fail. */
  readonly size: number;
  /** The result of the last successful `load`, as 32-bit halves. */
  lo = 0;
  hi = 0;
  private readonly pages: Int32Array[];
  /** Indices of the pages that are not UNTOUCHED. */
  private readonly touched = new Set<number>();

  /** @param size bytes, a multiple of 4 KiB */
  constructor(size: number) {
    this.size = size;
    this.pages = new Array<Int32Array>(Math.ceil(size / PAGE_BYTES)).fill(UNTOUCHED);
  }

  /** Whether an address lies in memory. */
  has(address: number): boolean {
    return address >= 0 && address < this.size;
  }

  /**
   * Read the aligned 64-bit word at an address into `hi` and `lo`.
   *
   * @returns false, and leaves `hi` and `lo` alone, if the address is not memory
   */
  load(addressHi: number, addressLo: number): boolean {
    if ((addressHi & 0xffff_f800) !== 0) return false;
    const index = (addressHi << 20) | (addressLo >>> 12);
    if (index < 0 || index >= this.pages.length) return false;
    const page = this.pages[index];
    const word = (addressLo & 0xff8) >>> 2;
    this.lo = page[word];
    this.hi = page[word + 1];
    return true;
  }

  /** Set bits in the lower half of an aligned 64-bit word that was read before, as an atomic update does. */
  setLowBits(addressHi: number, addressLo: number, bits: number): void {
    this.pages[(addressHi << 20) | (addressLo >>> 12)][(addressLo & 0xff8) >>> 2] |= bits;
  }

  /** Two words of an aligned 64-bit value: low, high. Throws NoMemory outside memory. */
  read64(address: number): [lo: number, hi: number] {
    if (!this.load(highHalf(address), lowHalf(address))) throw new NoMemory(address, this.size);
    return [this.lo, this.hi];
  }

  /** Write an aligned 64-bit value. */
  write64(address: number, hi: number, lo: number): void {
    const page = this.writable(address);
    const word = (lowHalf(address) & 0xff8) >>> 2;
    page[word] = lo;
    page[word + 1] = hi;
  }

  /** Write an aligned 32-bit value. */
  write32(address: number, value: number): void {
    this.writable(address)[(lowHalf(address) & 0xffc) >>> 2] = value;
  }

  /** An aligned 32-bit value. */
  read32(address: number): number {
    const [lo, hi] = this.read64(address - (address % 8));
    return address % 8 === 0 ? lo : hi;
  }

  /** Write 32-bit words from an address on, as a table format encodes them. */
  writeWords(address: number, words: ArrayLike<number>): void {
    for (let i = 0; i < words.length; i++) this.write32(address + 4 * i, words[i]);
  }

  /** 32-bit words from an address on. */
  readWords(address: number, count: number): Int32Array {
    const words = new Int32Array(count);
    for (let i = 0; i < count; i++) words[i] = this.read32(address + 4 * i);
    return words;
  }

  /**
   * Fill `length` bytes with a repeated 32-bit pattern, as a device does that writes data.
   * Bytes outside memory are dropped, as a bus drops a posted write to nowhere.
   */
  fill(address: number, length: number, pattern: number): void {
    let at = address;
    const end = Math.min(address + length, this.size);
    while (at < end) {
      const pageEnd = Math.min(end, (Math.floor(at / PAGE_BYTES) + 1) * PAGE_BYTES);
      const page = this.writable(at);
      const first = lowHalf(at) & 0xfff;
      const last = first + (pageEnd - at);
      const wholeFrom = (first + 3) & ~3;
      const wholeTo = last & ~3;
      if (wholeFrom <= wholeTo) page.fill(pattern, wholeFrom >>> 2, wholeTo >>> 2);
      for (let b = first; b < Math.min(wholeFrom, last); b++) writeByte(page, b, pattern);
      if (wholeFrom <= wholeTo) for (let b = wholeTo; b < last; b++) writeByte(page, b, pattern);
      at = pageEnd;
    }
  }

  /** Copy bytes to a place with the same offset in its 32-bit word. Throws NoMemory outside memory. */
  copy(from: number, to: number, length: number): void {
    for (let i = 0; i < length; i++) {
      const word = this.read32(from + i - ((from + i) % 4));
      writeByte(this.writable(to + i), lowHalf(to + i) & 0xfff, word);
    }
  }

  /** Zero one page of 4 KiB. */
  clearPage(address: number): void {
    if (!this.has(address)) throw new NoMemory(address, this.size);
    const index = Math.floor(address / PAGE_BYTES);
    this.pages[index] = UNTOUCHED;
    this.touched.delete(index);
  }

  /** Zero all of it. */
  clear(): void {
    for (const index of this.touched) this.pages[index] = UNTOUCHED;
    this.touched.clear();
  }

  private writable(address: number): Int32Array {
    if (!this.has(address)) throw new NoMemory(address, this.size);
    const index = Math.floor(address / PAGE_BYTES);
    let page = this.pages[index];
    if (page === UNTOUCHED) {
      page = new Int32Array(PAGE_WORDS);
      this.pages[index] = page;
      this.touched.add(index);
    }
    return page;
  }
}

function writeByte(page: Int32Array, at: number, pattern: number): void {
  const shift = (at & 3) * 8;
  const word = at >>> 2;
  page[word] = (page[word] & ~(0xff << shift)) | (((pattern >>> shift) & 0xff) << shift);
}
