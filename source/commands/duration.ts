/** Times as people write them: `10ms`, `250us`, `1.5s`, `400ns`. */
const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9 };

/** Nanoseconds, or null if the text is no duration. */
export function parseDuration(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s)$/.exec(text);
  if (match === null) return null;
  const nanoseconds = Math.round(Number(match[1]) * UNITS[match[2]]);
  return Number.isSafeInteger(nanoseconds) ? nanoseconds : null;
}

/** The shortest way to write so many nanoseconds. */
export function durationText(nanoseconds: number): string {
  for (const unit of ['s', 'ms', 'us']) {
    const value = nanoseconds / UNITS[unit];
    const text = `${value}${unit}`;
    // Long times do not all come back from their shortest text.
    if (value >= 1 && Number.isInteger(value * 1000) && parseDuration(text) === nanoseconds) return text;
  }
  return `${nanoseconds}ns`;
}
