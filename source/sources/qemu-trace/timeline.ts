/** Recorded time and playing time: the same, except that idle stretches may be cut short. */
import type { Entry } from './event.ts';
import { firstNotBefore } from './history.ts';

/** A stretch without a line that is longer than this plays as long as this. */
const IDLE_NS = 0.5e9;

export class Timeline {
  private readonly recorded: readonly number[];
  private readonly playing: readonly number[];

  constructor(entries: readonly Entry[], skipIdle: boolean) {
    this.recorded = entries.map(({ timeNs }) => timeNs);
    let playing = 0;
    this.playing = this.recorded.map((time, i) => {
      const gap = time - (this.recorded[i - 1] ?? 0);
      playing += skipIdle ? Math.min(gap, IDLE_NS) : gap;
      return playing;
    });
  }

  /** Playing time of the whole recording. */
  get lengthNs(): number {
    return this.playing.at(-1) ?? 0;
  }

  /** How many entries have happened at a playing time. */
  positionAt(playingNs: number): number {
    // Times are whole microseconds, or the whole nanoseconds of a phase.
    return firstNotBefore(this.playing, playingNs + 0.5);
  }

  /** When the last entry before a position happened, in playing time. */
  playingAt(position: number): number {
    return this.playing[position - 1] ?? 0;
  }

  /** The recorded time that is shown at a playing time. */
  recordedAt(playingNs: number): number {
    return between(this.playing, this.recorded, playingNs);
  }

  /** The inverse of `recordedAt`. */
  playingFor(recordedNs: number): number {
    return between(this.recorded, this.playing, recordedNs);
  }
}

/** The value of a rising line through points; the last one beyond them. */
function between(from: readonly number[], to: readonly number[], value: number): number {
  const next = firstNotBefore(from, value);
  if (next >= from.length) return to.at(-1) ?? 0;
  if (next === 0 || from[next] === value) return to[next];
  const share = (value - from[next - 1]) / (from[next] - from[next - 1]);
  return to[next - 1] + share * (to[next] - to[next - 1]);
}
