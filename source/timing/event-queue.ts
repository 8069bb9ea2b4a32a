/** What happens next: actions in order of simulated time, and of their making where times are equal. */
import TinyQueue from 'tinyqueue';
import type { Clock } from '../linux/clock.ts';

/** What happens to something. */
export type Act<T> = (subject: T) => void;

/** A clock for what happens often: it allocates nothing, and cannot be called off. */
export type Timeline = Clock & {
  /** Let something happen to a subject later. */
  at<T>(nanoseconds: number, act: Act<T>, subject: T): void;
};

type Scheduled = {
  time: number;
  order: number;
  /** Null once it is called off. */
  act: Act<unknown> | null;
  subject: unknown;
  /** Nobody can call it off, so that the object is used again once it has happened. */
  readonly isOften: boolean;
};

const call: Act<unknown> = (run) => (run as () => void)();

export class EventQueue {
  private readonly queue = new TinyQueue<Scheduled>([], (a, b) => a.time - b.time || a.order - b.order);
  private readonly spare: Scheduled[] = [];
  private order = 0;

  /** Run something at a time; returns the way to call it off. */
  schedule(time: number, run: () => void): () => void {
    const scheduled: Scheduled = { time, order: this.order++, act: call, subject: run, isOften: false };
    this.queue.push(scheduled);
    return () => {
      scheduled.act = null;
    };
  }

  /** Let something happen to a subject at a time. */
  at<T>(time: number, act: Act<T>, subject: T): void {
    const scheduled: Scheduled = this.spare.pop() ?? {
      time: 0.5,
      order: 0,
      act: null,
      subject: null,
      isOften: true,
    };
    scheduled.time = time;
    scheduled.order = this.order++;
    scheduled.act = act as Act<unknown>;
    scheduled.subject = subject;
    this.queue.push(scheduled);
  }

  /** When the next action is due; Infinity if there is none. */
  nextTime(): number {
    for (;;) {
      const first = this.queue.peek();
      if (first === undefined) return Number.POSITIVE_INFINITY;
      if (first.act !== null) return first.time;
      this.queue.pop();
    }
  }

  /** Carry out the next action. */
  runNext(): void {
    const next = this.queue.pop();
    if (next === undefined) return;
    const { act, subject } = next;
    if (next.isOften) this.spare.push(next);
    act?.(subject);
  }
}
