/**
 * The invalidation queue where CPUs meet. Each submits its descriptors under one lock and spins until the unit has carried
 * them out (qi_submit_sync of `drivers/iommu/intel/dmar.c`); the unit works off one submission after the other. Here is
 * only how long each has to wait for the others.
 */

export type QueueTimes = {
  /** How long one submission keeps the queue from the others, in nanoseconds. */
  readonly heldNs: number;
  /** What each CPU that waits at that time adds to it, as it pulls the lock's line to itself. */
  readonly waiterNs: number;
};

/** One submission: when its CPU came, and when it has the queue. */
type Turn = {
  readonly cpu: number;
  readonly came: number;
  readonly start: number;
  readonly end: number;
};

export class QueueContention {
  private readonly times: QueueTimes;
  /** Those that are not over, in order of their turns. */
  private readonly turns: Turn[] = [];

  constructor(times: QueueTimes) {
    this.times = times;
  }

  /**
   * A CPU comes to the queue. What it does in one moment of the simulation may reach into the time after it, so that
   * another may come before it and take its turn between.
   *
   * @param at when it comes; not before `now`
   * @param now nobody comes before this any more
   * @returns its turn: when it begins and ends
   */
  enter(cpu: number, at: number, now: number): { readonly start: number; readonly end: number } {
    const { turns } = this;
    const over = turns.findIndex(({ end }) => end > now);
    turns.splice(0, over < 0 ? turns.length : over);
    const waiting = new Set<number>();
    for (const turn of turns) {
      if (turn.cpu !== cpu && turn.came <= at && turn.start > at) waiting.add(turn.cpu);
    }
    const length = this.times.heldNs + this.times.waiterNs * waiting.size;
    let start = at;
    let place = 0;
    for (const turn of turns) {
      if (start + length <= turn.start) break;
      start = Math.max(start, turn.end);
      place++;
    }
    const turn = { cpu, came: at, start, end: start + length };
    turns.splice(place, 0, turn);
    return turn;
  }
}
