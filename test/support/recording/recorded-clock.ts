/**
 * The time of a recorded run, in which the ticks of the kernel's timers are whole. A flush queue's timer does not go off
 * by itself: whoever follows the recording lets it, where it has the flush, and learns when it was due.
 */
import { HandClock } from '../host.ts';
import { phaseOf, type RecordedRun } from './recorded-run.ts';

/** CONFIG_HZ of Debian's kernel. */
export const TIMER_HZ = 250;
export const TICK_NS = 1e9 / TIMER_HZ;
/** Timers of flush queues are shorter, those that trim the depots of addresses longer. */
const LONGEST_FLUSH_NS = 50e6;

type Timer = { readonly at: number; readonly run: () => void };

export class RecordedClock extends HandClock {
  private flushes: Timer[] = [];
  private readonly tickAt: number;

  constructor(run: RecordedRun) {
    super();
    this.tickAt = ticksOf(run);
  }

  override after(nanoseconds: number, run: () => void): () => void {
    if (nanoseconds > LONGEST_FLUSH_NS) return super.after(nanoseconds, run);
    const timer = { at: this.now() + nanoseconds, run };
    this.flushes.push(timer);
    return () => {
      this.flushes = this.flushes.filter((other) => other !== timer);
    };
  }

  /** It is so late in the recording. What a driver did before is done late, and devices are followed one by one. */
  set(timeNs: number): void {
    const time = timeNs - this.tickAt + TICK_NS;
    if (time > this.time) this.advance(time - this.time);
    else this.time = time;
  }

  /** Let the flush queue's timer that was set last go off. Returns when in the recording it was due; null without one. */
  flush(): number | null {
    const timer = this.flushes.pop();
    timer?.run();
    return timer === undefined ? null : timer.at + this.tickAt - TICK_NS;
  }
}

/** Where ticks begin in a run: most flushes come right after one, while nothing else keeps the CPU busy. */
function ticksOf(run: RecordedRun): number {
  const quiet = ['ping-e1000e', 'net-virtio', 'idle'].flatMap((name) => phaseOf(run, name).entries);
  const places = quiet.flatMap(({ event, timeNs }) =>
    event.kind === 'invalidation' && event.count === 'iotlb_domain' ? [timeNs % TICK_NS] : [],
  );
  const after = (place: number) =>
    places.filter((other) => (other - place + TICK_NS) % TICK_NS < TICK_NS / 16).length;
  return places.reduce((best, place) => (after(place) > after(best) ? place : best), 0);
}
