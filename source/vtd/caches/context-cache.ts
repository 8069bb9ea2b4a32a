/**
 * The context cache: context entries by source id, with their domain id for domain-selective flushes. A unit in caching
 * mode keeps entries that are not present or malformed as well, with the fault they raise; those belong to domain 0,
 * which that mode reserves (VT-d chapter 6.1).
 */
export const ABSENT_DOMAIN = 0;

export class ContextCache {
  readonly capacity: number;
  /** The cached context entry of a place, as four 32-bit words. */
  readonly words: Int32Array;
  /** The fault that a kept entry raises, or 0. */
  readonly faults: Int32Array;
  private readonly sourceIds: Int32Array;
  private readonly used: Float64Array;
  private readonly placeOf = new Int16Array(0x10000).fill(-1);
  private clock = 0;

  /** @param capacity entries, fully associative */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.words = new Int32Array(4 * capacity);
    this.faults = new Int32Array(capacity);
    this.sourceIds = new Int32Array(capacity).fill(-1);
    this.used = new Float64Array(capacity);
  }

  /** The place of a source id, or -1. */
  find(sourceId: number): number {
    return this.placeOf[sourceId];
  }

  touch(place: number): void {
    this.used[place] = ++this.clock;
  }

  /** Keep a context entry, in place of the least recently used one if full. Returns its place. */
  fill(sourceId: number, w0: number, w1: number, w2: number, w3: number, fault = 0): number {
    let place = this.placeOf[sourceId];
    if (place < 0) {
      place = 0;
      for (let at = 1; at < this.capacity; at++) if (this.age(at) < this.age(place)) place = at;
      this.drop(place);
    }
    this.sourceIds[place] = sourceId;
    this.placeOf[sourceId] = place;
    this.faults[place] = fault;
    this.words[4 * place] = w0;
    this.words[4 * place + 1] = w1;
    this.words[4 * place + 2] = w2;
    this.words[4 * place + 3] = w3;
    this.touch(place);
    return place;
  }

  clear(): void {
    for (let place = 0; place < this.capacity; place++) this.drop(place);
  }

  dropDomain(did: number): void {
    for (let place = 0; place < this.capacity; place++) {
      const own = this.faults[place] === 0 ? (this.words[4 * place + 2] >>> 8) & 0xffff : ABSENT_DOMAIN;
      if (own === did) this.drop(place);
    }
  }

  /** Drop the entries of a source id; a bit set in `ignore` does not count in the comparison. */
  dropDevice(sourceId: number, ignore: number): void {
    for (let place = 0; place < this.capacity; place++) {
      const cached = this.sourceIds[place];
      if (cached >= 0 && ((cached ^ sourceId) & ~ignore) === 0) this.drop(place);
    }
  }

  private age(place: number): number {
    return this.sourceIds[place] < 0 ? -1 : this.used[place];
  }

  private drop(place: number): void {
    if (this.sourceIds[place] >= 0) this.placeOf[this.sourceIds[place]] = -1;
    this.sourceIds[place] = -1;
  }
}
