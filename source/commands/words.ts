/** The words of commands: each reader says what was expected and what came. */
import { nearest } from '../linux/nearest.ts';
import { type KernelVersion, NEWEST_VERSION, OLDEST_VERSION, readVersion } from '../linux/version.ts';
import { guestModels } from '../machine/guests/guest.ts';
import { vfioInterfaces } from '../machine/programs/vfio-program.ts';
import { deviceModels, knownDevices } from '../machine/topology.ts';
import { BadSetting, checkValues, type Overrides, readSetting, valuesWith } from '../parameters/registry.ts';
import { hexOf, parseHalves } from '../vtd/bits.ts';
import { bdf, parseBdf } from '../vtd/source-id.ts';
import { type PresetName, presets } from '../vtd/unit/capabilities.ts';
import type { DeviceTarget, EntryTable } from './command.ts';
import { fieldNames } from './entry.ts';
import { quoted } from './printable.ts';
import { SPEEDS } from './speed.ts';

/** What is wrong with a command, in a sentence for people. */
export class Wrong extends Error {}

/** `expected one of …, got …`, with the nearest valid word. */
export function unexpected(what: string, got: string | undefined, valid: readonly string[]): string {
  // What is wanted may name the few words that there are already.
  const named = what.split(/[^\w-]+/);
  const list = valid.every((word) => named.includes(word)) ? '' : `: ${valid.join(', ')}`;
  const expected = `expected ${what}${list}`;
  if (got === undefined || got === '') return `${expected}; got nothing`;
  const meant = nearest(got, valid);
  return `${expected}; got ${quoted(got)}${meant === null ? '' : `. Did you mean ${meant}?`}`;
}

export function deviceName(word: string | undefined): string {
  const found = knownDevices.find(({ name, sourceId }) => name === word || parseBdf(word ?? '') === sourceId);
  if (found !== undefined) return found.name;
  const byAddress = word !== undefined && /[:.]/.test(word);
  const names = deviceModels.map(({ name, sourceId }) => (byAddress ? bdf(sourceId) : name));
  throw new Wrong(unexpected('a device', word, names));
}

export const deviceOrAll = (word: string | undefined): string => (word === 'all' ? 'all' : deviceName(word));

export function deviceTarget(words: readonly string[]): DeviceTarget {
  const [to, guest, ...rest] = words;
  const targets = ['flip', 'passthrough', 'translated', 'blocked', 'host', 'process', 'guest'] as const;
  const target = oneOf('what to do with it', targets, to);
  if (target !== 'guest') {
    atMost(words, 1, `device nic0 ${target}`);
    return target;
  }
  atMost(words, 4, 'device nic0 guest A viommu iommufd');
  const names = guestModels.map(({ name }) => name);
  const owner = `guest ${oneOf('a guest', names, guest?.toUpperCase())}` as const;
  const [first, second] = rest;
  if (first === undefined) return owner;
  const how = oneOf('nothing, or how a guest gets it', ['viommu', ...vfioInterfaces], first);
  if (second === undefined) return `${owner} ${how}`;
  if (how !== 'viommu') throw new Wrong(`expected nothing after ${how}, got ${quoted(second)}`);
  return `${owner} viommu ${oneOf('how it gets the device', vfioInterfaces, second)}`;
}

export function oneOf<T extends string>(what: string, valid: readonly T[], word: string | undefined): T {
  const found = valid.find((candidate) => candidate === word);
  if (found === undefined) throw new Wrong(unexpected(what, word, valid));
  return found;
}

export function addressWord(word: string): string {
  const halves = parseHalves(word);
  if (halves === null)
    throw new Wrong(`expected an address of at most 64 bits such as 0x1000000, got ${quoted(word)}`);
  return hexOf(halves.hi, halves.lo);
}

