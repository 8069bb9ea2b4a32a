import { Resvg } from '@resvg/resvg-js';
import type { Terminal as Emulator } from '@xterm/headless';
import { paper, type Style, styleOf } from './colours.ts';
import { cell, drawnGlyph } from './glyphs.ts';

const fonts = ['DejaVu Sans Mono', 'Liberation Mono', 'Noto Sans Mono', 'Menlo', 'Consolas', 'Courier New'];
/** At this size the advance of these fonts, 0.6 of it, is the width of a cell. */
const fontSize = cell.width / 0.602;
const baseline = 15;
const margin = 10;

type Run = { column: number; width: number; characters: { text: string; column: number }[]; style: Style };

/** The window of the terminal as a vector picture. */
export function toSvg(terminal: Emulator): string {
  const width = terminal.cols * cell.width + 2 * margin;
  const height = terminal.rows * cell.height + 2 * margin;
  const rows = Array.from({ length: terminal.rows }, (_, row) => drawRow(terminal, row));
  const family = [...fonts.map((font) => `'${font}'`), 'monospace'].join(', ');

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="${width}" height="${height}" rx="6" fill="${paper}"/>`,
    `<g font-family="${family}" font-size="${fontSize.toFixed(2)}" xml:space="preserve">`,
    ...rows.filter((row) => row !== ''),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

/** The picture as PNG, with twice the pixels unless told otherwise. */
export function toPng(svg: string, zoom = 2): Uint8Array {
  const font = { loadSystemFonts: true, defaultFontFamily: fonts[0], monospaceFamily: fonts[0] };
  const probe = new Resvg('<svg xmlns="http://www.w3.org/2000/svg"><text y="20">M</text></svg>', { font });

  if (!probe.getBBox()) {
    throw new Error(
      'expected a font for the picture and found none; on Debian: apt install fonts-dejavu-core',
    );
  }

  return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: zoom } }).render().asPng();
}

function drawRow(terminal: Emulator, row: number): string {
  const y = margin + row * cell.height;
  const runs = runsOf(terminal, row);

  // All backgrounds first, so that none covers a glyph of its neighbour.
  return [...runs.map((run) => drawBackground(run, y)), ...runs.map((run) => drawText(run, y))].join('');
}

/** Neighbouring cells of one style. */
function runsOf(terminal: Emulator, row: number): Run[] {
  const buffer = terminal.buffer.active;
  const line = buffer.getLine(buffer.viewportY + row);
  const runs: Run[] = [];

  for (let column = 0; column < terminal.cols; column++) {
    const here = line?.getCell(column);
    // The second half of a wide character has no width of its own.
    if (!here || here.getWidth() === 0) continue;

    const style = styleOf(here);
    const last = runs.at(-1);
    const run = last && sameStyle(last.style, style) ? last : { column, width: 0, characters: [], style };

    if (run !== last) runs.push(run);
    run.width += here.getWidth();
    run.characters.push({ text: here.isInvisible() ? ' ' : here.getChars() || ' ', column });
  }

  return runs;
}

const sameStyle = (a: Style, b: Style) => JSON.stringify(a) === JSON.stringify(b);

function drawBackground({ column, width, style }: Run, y: number): string {
  if (style.background === paper) return '';

  const size = `width="${width * cell.width}" height="${cell.height}"`;
  return `<rect x="${left(column)}" y="${y}" ${size} fill="${style.background}"/>`;
}

function drawText({ column, width, characters, style }: Run, y: number): string {
  const { foreground } = style;
  const drawn = characters.map(({ text, column }) => drawnGlyph(text, left(column), y, foreground) ?? '');
  const written = characters.filter(({ text }, i) => drawn[i] === '' && text !== ' ');
  const rule = (height: number) =>
    `<rect x="${left(column)}" y="${y + height}" width="${width * cell.width}" height="1" fill="${foreground}"/>`;

  return [
    ...drawn,
    written.length > 0 ? drawWritten(written, y, style) : '',
    style.underline ? rule(17) : '',
    style.strikethrough ? rule(10) : '',
  ].join('');
}

/** Each character gets its own place, so that the columns stand whatever font the viewer has. */
function drawWritten(characters: Run['characters'], y: number, style: Style): string {
  const places = characters.map(({ column }) => left(column)).join(' ');
  const bold = style.bold ? ' font-weight="bold"' : '';
  const italic = style.italic ? ' font-style="italic"' : '';
  const text = escapeMarkup(characters.map(({ text }) => text).join(''));

  return `<text x="${places}" y="${y + baseline}" fill="${style.foreground}"${bold}${italic}>${text}</text>`;
}

const left = (column: number) => margin + column * cell.width;

const escapeMarkup = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
