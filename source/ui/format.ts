/** Numbers, times and addresses as the screen writes them: fixed forms, so that columns stand still. */
import { glyph } from './glyphs.ts';

/** Stands where a number makes no sense: absent is not zero. */
export const absent = glyph.thin;

/** At most five columns with three significant digits: `12`, `840`, `5.36k`, `34.1k`, `412k`, `1.24M`. */
export function quantity(value: number): string {
  if (!Number.isFinite(value) || value < 0) return absent;
  if (Math.round(value) < 1000) return value > 0 && value < 0.5 ? '<1' : String(Math.round(value));
  const units = ['k', 'M', 'G', 'T'];
  let scaled = value / 1000;
  let unit = 0;
  while (Number(scaled.toPrecision(3)) >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return scaled.toPrecision(3).replace(/e\+.*/, '') + units[unit];
}

/** Thousands apart, where every digit matters: `18 442`. */
export const exactly = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ' ');

/** `98.7%`; never rounded up to 100, so that a rare miss stays visible. */
export function percent(part: number, whole: number): string {
  if (!(whole > 0)) return absent;
  if (part >= whole) return '100%';
  return `${(Math.floor((1000 * part) / whole) / 10).toFixed(1)}%`;
}

/** The same for running text: a space before the sign. */
export const percentInText = (part: number, whole: number): string => percent(part, whole).replace('%', ' %');

/** From here on a growth is easier to grasp as a factor. */
const FACTOR = 3;

/** By how much a number differs from another: `+12.3 %`, `×73`; of shares in points, `−2.1 pt`. */
export function relative({
  unit,
  a,
  b,
}: Readonly<Record<'a' | 'b', number | null>> & { unit: string }): string {
  if (a === null || b === null) return absent;
  if (a === b) return 'same';
  const sign = b < a ? glyph.minus : '+';
  if (unit !== 'share' && a === 0) return `+${quantity(b)}`;
  const factor = b / a;
  if (unit !== 'share' && factor >= FACTOR)
    return `${glyph.times}${factor < 10 ? factor.toFixed(1) : quantity(factor)}`;
  // By the figures that stand beside it.
  const shown = (share: number): number => Number.parseFloat(percent(share, 1));
  if (unit === 'share') return `${sign}${Math.abs(shown(b) - shown(a)).toFixed(1)} pt`;
  if (b === 0) return `${sign}100 %`;
  // Never rounded up to 100, so that what is left stays visible.
  const part = b < a ? Math.min(99.9, 100 * (1 - factor)) : 100 * (factor - 1);
  return `${sign}${part.toFixed(part >= 99.95 ? 0 : 1)} %`;
}

const NS_PER_MS = 1e6;

/** `12.480 ms`; above 9999.999 ms in seconds. */
export function time(ns: number): string {
  const ms = ns / NS_PER_MS;
  return ms < 9999.9995 ? `${ms.toFixed(3)} ms` : `${(ms / 1000).toFixed(3)} s`;
}

/** A time where the heading names the unit, ms; seconds still say so. */
export const timeCell = (ns: number): string => time(ns).replace(' ms', '').replace(' s', 's');

/** A length of time with few digits: `16 ms`, `480 µs`. */
export function duration(ns: number): string {
  if (ns < 1000) return `${Math.round(ns)} ns`;
  if (ns < NS_PER_MS) return `${Number((ns / 1000).toPrecision(3))} ${glyph.micro}s`;
  if (ns < 1e10) return `${Number((ns / NS_PER_MS).toPrecision(3))} ms`;
  return `${Number((ns / 1e9).toPrecision(3))} s`;
}

/** Bytes a second as a rate of a link is written, without its unit, Gb/s: `9.83`, `52.4`, `0.02`. */
export function gigabits(bytesPerSecond: number): string {
  const value = (8 * bytesPerSecond) / 1e9;
  if (value > 0 && value < 0.005) return '<0.01';
  return value === 0 ? '0' : value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

/** `64 B`, `4 KiB`, `1514 B`. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (count >= 1024 && count % 1024 === 0 && unit < units.length - 1) {
    count /= 1024;
    unit++;
  }
  return `${count} ${units[unit]}`;
}

const padHex = (address: string, digits: number): string =>
  address.startsWith('0x') ? `0x${address.slice(2).padStart(digits, '0')}` : address;

/** An address as a device asks for it: eight digits below 4 GiB. */
export const iova = (address: string | number | bigint): string => padHex(hexText(address), 8);

/** A host address: nine digits. */
export const frame = (address: string | number | bigint): string => padHex(hexText(address), 9);

export const hexText = (value: string | number | bigint): string =>
  typeof value === 'string' ? value.toLowerCase() : `0x${value.toString(16)}`;

/** Every address in a sentence, padded. */
export const padAddresses = (text: string, digits: number): string =>
  text.replace(/0x[0-9a-f]{5,}/gi, (address) => padHex(address.toLowerCase(), digits));

/** 64 bits of an entry, all sixteen digits; words are 32 bits, least significant first. */
export function wordText(words: ArrayLike<number>, half = 0): string {
  const digits = (word: number) => (word >>> 0).toString(16).padStart(8, '0');
  return `0x${digits(words[2 * half + 1] ?? 0)}${digits(words[2 * half] ?? 0)}`;
}

export const reasonCode = (code: number): string => `0x${code.toString(16).padStart(2, '0')}`;

/** `1 reads`, no: `1 read`, `2 reads`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${exactly(count)} ${count === 1 ? one : many}`;

/** The smallest of 1, 2, 5 times a power of ten that is not below a value; at least ten. */
export function ceiling(value: number): number {
  let power = 10;
  while (power * 10 <= value) power *= 10;
  return [power, 2 * power, 5 * power, 10 * power].find((limit) => limit >= value) ?? power * 10;
}

/** A round number without needless digits: `200k`, `10`. */
export function round(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value}${units[unit]}`;
}
