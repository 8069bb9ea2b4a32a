/**
 * One declaration for each hardware format. Decoding, encoding, the reserved-bit check, the bit drawings
 * of the inspector and the constants of the fast path all follow from it.
 *
 * What a declaration does not name is reserved: hardware raises a fault if software sets it.
 */
import { bigToWords, wordsToBig } from '../bits.ts';

/** What decides, on a given unit, whether a field exists: its capabilities and its host address width. */
export type Conditions = {
  readonly hostAddressWidth: number;
  readonly DT: boolean;
  readonly DIT: boolean;
  readonly SC: boolean;
  readonly MTS: boolean;
  readonly PRS: boolean;
  readonly EAFS: boolean;
  readonly PASID: boolean;
  readonly PDS: boolean;
  readonly SSADS: boolean;
  readonly SMPWCS: boolean;
  readonly RPRIVS: boolean;
  readonly FS1GP: boolean;
  readonly sslps: number;
  readonly domains: number;
};

/** An `address` is physical and ends at the host address width; an `input` is an address a device asked for. */
type FieldKind = 'value' | 'address' | 'input' | 'ignored';

export type FieldDeclaration = {
  readonly high: number;
  readonly low: number;
  readonly kind: FieldKind;
  readonly meaning: string;
  readonly values?: Readonly<Record<number, string>>;
  /** The field is reserved on units for which this is false. */
  readonly exists?: (conditions: Conditions) => boolean;
  /** How many bits of the field a unit has, where it may have fewer; the upper ones are reserved then. */
  readonly usable?: (conditions: Conditions) => number;
};

export type Field = FieldDeclaration & {
  readonly name: string;
  /** Where the field starts in an array of 32-bit words, for code that reads words directly. */
  readonly word: number;
  readonly shift: number;
  /** Mask after shifting; for fields of at most 32 bits within one word. */
  readonly mask: number;
};

type Options = Pick<FieldDeclaration, 'values' | 'exists' | 'usable'>;

/** A single bit. */
export const bit = (at: number, meaning: string, options: Options = {}): FieldDeclaration => ({
  high: at,
  low: at,
  kind: 'value',
  meaning,
  ...options,
});

/** A bit range, both ends included, in the order of the specification: high, low. */
export const bits = (
  high: number,
  low: number,
  meaning: string,
  options: Options = {},
): FieldDeclaration => ({
  high,
  low,
  kind: 'value',
  meaning,
  ...options,
});

/** A physical address whose bits below `low` are zero; bits at or above the host address width are reserved. */
export const address = (high: number, low: number, meaning: string): FieldDeclaration => ({
  high,
  low,
  kind: 'address',
  meaning,
});

/** An address as a device sees it, whose bits below `low` are zero. */
export const input = (high: number, low: number, meaning: string): FieldDeclaration => ({
  high,
  low,
  kind: 'input',
  meaning,
});

/** Bits that hardware does not look at. */
export const ignored = (high: number, low: number, meaning = 'ignored by hardware'): FieldDeclaration => ({
  high,
  low,
  kind: 'ignored',
  meaning,
});

export type Layout<Name extends string = string> = {
  readonly name: string;
  readonly bits: number;
  /** Where the format is defined. */
  readonly source: string;
  readonly fields: { readonly [N in Name]: Field };
  /** All fields, most significant first. */
  readonly ordered: readonly Field[];
  /** Field values; of an address field the whole address, its low bits zero. */
  decode(words: ArrayLike<number>): { [N in Name]: bigint };
  /** The inverse of decode; fields left out are zero. A value that does not fit throws a RangeError. */
  encode(values: { [N in Name]?: bigint | number }): Int32Array;
  /** The bits that must be zero on a unit with these capabilities, as 32-bit words. */
  reserved(conditions: Conditions): Int32Array;
};

const width = (field: FieldDeclaration): number => field.high - field.low + 1;
const ones = (count: number): bigint => (1n << BigInt(count)) - 1n;

/**
 * Declare a format.
 *
 * @param name what the specification calls it
 * @param size in bits, a multiple of 32
 * @param source the chapter that defines it
 */
