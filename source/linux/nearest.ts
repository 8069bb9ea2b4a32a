import { distance } from 'fastest-levenshtein';

/**
 * The valid word that a wrong one most likely meant, or null if none is near.
 *
 * @param furthest how many letters may differ at most
 */
export function nearest(
  word: string,
  valid: Iterable<string>,
  furthest = Math.max(2, Math.ceil(word.length / 3)),
): string | null {
  let best: string | null = null;
  let bestDistance = furthest + 1;
  for (const candidate of valid) {
    const far = distance(word.toLowerCase(), candidate.toLowerCase());
    if (far < bestDistance) {
      bestDistance = far;
      best = candidate;
    }
  }
  return best;
}