/** An address at which a write is an interrupt. */
export function messageAddress(word: string): string {
  const halves = parseHalves(word);
  if (halves === null || halves.hi !== 0 || halves.lo >>> 20 !== 0xfee || halves.lo % 4 !== 0) {
    throw new Wrong(
      `expected the address of an interrupt message, from 0xfee00000 to 0xfeeffffc in steps of 4, got ${quoted(word)}`,
    );
  }
  return hexOf(halves.hi, halves.lo);
}

/** An address, or the buffer that `map` or `unmap` had last. */
export const addressOrBuffer = (word: string): string => (word === 'buffer' ? word : addressWord(word));

const PAGE = 4096;
const LARGE_PAGE = 2 ** 21;

/** The bytes of a buffer: at most a page, or whole pages of 2 MiB. */
export function bufferBytes(word: string): number {
  const bytes = integer('the number of bytes', word, 1, 64 * LARGE_PAGE);
  if (bytes > PAGE && bytes % LARGE_PAGE !== 0) {
    throw new Wrong(`expected at most ${PAGE} bytes, or a multiple of ${LARGE_PAGE}, got ${quoted(word)}`);
  }
  return bytes;
}

/** `10b` as the specification writes a code of bits; null for any other word. */
export const binaryNumber = (word: string): number | null =>
  /^[01]{2,8}b$/i.test(word) ? Number.parseInt(word, 2) : null;

/** `P=0 TT=10b`: fields of an entry of a table, by the names of the specification. */
export function fieldWords(table: EntryTable, words: readonly string[]): { field: string; value: string }[] {
  const names = fieldNames(table);
  const fields = words.map((word) => {
    const [field, value = ''] = word.split(/=(.*)/s);
    const known = names.find((name) => name === field.toUpperCase());
    if (known === undefined) throw new Wrong(unexpected(`a field of the ${table} entry`, field, names));
    return { field: known, value: addressWord(binaryNumber(value)?.toString() ?? value) };
  });
  if (fields.length === 0) throw new Wrong(`expected fields such as ${names[0]}=0, got nothing`);
  return fields;
}

/** `ecap.PT=0 iotlb.entries=64`: parameters of the simulation that fit together and this unit. */
export function settingWords(words: readonly string[], unit: PresetName): Overrides {
  try {
    const set: Overrides = Object.assign({}, ...words.map(readSetting));
    checkValues(valuesWith(set), presets[unit]);
    return set;
  } catch (error) {
    throw error instanceof BadSetting ? new Wrong(error.message) : error;
  }
}

/** The text that reads as a setting. */
export const settingText = ([name, value]: readonly [string, unknown]): string =>
  `${name}=${typeof value === 'boolean' ? (value ? 'yes' : 'no') : value}`;

/** A version of Linux whose rules are known. */
export function kernelVersion(word: string | undefined): KernelVersion {
  const version = readVersion(word ?? '');
  if (version === null) {
    throw new Wrong(
      `expected a version of Linux from ${OLDEST_VERSION} to ${NEWEST_VERSION}, got ${quoted(word ?? '')}`,
    );
  }
  return version;
}

export function integer(what: string, word: string, least: number, most: number): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(word) ? Number(word) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new Wrong(`expected ${what} from ${least} to ${most}, got ${quoted(word)}`);
  }
  return value;
}

export function speedFactor(word: string | undefined): number {
  if (word === 'max') return Number.POSITIVE_INFINITY;
  const fraction = /^1\/(\d+)$/.exec(word ?? '');
  const factor = fraction === null ? Number(word) : 1 / Number(fraction[1]);
  if (!(factor >= SPEEDS.slowest && factor <= SPEEDS.fastest)) {
    const got = word === undefined ? 'nothing' : quoted(word);
    throw new Wrong(`expected a speed from 1/16 to 64, max, faster or slower; got ${got}`);
  }
  return factor;
}

export function atMost(words: readonly string[], count: number, example: string): void {
  if (words.length > count) {
    throw new Wrong(
      `expected no more than "${example}" has, got also ${quoted(words.slice(count).join(' '))}`,
    );
  }
}
