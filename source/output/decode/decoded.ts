/** What `dmascope decode` finds out, as plain data: the text and the JSON are both made of it. */

import { printable } from '../../commands/printable.ts';
import type { Layout } from '../../vtd/formats/layout.ts';

export type DecodedField = {
  readonly name: string;
  /** Where it lies, `63:12`; null for a word of a kernel message. */
  readonly bits: string | null;
  readonly value: string;
  readonly meaning: string;
};

/** Bits that are set and must not be. */
export type ReservedBits = {
  readonly bits: string;
  readonly value: string;
  /** The units, by the names of their presets, on which these bits are reserved. */
  readonly units: readonly string[];
};

export type Decoded = {
  /** The first word of the command line that asks for it, or `kernel-message`. */
  readonly kind: string;
  /** What the specification calls it. */
  readonly name: string;
  /** Where it is defined. */
  readonly source: string;
  /** What was decoded: qwords, low first, or the message. */
  readonly raw: readonly string[];
  /** In which order several qwords were given; null where there is one, or a message. */
  readonly order: 'low first' | 'high first' | null;
  /** Most significant first. */
  readonly fields: readonly DecodedField[];
  readonly reserved: readonly ReservedBits[];
  /** What it says, in sentences. */
  readonly means: readonly string[];
  /** For a fault: what usually leads to it. */
  readonly causes: readonly string[];
  /** For a fault: what to look at on the machine. */
  readonly look: readonly string[];
};

/** What is to be explained: a value read by its layout. */
export type Subject = {
  readonly layout: Layout;
  readonly words: Int32Array;
  readonly values: Readonly<Record<string, bigint>>;
  /** Of a paging entry; 0 for everything else. */
  readonly level: number;
};

/** What one kind of thing adds to its fields. */
export type Explanation = {
  readonly means: readonly string[];
  readonly causes?: readonly string[];
  readonly look?: readonly string[];
  /** What follows from reserved bits that are set, as a part of a sentence. */
  readonly ifReserved: string;
};

/** The words are nothing that can be decoded: wrong usage, not a failure of the program. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';

  constructor(message: string) {
    // A message quotes what came from outside; only line breaks of its own survive.
    super(message.split('\n').map(printable).join('\n'));
  }
}
