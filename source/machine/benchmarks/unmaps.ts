/** A driver that maps a page, lets its device use it, and unmaps it, at a rate; the device reaches for it once more. */
import type { Bench } from './bench.ts';

const PAGE = 4096;

export type UnmapLoad = {
  /** Unmaps a second. */
  readonly rate: number;
};

/**
 * Let the driver begin, and go on without end.
 *
 * @param unmapping told before each unmap
 * @param unmapped told how the device's access after it ended: one of Outcome
 */
export function startUnmaps(
  bench: Bench,
  { rate }: UnmapLoad,
  unmapping: () => void,
  unmapped: (outcome: number) => void,
): void {
  const page = bench.newPage();
  const next = () => {
    const mapping = bench.map(page, PAGE, 'both');
    const { address } = mapping;
    bench.touch(address, PAGE);
    unmapping();
    bench.unmap(mapping);
    unmapped(bench.touch(address, PAGE));
    bench.clock.after(1e9 / rate, next);
  };
  next();
}
