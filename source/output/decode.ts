/**
 * `dmascope decode`: a raw entry, register, descriptor, fault record or kernel message in words, without a
 * simulation.
 */

import { quoted } from '../commands/printable.ts';
import { nearest } from '../linux/nearest.ts';
import { bigToWords } from '../vtd/bits.ts';
import type { Layout } from '../vtd/formats/layout.ts';
import { type Decoded, DecodeError } from './decode/decoded.ts';
import { otherDescriptor } from './decode/explain-descriptor.ts';
import { decodeFields } from './decode/fields.ts';
import { decodeMessage, messageForms } from './decode/kernel-message.ts';
import { type Kind, kindNamed, kindNames, kinds } from './decode/kinds.ts';
import { readLevel, readValue } from './decode/read-value.ts';
import { reservedBits, reservedSentences } from './decode/reserved.ts';

export { type Decoded, DecodeError } from './decode/decoded.ts';
export { decodedJson, decodedObject, decodedText } from './decode/render.ts';

/** What can be decoded, one a line. */
export const usages = (): readonly string[] => [...kinds.map(({ usage }) => usage), ...messageForms];

/**
 * Explain the words of a command line: a kind and its values, or a kernel message.
 *
 * @throws DecodeError if they are neither; its message says what was expected, what came and what there is
 */
export function decode(words: readonly string[]): Decoded {
  const text = words.join(' ').trim();
  const [first, ...rest] = text.split(/\s+/);
  const kind = kindNamed(first);
  if (kind !== null) return decodeValues(kind, rest);
  const message = decodeMessage(text);
  if (message !== null) return message;
  throw new DecodeError(`${unknownKind(first, rest)}\n${knownKinds()}`);
}

function decodeValues(kind: Kind, words: readonly string[]): Decoded {
  const given = kind.hasLevel ? words.slice(1) : words;
  const order = orderOf(kind, given);
  const values = order === 'high first' ? given[0].split(':').reverse() : given;
  if (
    (kind.hasLevel && words.length === 0) ||
    values.length < kind.required ||
    values.length > kind.parameters.length
  ) {
    throw new DecodeError(`expected ${kind.usage}, got ${quoted([kind.name, ...words].join(' '))}`);
  }
  const level = kind.hasLevel ? readLevel(words[0]) : 0;
  const size = kind.bits / kind.parameters.length;
  const parts = kind.parameters.map((name, i) => readValue(values[i] ?? '0', name, size));
  const read = readParts(kind, parts, level);
  const { layout, raw, reserved } = read;
  const {
    means,
    causes = [],
    look = [],
    ifReserved,
  } = kind.explain({
    layout,
    words: raw,
    values: layout.decode(raw),
    level,
  });
  return {
    kind: kind.name,
    name: layout.name,
    source: layout.source,
    raw: parts.map((value) => hexDigits(value, size)),
    order,
    fields: decodeFields(layout, raw),
    reserved,
    means: [...exchanged(kind, parts, read), ...means, ...reservedSentences(reserved, ifReserved)],
    causes,
    look,
  };
}

/** `HI:LO` is how debugfs prints a structure; several words are a dump of memory. */
function orderOf(kind: Kind, values: readonly string[]): Decoded['order'] {
  if (kind.bits <= 64 || kind.bits / kind.parameters.length !== 64) return null;
  return values.length === 1 && values[0].includes(':') ? 'high first' : 'low first';
}

type Read = { readonly layout: Layout; readonly raw: Int32Array; readonly reserved: Decoded['reserved'] };

function readParts(kind: Kind, parts: readonly bigint[], level: number): Read {
  const size = BigInt(kind.bits / kind.parameters.length);
  const whole = parts.reduce((sum, value, i) => sum | (value << (size * BigInt(i))), 0n);
  const raw = bigToWords(whole, kind.bits / 32);
  const layout = kind.layoutOf(raw[0], level, raw[1] ?? 0);
  return { layout, raw, reserved: reservedBits(layout, raw, kind.units) };
}

/** Two halves that make no sense as they stand, and do the other way round, were most likely copied so. */
function exchanged(kind: Kind, parts: readonly bigint[], read: Read): string[] {
  if (kind.parameters.join(' ') !== 'LO HI' || isSound(read)) return [];
  if (!isSound(readParts(kind, parts.toReversed(), 0))) return [];
  const turned = parts.map((value) => hexDigits(value, 64)).join(':');
  return [
    `It makes no sense in this order, and would in the other: decode ${kind.name} ${turned} reads it high first.`,
  ];
}

/** Whether hardware would go by it: present, of a type that there is, and no reserved bit set anywhere. */
function isSound({ layout, raw, reserved }: Read): boolean {
  const { P, F, LP, UP } = layout.decode(raw);
  const present = P ?? F ?? (LP === undefined ? 1n : LP | UP);
  return present === 1n && reserved.length === 0 && layout !== otherDescriptor;
}

const hexDigits = (value: bigint, bits: number): string => `0x${value.toString(16).padStart(bits / 4, '0')}`;

function unknownKind(word: string, rest: readonly string[]): string {
  const expected = 'expected what to decode and its values, or a kernel message in quotes';
  const got = quoted([word, ...rest].join(' '));
  if (/^(0x)?[0-9a-f]+$/i.test(word)) return `${expected}; got ${got}. What kind of value is it?`;
  // A long text is no misspelt word, and comparing it would take long.
  const meant =
    word.length > 20
      ? null
      : nearest(
          word,
          kinds.map(({ name }) => name),
        );
  return `${expected}; got ${got}${meant === null ? '' : `. Did you mean ${meant}?`}`;
}

function knownKinds(): string {
  const { formats, registers } = kindNames;
  return [
    ...wrapped('It knows', formats),
    ...wrapped('registers', registers),
    'and kernel messages about faults. dmascope decode --help has what each of them takes.',
  ].join('\n');
}

const WIDTH = 100;

/** Words with commas, in lines. */
function wrapped(title: string, words: readonly string[]): string[] {
  const lines = [`${title}:`];
  words.forEach((word, i) => {
    const next = ` ${word}${i < words.length - 1 ? ',' : ''}`;
    if ((lines.at(-1)?.length ?? 0) + next.length > WIDTH) lines.push(`  ${next}`);
    else lines[lines.length - 1] += next;
  });
  return lines;
}
