/**
 * The themes. The fates have the colours of Okabe and Ito, which survive all colour deficiencies; on a light
 * background darker shades of the same hues, since the originals are too pale there. Plain text has no colour
 * of its own anywhere.
 */
import type { Palette } from './tokens.ts';

const RED = 31;
const GREEN = 32;
const YELLOW = 33;
const MAGENTA = 35;
const CYAN = 36;
const BRIGHT = 60;

const shared = { text: {}, title: { bold: true } } as const;

export const dark: Palette = {
  ...shared,
  label: { rgb: '#949ba7', dim: true },
  faint: { rgb: '#858c98', dim: true },
  key: { rgb: '#7fd1c7', sgr: CYAN, bold: true },
  passthrough: { rgb: '#e69f00', sgr: YELLOW, bold: true },
  translated: { rgb: '#56b4e9', sgr: CYAN },
  guest: { rgb: '#cc79a7', sgr: MAGENTA },
  blocked: { rgb: '#e8702a', sgr: RED + BRIGHT, bold: true },
  off: { rgb: '#e69f00', sgr: YELLOW },
  ok: { rgb: '#2bb58a', sgr: GREEN },
  stale: { rgb: '#f0e442', sgr: YELLOW + BRIGHT, bold: true },
  corrupt: { rgb: '#e8702a', sgr: RED + BRIGHT, bold: true },
};

export const light: Palette = {
  ...shared,
  label: { rgb: '#5c636e', dim: true },
  faint: { rgb: '#6b7280', dim: true },
  key: { rgb: '#00706a', sgr: CYAN, bold: true },
  passthrough: { rgb: '#8f5f00', sgr: YELLOW, bold: true },
  translated: { rgb: '#0068a8', sgr: CYAN },
  guest: { rgb: '#a03d77', sgr: MAGENTA },
  blocked: { rgb: '#b54700', sgr: RED, bold: true },
  off: { rgb: '#8f5f00', sgr: YELLOW },
  ok: { rgb: '#00735a', sgr: GREEN },
  stale: { rgb: '#7a5c00', sgr: YELLOW, bold: true },
  corrupt: { rgb: '#b54700', sgr: RED, bold: true },
};

/** Nothing dim, the fates as bright as they get, for poor projectors. */
export const highContrast: Palette = {
  ...shared,
  label: {},
  faint: {},
  key: { rgb: '#ffffff', sgr: 37 + BRIGHT, bold: true, underline: true },
  passthrough: { rgb: '#ffb000', sgr: YELLOW + BRIGHT, bold: true },
  translated: { rgb: '#5cc8ff', sgr: CYAN + BRIGHT, bold: true },
  guest: { rgb: '#ff8ad0', sgr: MAGENTA + BRIGHT, bold: true },
  blocked: { rgb: '#ff7a33', sgr: RED + BRIGHT, bold: true },
  off: { rgb: '#ffb000', sgr: YELLOW + BRIGHT },
  ok: { rgb: '#3ddc9f', sgr: GREEN + BRIGHT, bold: true },
  stale: { rgb: '#fff04d', sgr: YELLOW + BRIGHT, bold: true },
  corrupt: { rgb: '#ff7a33', sgr: RED + BRIGHT, bold: true },
};

/** No colour at all: weight, underline, inverse and shape carry everything. */
export const mono: Palette = {
  ...shared,
  label: { dim: true },
  faint: { dim: true },
  key: { bold: true, underline: true },
  passthrough: { bold: true },
  translated: {},
  guest: {},
  blocked: { bold: true },
  off: {},
  ok: {},
  stale: { bold: true, underline: true },
  corrupt: { bold: true },
};

export const palettes = { dark, light, 'high-contrast': highContrast, mono } as const;

export type ThemeName = keyof typeof palettes;

export const themeNames = Object.keys(palettes) as ThemeName[];

export const isTheme = (name: string): name is ThemeName => Object.hasOwn(palettes, name);