export function layout<Name extends string>(
  name: string,
  size: number,
  source: string,
  declarations: Record<Name, FieldDeclaration>,
): Layout<Name> {
  const fields = {} as { [N in Name]: Field };
  let covered = 0n;
  for (const [fieldName, declaration] of Object.entries(declarations) as [Name, FieldDeclaration][]) {
    const range = ones(width(declaration)) << BigInt(declaration.low);
    if (declaration.high >= size || declaration.low > declaration.high || (covered & range) !== 0n) {
      throw new RangeError(`${name}: field ${fieldName} is outside the format or overlaps another`);
    }
    covered |= range;
    const count = Math.min(width(declaration), 32);
    fields[fieldName] = {
      ...declaration,
      name: fieldName,
      word: declaration.low >>> 5,
      shift: declaration.low & 31,
      mask: count === 32 ? -1 : (1 << count) - 1,
    };
  }
  const ordered = (Object.values(fields) as Field[]).sort((a, b) => b.high - a.high);

  function decode(words: ArrayLike<number>) {
    const whole = wordsToBig(words);
    const values = {} as { [N in Name]: bigint };
    for (const field of ordered) values[field.name as Name] = fieldValue(field, whole);
    return values;
  }

  function encode(values: { [N in Name]?: bigint | number }) {
    const words = new Int32Array(size / 32);
    for (const fieldName in values) {
      const field = fields[fieldName];
      const value = values[fieldName] as bigint | number;
      const below = addressShift(field);
      const raw = typeof value === 'number' ? value / 2 ** below : value >> BigInt(below);
      const exact = typeof raw === 'number' ? Number.isInteger(raw) : raw << BigInt(below) === value;
      if (raw < 0 || raw >= 2 ** width(field) || !exact) {
        throw new RangeError(
          `${name}: ${fieldName} has bits ${field.high}:${field.low}, got 0x${value.toString(16)}`,
        );
      }
      // Numbers spare the detour over big integers, which kernels that write a descriptor for every unmap
      // would notice; they are exact up to 2^53, which only the status address of a wait can pass.
      let rest = Number.isSafeInteger(Number(raw)) ? Number(raw) : raw;
      for (let word = field.word, shift = field.shift; rest > 0; word++, shift = 0) {
        if (typeof rest === 'bigint') {
          const room = 32n - BigInt(shift);
          words[word] |= Number(BigInt.asIntN(32, rest << BigInt(shift)));
          rest >>= room;
        } else {
          const room = 2 ** (32 - shift);
          words[word] |= (rest % room) << shift;
          rest = Math.floor(rest / room);
        }
      }
    }
    return words;
  }

  function reserved(conditions: Conditions) {
    let mask = ones(size);
    for (const field of ordered) {
      if (field.exists !== undefined && !field.exists(conditions)) continue;
      let usable = field.usable?.(conditions) ?? width(field);
      if (field.kind === 'address') {
        // An address field names address bits; those at or above the host address width must be zero.
        usable = Math.max(0, conditions.hostAddressWidth - addressShift(field));
      }
      mask &= ~(ones(Math.min(usable, width(field))) << BigInt(field.low));
    }
    return bigToWords(mask & ones(size), size / 32);
  }

  return { name, bits: size, source, fields, ordered, decode, encode, reserved };
}

/**
 * By how much a field is shifted to give its value: none for plain fields. In these formats an address field's
 * position within its 64-bit half is the position of its lowest address bit.
 */
const addressShift = ({ kind, low }: FieldDeclaration): number =>
  kind === 'address' || kind === 'input' ? low % 64 : 0;

/** The value of one field of a whole structure; an address field as the whole address. */
export function fieldValue(field: Field, whole: bigint): bigint {
  return ((whole >> BigInt(field.low)) & ones(width(field))) << BigInt(addressShift(field));
}

/** A listed code of two to four bits as the specification writes it, `10b` for a TT of 2; null for any other field. */
export function codeText({ high, low, values }: FieldDeclaration, value: bigint): string | null {
  const count = high - low + 1;
  return values === undefined || count < 2 || count > 4 ? null : `${value.toString(2).padStart(count, '0')}b`;
}
