/**
 * Places that requests take: tags of reads under way, lines of a buffer. Whoever takes some learns later until when; from
 * that moment on they are free, without anything having to happen then.
 */
export class Places {
  private readonly size: number;
  /** Taken, as far as was looked: some of those with an end may be free by now. */
  private taken = 0;
  /** Those with an end: until when, and how many. */
  private known = 0;
  private ends = new Float64Array(64);
  private counts = new Int32Array(64);

  constructor(size: number) {
    this.size = size;
  }

  take(count: number): void {
    this.taken += count;
  }

  /** So many of those taken are free again from a moment on. */
  freeFrom(at: number, count: number): void {
    if (this.known === this.ends.length) this.makeRoom();
    this.ends[this.known] = at;
    this.counts[this.known++] = count;
  }

  /** Whether so many are free. */
  have(count: number, now: number): boolean {
    if (this.size - this.taken < count) this.collect(now);
    return this.size - this.taken >= count;
  }

  /** When the next of those taken becomes free, as far as that is known; else Infinity. */
  nextFree(): number {
    let first = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.known; i++) first = Math.min(first, this.ends[i]);
    return first;
  }

  private collect(now: number): void {
    const { ends, counts } = this;
    let kept = 0;
    for (let i = 0; i < this.known; i++) {
      if (ends[i] <= now) this.taken -= counts[i];
      else {
        ends[kept] = ends[i];
        counts[kept++] = counts[i];
      }
    }
    this.known = kept;
  }

  private makeRoom(): void {
    const { ends, counts } = this;
    this.ends = new Float64Array(2 * ends.length);
    this.ends.set(ends);
    this.counts = new Int32Array(2 * counts.length);
    this.counts.set(counts);
  }
}
