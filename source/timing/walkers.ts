/** The page walkers of a unit and the queue before them. */

export type WalkTimes = {
  /** Concurrent walks. */
  readonly walkers: number;
  /** A walk that reads memory once, with no other under way, in nanoseconds. */
  readonly walkNs: number;
  /** Each further memory read. */
  readonly readNs: number;
  /** Each other walk under way when it starts. */
  readonly busyNs: number;
};

export class Walkers {
  /** Walks begun. */
  walks = 0;
  /** Time that walks took, and time they waited for a walker. */
  busyNs = 0;
  waitedNs = 0;
  private readonly times: WalkTimes;
  /** When each walker is free. */
  private readonly freeAt: Float64Array;

  constructor(times: WalkTimes) {
    this.times = times;
    this.freeAt = new Float64Array(times.walkers);
  }

  /**
   * A walk that may begin at a moment, first come first served. Moments must not go back.
   *
   * @param reads memory reads of the walk
   * @returns when it is over
   */
  walk(now: number, reads: number): number {
    const { freeAt } = this;
    let first = 0;
    for (let i = 1; i < freeAt.length; i++) if (freeAt[i] < freeAt[first]) first = i;
    const start = Math.max(now, freeAt[first]);
    let others = 0;
    for (let i = 0; i < freeAt.length; i++) if (i !== first && freeAt[i] > start) others++;
    const { walkNs, readNs, busyNs } = this.times;
    const duration = walkNs + readNs * (reads - 1) + busyNs * others;
    freeAt[first] = start + duration;
    this.walks++;
    this.busyNs += duration;
    this.waitedNs += start - now;
    return start + duration;
  }
}
