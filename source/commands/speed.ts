/** Speeds: simulated milliseconds for each second on the wall. */

export const SPEEDS = { slowest: 1 / 16, fastest: 64 } as const;

/** The speed that a command asks for; faster and slower in steps of two, and beyond the fastest as fast as it goes. */
export function speedAfter(current: number, factor: number | 'faster' | 'slower'): number {
  if (factor === 'faster') return current >= SPEEDS.fastest ? Number.POSITIVE_INFINITY : current * 2;
  if (factor === 'slower')
    return Number.isFinite(current) ? Math.max(SPEEDS.slowest, current / 2) : SPEEDS.fastest;
  return factor;
}
