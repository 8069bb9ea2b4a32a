import { distance } from 'fastest-levenshtein';

/** The valid word that a wrong one most likely meant, or null if none is near. */
export function nearest(word: string, valid: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const candidate of valid) {
    const far = distance(word.toLowerCase(), candidate.toLowerCase());
    if (far < bestDistance) {
      bestDistance = far;
      best = candidate;
    }
  }
  return best;
}
