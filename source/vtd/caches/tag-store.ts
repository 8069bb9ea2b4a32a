/**
 * A set-associative array of three-word tags with a choice of replacement. A tag is found through a hash table and the
 * entries of a set are a list in order of age, so that large sets cost no more than small ones.
 */

/** The second tag word of an empty place; no valid tag sets bit 31. */
const EMPTY = -1;
const NONE = -1;

/** Which entry of a full set goes: the least recently used, the one there longest, or any. */
export type Replacement = 'lru' | 'fifo' | 'random';

export class TagStore {
  readonly sets: number;
  readonly ways: number;
  readonly tagA: Int32Array;
  readonly tagB: Int32Array;
  readonly tagC: Int32Array;
  /** Valid entries thrown out to make room. */
  evicted = 0;
  /** Whether a use makes an entry stay longer. */
  private readonly usesCount: boolean;
  /** The state of the generator that picks at random, or 0. */
  private chance: number;
  private filled = 0;
  /** The hash table: the first place of each chain, and behind each place the next one. */
  private readonly chains: Int32Array;
  private readonly next: Int32Array;
  /** Of each set, the entries from the oldest to the newest, and the empty places, which are linked by `newer`. */
  private readonly oldest: Int32Array;
  private readonly newest: Int32Array;
  private readonly empty: Int32Array;
  private readonly older: Int32Array;
  /** Behind each entry the next newer one of its set, or -1: the order of replacement. */
  readonly newer: Int32Array;

  /**
   * @param sets a power of two; the same tag always comes with the same set
   * @param ways places in each set; one set with many ways is a fully associative cache
   */
  constructor(sets: number, ways: number, replacement: Replacement = 'lru') {
    if (sets < 1 || (sets & (sets - 1)) !== 0) {
      throw new RangeError(`a cache has a power of two of sets, got ${sets}`);
    }
    const size = sets * ways;
    this.sets = sets;
    this.ways = ways;
    this.tagA = new Int32Array(size);
    this.tagB = new Int32Array(size);
    this.tagC = new Int32Array(size);
    this.usesCount = replacement === 'lru';
    this.chance = replacement === 'random' ? 0x2545_f491 : 0;
    this.chains = new Int32Array(2 ** Math.ceil(Math.log2(2 * size)));
    this.next = new Int32Array(size);
    this.oldest = new Int32Array(sets);
    this.newest = new Int32Array(sets);
    this.empty = new Int32Array(sets);
    this.older = new Int32Array(size);
    this.newer = new Int32Array(size);
    this.clear();
  }

  get size(): number {
    return this.tagA.length;
  }

  /** The place of a tag, or -1. Does not count as a use. */
  find(a: number, b: number, c: number): number {
    let at = this.chains[this.chainOf(a, b, c)];
    while (at >= 0 && (this.tagA[at] !== a || this.tagB[at] !== b || this.tagC[at] !== c)) at = this.next[at];
    return at;
  }

  /** Note a use of a place. */
  touch(at: number): void {
    const set = (at / this.ways) | 0;
    if (!this.usesCount || this.newest[set] === at) return;
    this.unlink(set, at);
    this.link(set, at);
  }

  /** Give a tag a place: its own if it has one, else a free one, else that of the entry to be replaced. */
  place(set: number, a: number, b: number, c: number): number {
    const own = this.find(a, b, c);
    if (own >= 0) {
      this.touch(own);
      return own;
    }
    set &= this.sets - 1;
    let at = this.empty[set];
    if (at >= 0) {
      this.empty[set] = this.newer[at];
      this.filled++;
    } else {
      at = this.chance === 0 ? this.oldest[set] : set * this.ways + this.anyWay();
      this.evicted++;
      this.unlink(set, at);
      this.unchain(at);
    }
    this.tagA[at] = a;
    this.tagB[at] = b;
    this.tagC[at] = c;
    this.chain(at);
    this.link(set, at);
    return at;
  }

  /** Change the third word of the tag in a place. */
  retag(at: number, c: number): void {
    this.unchain(at);
    this.tagC[at] = c;
    this.chain(at);
  }

  occupied(at: number): boolean {
    return this.tagB[at] !== EMPTY;
  }

  drop(at: number): void {
    if (!this.occupied(at)) return;
    const set = (at / this.ways) | 0;
    this.unchain(at);
    this.unlink(set, at);
    this.tagB[at] = EMPTY;
    this.newer[at] = this.empty[set];
    this.empty[set] = at;
    this.filled--;
  }

  clear(): void {
    this.tagB.fill(EMPTY);
    this.chains.fill(NONE);
    this.oldest.fill(NONE);
    this.newest.fill(NONE);
    for (let set = 0; set < this.sets; set++) this.empty[set] = set * this.ways;
    for (let at = 0; at < this.size; at++) this.newer[at] = (at + 1) % this.ways === 0 ? NONE : at + 1;
    this.filled = 0;
  }

  /** How many places are in use. */
  count(): number {
    return this.filled;
  }

  /** The chain of a tag. Page numbers differ in their low bits, domains and PASIDs in the middle of theirs. */
  private chainOf(a: number, b: number, c: number): number {
    const hash = Math.imul(a ^ Math.imul(b, 0x85eb_ca6b) ^ Math.imul(c, 0xc2b2_ae35), 0x9e37_79b1);
    return (hash ^ (hash >>> 15)) & (this.chains.length - 1);
  }

  private chain(at: number): void {
    const chain = this.chainOf(this.tagA[at], this.tagB[at], this.tagC[at]);
    this.next[at] = this.chains[chain];
    this.chains[chain] = at;
  }

  private unchain(at: number): void {
    const chain = this.chainOf(this.tagA[at], this.tagB[at], this.tagC[at]);
    let before = this.chains[chain];
    if (before === at) {
      this.chains[chain] = this.next[at];
      return;
    }
    while (this.next[before] !== at) before = this.next[before];
    this.next[before] = this.next[at];
  }

  /** Make an entry the newest of its set. */
  private link(set: number, at: number): void {
    const newest = this.newest[set];
    this.older[at] = newest;
    this.newer[at] = NONE;
    if (newest >= 0) this.newer[newest] = at;
    else this.oldest[set] = at;
    this.newest[set] = at;
  }

  private unlink(set: number, at: number): void {
    const older = this.older[at];
    const newer = this.newer[at];
    if (older >= 0) this.newer[older] = newer;
    else this.oldest[set] = newer;
    if (newer >= 0) this.older[newer] = older;
    else this.newest[set] = older;
  }

  /** The next way of a xorshift generator (Marsaglia). */
  private anyWay(): number {
    this.chance ^= this.chance << 13;
    this.chance ^= this.chance >>> 17;
    this.chance ^= this.chance << 5;
    return (this.chance >>> 0) % this.ways;
  }
}
