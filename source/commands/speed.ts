/** Speeds: simulated milliseconds for each second on the wall. */

export const SPEEDS = { slowest: 1 / 16, fastest: 64 } as const;

/** `1/16x`, `4x`, `max`. */
export function speedText(factor: number): string {
  if (!Number.isFinite(factor)) return 'max';
  return factor < 1 && factor > 0 ? `1/${Math.round(1 / factor)}x` : `${Number(factor.toPrecision(3))}x`;
}

/** What came of a change of speed. */
export const speedChanged = (factor: number): string =>
  Number.isFinite(factor)
    ? `Speed ${speedText(factor)}: ${Number(factor.toPrecision(3))} simulated ms a second.`
    : 'As fast as this computer goes.';

/** The speed that a command asks for; faster and slower in steps of two, and beyond the fastest as fast as it goes. */
export function speedAfter(current: number, factor: number | 'faster' | 'slower'): number {
  if (factor === 'faster') return current >= SPEEDS.fastest ? Number.POSITIVE_INFINITY : current * 2;
  if (factor === 'slower')
    return Number.isFinite(current) ? Math.max(SPEEDS.slowest, current / 2) : SPEEDS.fastest;
  return factor;
}
