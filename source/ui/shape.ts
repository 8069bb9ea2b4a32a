/** Fewer points of a curve, those that give it its shape. */

/**
 * Leave out, one after the other, the point that lies closest to the line between its neighbours; the first and the last
 * stay.
 *
 * @param values at even distances
 * @param most at least 2
 * @returns indices of those that stay, in order
 */
export function shapeOf(values: readonly number[], most: number): number[] {
  const kept = values.map((_, i) => i);
  while (kept.length > Math.max(2, most)) {
    let least = 1;
    for (let at = 1; at < kept.length - 1; at++)
      if (bend(values, kept, at) < bend(values, kept, least)) least = at;
    kept.splice(least, 1);
  }
  return kept;
}

/** How far the value at a place is from the line between the places beside it. */
function bend(values: readonly number[], kept: readonly number[], at: number): number {
  const [before, here, after] = [kept[at - 1], kept[at], kept[at + 1]];
  const between = values[before] + ((values[after] - values[before]) * (here - before)) / (after - before);
  return Math.abs(values[here] - between);
}
