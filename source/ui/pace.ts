/** The source at the drawing rate: a machine may change a thousand times a second, a screen need not. */
import type { Snapshot } from '../simulation/snapshot.ts';
import type { Source } from '../sources/source.ts';

export type Paced = { current(): Snapshot; subscribe(listener: () => void): () => void };

/**
 * @param intervalMs shortest time between two snapshots that are shown
 */
export function paced(source: Pick<Source, 'current' | 'subscribe'>, intervalMs: number): Paced {
  const listeners = new Set<() => void>();
  let shown = source.current();
  let last = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let leave: (() => void) | undefined;

  function show() {
    timer = undefined;
    last = performance.now();
    shown = source.current();
    for (const listener of listeners) listener();
  }

  function changed() {
    if (timer !== undefined) return;
    const wait = last + intervalMs - performance.now();
    if (wait <= 0) show();
    else timer = setTimeout(show, wait);
  }

  return {
    current: () => shown,
    subscribe(listener) {
      if (listeners.size === 0) leave = source.subscribe(changed);
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        leave?.();
        clearTimeout(timer);
        timer = undefined;
      };
    },
  };
}
