/** A cell of the picture, in units of the SVG. */
export const cell = { width: 10, height: 20 };

const { width, height } = cell;
const [centreX, centreY] = [width / 2, height / 2];

/**
 * Lines and blocks join across cells only if they end exactly at the border of a cell, which no font promises. So they
 * are drawn; everything else is text.
 */
export function drawnGlyph(character: string, x: number, y: number, colour: string): string | undefined {
  return block(character, x, y, colour) ?? line(character, x, y, colour);
}

/** Left, top, right and bottom edge in eighths of a cell, and how much of the colour. */
type Part = readonly [left: number, top: number, right: number, bottom: number, opacity?: number];

const quadrants = {
  upperLeft: [0, 0, 4, 4],
  upperRight: [4, 0, 8, 4],
  lowerLeft: [0, 4, 4, 8],
  lowerRight: [4, 4, 8, 8],
} as const;
const { upperLeft, upperRight, lowerLeft, lowerRight } = quadrants;

const blocks: Record<string, readonly Part[]> = {
  '▀': [[0, 0, 8, 4]],
  '█': [[0, 0, 8, 8]],
  '▐': [[4, 0, 8, 8]],
  '░': [[0, 0, 8, 8, 0.25]],
  '▒': [[0, 0, 8, 8, 0.5]],
  '▓': [[0, 0, 8, 8, 0.75]],
  '▔': [[0, 0, 8, 1]],
  '▕': [[7, 0, 8, 8]],
  '▖': [lowerLeft],
  '▗': [lowerRight],
  '▘': [upperLeft],
  '▙': [upperLeft, lowerLeft, lowerRight],
  '▚': [upperLeft, lowerRight],
  '▛': [upperLeft, upperRight, lowerLeft],
  '▜': [upperLeft, upperRight, lowerRight],
  '▝': [upperRight],
  '▞': [upperRight, lowerLeft],
  '▟': [upperRight, lowerLeft, lowerRight],
};

for (const [i, character] of [...'▁▂▃▄▅▆▇'].entries()) blocks[character] = [[0, 7 - i, 8, 8]];
for (const [i, character] of [...'▏▎▍▌▋▊▉'].entries()) blocks[character] = [[0, 0, i + 1, 8]];

function block(character: string, x: number, y: number, colour: string): string | undefined {
  return blocks[character]
    ?.map(([left, top, right, bottom, opacity = 1]) => {
      const at = `x="${x + (left * width) / 8}" y="${y + (top * height) / 8}"`;
      const size = `width="${((right - left) * width) / 8}" height="${((bottom - top) * height) / 8}"`;
      const veil = opacity === 1 ? '' : ` fill-opacity="${opacity}"`;
      return `<rect ${at} ${size} fill="${colour}"${veil}/>`;
    })
    .join('');
}

/** The arms that meet in the middle of the cell; capitals are heavy. */
const arms: Record<string, string> = {
  ...{ '─': 'lr', '│': 'ud', '┌': 'rd', '┐': 'ld', '└': 'ru', '┘': 'lu' },
  ...{ '├': 'udr', '┤': 'udl', '┬': 'lrd', '┴': 'lru', '┼': 'udlr' },
  ...{ '╴': 'l', '╵': 'u', '╶': 'r', '╷': 'd' },
  ...{ '━': 'LR', '┃': 'UD', '┏': 'RD', '┓': 'LD', '┗': 'RU', '┛': 'LU' },
  ...{ '┣': 'UDR', '┫': 'UDL', '┳': 'LRD', '┻': 'LRU', '╋': 'UDLR' },
  ...{ '╸': 'L', '╹': 'U', '╺': 'R', '╻': 'D', '┿': 'udLR', '╂': 'UDlr' },
};

/** Whole pixels at twice the size, where neighbours would otherwise show a seam. */
const thin = 1;
const thick = 3;

const corners: Record<string, string> = { '╭': 'rd', '╮': 'ld', '╰': 'ru', '╯': 'lu' };

function line(character: string, x: number, y: number, colour: string): string | undefined {
  if (character in corners) {
    const [from, to] = corners[character];
    const path = `M${end(from, x, y)}Q${x + centreX} ${y + centreY} ${end(to, x, y)}`;
    return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="${thin}"/>`;
  }

  return arms[character]?.replace(/./g, (arm) => drawArm(arm, x, y, colour));
}

/** From the border of the cell to the far side of a line that crosses it in the middle. */
function drawArm(arm: string, x: number, y: number, colour: string): string {
  const direction = arm.toLowerCase();
  const thickness = arm === direction ? thin : thick;
  const across = direction === 'l' || direction === 'r';
  const length = (across ? width : height) / 2 + thickness / 2;
  const atStart = direction === 'l' || direction === 'u';

  const rect = across
    ? [atStart ? x : x + width - length, y + centreY - thickness / 2, length, thickness]
    : [x + centreX - thickness / 2, atStart ? y : y + height - length, thickness, length];

  return `<rect x="${rect[0]}" y="${rect[1]}" width="${rect[2]}" height="${rect[3]}" fill="${colour}"/>`;
}

function end(arm: string, x: number, y: number): string {
  if (arm === 'l') return `${x} ${y + centreY}`;
  if (arm === 'r') return `${x + width} ${y + centreY}`;
  return arm === 'u' ? `${x + centreX} ${y}` : `${x + centreX} ${y + height}`;
}
