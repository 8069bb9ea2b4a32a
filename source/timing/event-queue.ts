/** What happens next: actions in order of simulated time, and of their making where times are equal. */
import TinyQueue from 'tinyqueue';

type Scheduled = { readonly time: number; readonly order: number; run: (() => void) | null };

export class EventQueue {
  private readonly queue = new TinyQueue<Scheduled>([], (a, b) => a.time - b.time || a.order - b.order);
  private order = 0;

  /** Run something at a time; returns the way to call it off. */
  schedule(time: number, run: () => void): () => void {
    const scheduled: Scheduled = { time, order: this.order++, run };
    this.queue.push(scheduled);
    return () => {
      scheduled.run = null;
    };
  }

  /** When the next action is due; Infinity if there is none. */
  nextTime(): number {
    for (;;) {
      const first = this.queue.peek();
      if (first === undefined) return Number.POSITIVE_INFINITY;
      if (first.run !== null) return first.time;
      this.queue.pop();
    }
  }

  /** Carry out the next action. */
  runNext(): void {
    this.queue.pop()?.run?.();
  }
}
