/** Charts of eighth blocks: pure functions from numbers to rows of text. */
import { eighths } from './glyphs.ts';

/**
 * Columns of values between 0 and 1 as `height` lines, the top one first; null leaves a gap. Values stand at
 * the right end; what is older than the chart is wide is not shown.
 */
export function chart(values: readonly (number | null)[], width: number, height: number): string[] {
  const shown = values.slice(-width);
  const columns = [...Array<null>(Math.max(0, width - shown.length)).fill(null), ...shown];
  const levels = columns.map((value) => {
    if (value === null) return 0;
    const level = Math.round(Math.min(1, Math.max(0, value)) * 8 * height);
    // Something is not nothing: a small value, and a measured zero, keep a trace of a bar.
    return Math.max(1, level);
  });
  return Array.from({ length: height }, (_, i) => {
    const base = 8 * (height - 1 - i);
    return levels.map((level) => eighths[Math.min(8, Math.max(0, level - base))]).join('');
  });
}
