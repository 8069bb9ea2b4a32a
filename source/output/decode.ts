/**
 * `dmascope decode`: a raw entry, register, descriptor, fault record or kernel message in words, without a
 * simulation.
 */

import { quoted } from '../commands/printable.ts';
import { nearest } from '../linux/nearest.ts';
import { bigToWords } from '../vtd/bits.ts';
import { type Decoded, DecodeError } from './decode/decoded.ts';
import { decodeFields } from './decode/fields.ts';
import { decodeMessage, messageForms } from './decode/kernel-message.ts';
import { type Kind, kindNamed, kinds } from './decode/kinds.ts';
import { readLevel, readValue } from './decode/read-value.ts';
import { reservedBits, reservedSentences } from './decode/reserved.ts';

export { type Decoded, DecodeError } from './decode/decoded.ts';
export { decodedJson, decodedText } from './decode/render.ts';

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
  const values = kind.hasLevel ? words.slice(1) : words;
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
  const whole = parts.reduce((sum, value, i) => sum | (value << BigInt(size * i)), 0n);
  const raw = bigToWords(whole, kind.bits / 32);
  const layout = kind.layoutOf(raw[0], level, raw[1] ?? 0);
  const reserved = reservedBits(layout, raw);
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
    raw: parts.map((value) => `0x${value.toString(16).padStart(size / 4, '0')}`),
    fields: decodeFields(layout, raw),
    reserved,
    means: [...means, ...reservedSentences(reserved, ifReserved)],
    causes,
    look,
  };
}

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

const knownKinds = (): string =>
  ['It knows:', ...[...kinds.map(({ usage }) => usage), ...messageForms].map((line) => `  ${line}`)].join(
    '\n',
  );
