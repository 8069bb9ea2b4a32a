/** A set-associative array of three-word tags with a choice of replacement. */

/** The second tag word of an empty place; no valid tag sets bit 31. */
const EMPTY = -1;

/** Which entry of a full set goes: the least recently used, the one there longest, or any. */
export type Replacement = 'lru' | 'fifo' | 'random';

export class TagStore {
  readonly sets: number;
  readonly ways: number;
  readonly tagA: Int32Array;
  readonly tagB: Int32Array;
  readonly tagC: Int32Array;
  /** When each place was last used, by a clock that counts uses. */
  readonly used: Float64Array;
  /** Valid entries thrown out to make room. */
  evicted = 0;
  private clock = 0;
  /** Whether a use makes an entry stay longer. */
  private readonly usesCount: boolean;
  /** The state of the generator that picks at random, or 0. */
  private chance: number;

  /**
   * @param sets a power of two
   * @param ways places in each set; one set with many ways is a fully associative cache
   */
  constructor(sets: number, ways: number, replacement: Replacement = 'lru') {
    if (sets < 1 || (sets & (sets - 1)) !== 0) {
      throw new RangeError(`a cache has a power of two of sets, got ${sets}`);
    }
    this.sets = sets;
    this.ways = ways;
    this.tagA = new Int32Array(sets * ways);
    this.tagB = new Int32Array(sets * ways).fill(EMPTY);
    this.tagC = new Int32Array(sets * ways);
    this.used = new Float64Array(sets * ways);
    this.usesCount = replacement === 'lru';
    this.chance = replacement === 'random' ? 0x2545_f491 : 0;
  }

  get size(): number {
    return this.tagA.length;
  }

  /** The place of a tag in its set, or -1. Does not count as a use. */
  find(set: number, a: number, b: number, c: number): number {
    const first = (set & (this.sets - 1)) * this.ways;
    const end = first + this.ways;
    for (let at = first; at < end; at++) {
      if (this.tagA[at] === a && this.tagB[at] === b && this.tagC[at] === c) return at;
    }
    return -1;
  }

  /** Note a use of a place. */
  touch(at: number): void {
    if (this.usesCount) this.used[at] = ++this.clock;
  }

  /** Give a tag a place: its own if it has one, else a free one, else that of the entry to be replaced. */
  place(set: number, a: number, b: number, c: number): number {
    const first = (set & (this.sets - 1)) * this.ways;
    const end = first + this.ways;
    let victim = first;
    let oldest = Number.POSITIVE_INFINITY;
    for (let at = first; at < end; at++) {
      if (this.tagA[at] === a && this.tagB[at] === b && this.tagC[at] === c) {
        this.touch(at);
        return at;
      }
      const age = this.tagB[at] === EMPTY ? -1 : this.used[at];
      if (age < oldest) {
        oldest = age;
        victim = at;
      }
    }
    if (oldest >= 0) {
      this.evicted++;
      if (this.chance !== 0) victim = first + this.anyWay();
    }
    this.tagA[victim] = a;
    this.tagB[victim] = b;
    this.tagC[victim] = c;
    this.used[victim] = ++this.clock;
    return victim;
  }

  /** The next way of a xorshift generator (Marsaglia). */
  private anyWay(): number {
    this.chance ^= this.chance << 13;
    this.chance ^= this.chance >>> 17;
    this.chance ^= this.chance << 5;
    return (this.chance >>> 0) % this.ways;
  }

  occupied(at: number): boolean {
    return this.tagB[at] !== EMPTY;
  }

  drop(at: number): void {
    this.tagB[at] = EMPTY;
  }

  clear(): void {
    this.tagB.fill(EMPTY);
  }

  /** How many places are in use. */
  count(): number {
    let count = 0;
    for (let at = 0; at < this.size; at++) if (this.occupied(at)) count++;
    return count;
  }
}
