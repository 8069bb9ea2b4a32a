/**
 * Physical memory. All tables the unit walks are read from here and from nowhere else.
 *
 * Sparse in chunks of 64 KiB that come into being when first written; an untouched chunk reads as zeros
 * from one shared chunk, so that a read needs no test beyond the one for the end of memory.
 */
import { highHalf, lowHalf } from './bits.ts';

const CHUNK_BYTES = 0x10000;
const CHUNK_WORDS = CHUNK_BYTES >>> 2;
const UNTOUCHED = new Int32Array(CHUNK_WORDS);

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
  private readonly chunks: Int32Array[];

  /** @param size bytes, a multiple of 64 KiB and at most 2^47 */
  constructor(size: number) {
    this.size = size;
    this.chunks = new Array<Int32Array>(Math.ceil(size / CHUNK_BYTES)).fill(UNTOUCHED);
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
    if ((addressHi & 0xffff_8000) !== 0) return false;
    const index = (addressHi << 16) | (addressLo >>> 16);
    if (index < 0 || index >= this.chunks.length) return false;
    const chunk = this.chunks[index];
    const word = (addressLo & 0xfff8) >>> 2;
    this.lo = chunk[word];
    this.hi = chunk[word + 1];
    return true;
  }

  /** Two words of an aligned 64-bit value: low, high. Throws NoMemory outside memory. */
  read64(address: number): [lo: number, hi: number] {
    if (!this.load(highHalf(address), lowHalf(address))) throw new NoMemory(address, this.size);
    return [this.lo, this.hi];
  }

  /** Write an aligned 64-bit value. */
  write64(address: number, hi: number, lo: number): void {
    const chunk = this.writable(address);
    const word = (lowHalf(address) & 0xfff8) >>> 2;
    chunk[word] = lo;
    chunk[word + 1] = hi;
  }

  /** Write an aligned 32-bit value. */
  write32(address: number, value: number): void {
    this.writable(address)[(lowHalf(address) & 0xfffc) >>> 2] = value;
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
      const inChunk = Math.min(end, (Math.floor(at / CHUNK_BYTES) + 1) * CHUNK_BYTES);
      const chunk = this.writable(at);
      const first = lowHalf(at) & 0xffff;
      const last = first + (inChunk - at);
      const wholeFrom = (first + 3) & ~3;
      const wholeTo = last & ~3;
      if (wholeFrom <= wholeTo) chunk.fill(pattern, wholeFrom >>> 2, wholeTo >>> 2);
      for (let b = first; b < Math.min(wholeFrom, last); b++) writeByte(chunk, b, pattern);
      for (let b = Math.max(wholeTo, first); b < last && wholeTo >= wholeFrom; b++)
        writeByte(chunk, b, pattern);
      at = inChunk;
    }
  }

  /** Zero one page of 4 KiB. */
  clearPage(address: number): void {
    const index = Math.floor(address / CHUNK_BYTES);
    if (this.chunks[index] === UNTOUCHED) return;
    const word = (lowHalf(address) & 0xf000) >>> 2;
    this.chunks[index].fill(0, word, word + 1024);
  }

  private writable(address: number): Int32Array {
    if (!this.has(address)) throw new NoMemory(address, this.size);
    const index = Math.floor(address / CHUNK_BYTES);
    let chunk = this.chunks[index];
    if (chunk === UNTOUCHED) {
      chunk = new Int32Array(CHUNK_WORDS);
      this.chunks[index] = chunk;
    }
    return chunk;
  }
}

function writeByte(chunk: Int32Array, at: number, pattern: number): void {
  const shift = (at & 3) * 8;
  const word = at >>> 2;
  chunk[word] = (chunk[word] & ~(0xff << shift)) | (((pattern >>> shift) & 0xff) << shift);
}
