import type { IBufferCell } from '@xterm/headless';

export type Style = {
  foreground: string;
  background: string;
  bold: boolean;
  italic: boolean;
  underline: boolean;
  strikethrough: boolean;
};

export const paper = '#16181d';
const ink = '#d5d8df';

/** The sixteen that a terminal names but leaves to its theme. */
const named = [
  ...['#1f2228', '#e0606a', '#8fbf6f', '#dcb567', '#6ea3ea', '#bf85d6', '#5cb8c4', '#c3c8d1'],
  ...['#6b727f', '#f0848c', '#aedb90', '#f2cf87', '#93bdf7', '#d6a5ea', '#83d4de', '#ffffff'],
];

/** The looks of a cell, with inverse and dim already turned into colours. */
export function styleOf(cell: IBufferCell): Style {
  const front = cell.isFgDefault() ? ink : colour(cell.getFgColor(), cell.isFgRGB());
  const back = cell.isBgDefault() ? paper : colour(cell.getBgColor(), cell.isBgRGB());
  const [foreground, background] = cell.isInverse() ? [back, front] : [front, back];

  return {
    foreground: cell.isDim() ? halfway(foreground, background) : foreground,
    background,
    bold: cell.isBold() !== 0,
    italic: cell.isItalic() !== 0,
    underline: cell.isUnderline() !== 0,
    strikethrough: cell.isStrikethrough() !== 0,
  };
}

function colour(value: number, isRgb: boolean): string {
  if (isRgb) return `#${value.toString(16).padStart(6, '0')}`;
  return value < 16 ? named[value] : extended(value);
}

/** Numbers 16 to 255 mean the same everywhere: a cube of six steps, then 24 greys. */
function extended(index: number): string {
  if (index >= 232) return hex([index, index, index].map((grey) => 8 + (grey - 232) * 10));

  const step = (level: number) => (level === 0 ? 0 : 55 + level * 40);
  const cube = index - 16;
  return hex([step(Math.floor(cube / 36)), step(Math.floor(cube / 6) % 6), step(cube % 6)]);
}

function halfway(a: string, b: string): string {
  const from = channels(a);
  const to = channels(b);
  return hex(from.map((value, i) => Math.round((value + to[i]) / 2)));
}

const channels = (value: string) => [1, 3, 5].map((at) => Number.parseInt(value.slice(at, at + 2), 16));

const hex = (values: number[]) => `#${values.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
