/** Rows as strings for a terminal: the only place that writes escape sequences. */
import type { Row, Span } from '../rows.ts';
import type { Palette, Style } from './tokens.ts';

/** Bits of colour, as `getColorDepth` of a terminal says: 1 none, 4 sixteen, 8 cube, 24 all. */
export type ColourDepth = 1 | 4 | 8 | 24;

/** A row as one string. Neighbouring spans of one style become one run, since colour costs as much as layout. */
export function paint(row: Row, palette: Palette, depth: ColourDepth): string {
  let painted = '';
  let run = '';
  let open = '';
  for (const span of row) {
    const code = codeOf(span, palette[span.token], depth);
    if (code !== open) {
      painted += close(run, open);
      run = '';
      open = code;
    }
    run += span.text;
  }
  return painted + close(run, open);
}

const close = (text: string, code: string): string =>
  code === '' || text === '' ? text : `\x1b[${code}m${text}\x1b[0m`;

function codeOf(span: Span, style: Style, depth: ColourDepth): string {
  const codes: (string | number)[] = [];
  const colour = span.inverse ? '' : colourCode(style, depth);
  if (style.bold || span.bold) codes.push(1);
  // A grey of its own is better readable than the terminal's idea of dim.
  if (style.dim && colour === '' && !span.inverse) codes.push(2);
  if (style.underline || span.underline) codes.push(4);
  if (span.inverse) codes.push(7);
  if (colour !== '') codes.push(colour);
  return codes.join(';');
}

function colourCode({ rgb, sgr }: Style, depth: ColourDepth): string {
  if (depth === 1) return '';
  if (depth === 4 || rgb === undefined) return sgr === undefined ? '' : String(sgr);
  const channels = [1, 3, 5].map((at) => Number.parseInt(rgb.slice(at, at + 2), 16));
  return depth === 24 ? `38;2;${channels.join(';')}` : `38;5;${cubeIndex(channels)}`;
}

/** The nearest colour of the 6 x 6 x 6 cube, or of the 24 greys for a grey. */
function cubeIndex(channels: readonly number[]): number {
  const [r, g, b] = channels;
  if (Math.max(r, g, b) - Math.min(r, g, b) < 32) {
    return 232 + Math.min(23, Math.max(0, Math.round(((r + g + b) / 3 - 8) / 10)));
  }
  const step = (value: number) => (value < 48 ? 0 : value < 115 ? 1 : Math.round((value - 55) / 40));
  return 16 + 36 * step(r) + 6 * step(g) + step(b);
}
