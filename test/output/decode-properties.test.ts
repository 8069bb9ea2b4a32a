import fc from 'fast-check';
import { expect, test } from 'vitest';
import { kinds } from '../../source/output/decode/kinds.ts';
import { DecodeError, decode, decodedJson, decodedText } from '../../source/output/decode.ts';
import { fieldValue } from '../../source/vtd/formats/layout.ts';

/** Text or refusal; anything else that is thrown fails the property. */
function output(words: readonly string[]): string {
  try {
    const decoded = decode(words);
    JSON.parse(decodedJson(decoded));
    return decodedText(decoded);
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
    throw error;
  }
}

const value = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((number) => `0x${number.toString(16)}`),
  fc.integer({ min: 0, max: 9 }).map(String),
);
const eightValues = fc.array(value, { minLength: 8, maxLength: 8 });
const odd = fc.string({ unit: 'binary', maxLength: 40 });
const control = fc.integer({ min: 0, max: 0x9f }).map((code) => String.fromCharCode(code));
const kindName = fc.constantFrom(...kinds.map(({ name }) => name));
const piece = fc.oneof(
  odd,
  control,
  value,
  fc.constantFrom('DMAR: ', '[DMA Read', ' NO_PASID]', '[DMA Write]', ' Request device [', '03:00.0', ']'),
  fc.constantFrom(' fault addr ', '0x1000', ' fault index ', '[fault reason ', '[INTR-REMAP]', '__proto__'),
  fc.constantFrom('handling fault status reg ', 'ffffffff', ' PASID ', '\u001b[2J', '\ud800', '\u202e', '\n'),
);
const words = fc.oneof(
  fc.array(odd, { maxLength: 5 }),
  fc.tuple(kindName, fc.array(fc.oneof(value, odd), { maxLength: 4 })).map(([name, rest]) => [name, ...rest]),
  fc.array(piece, { maxLength: 14 }).map((pieces) => [pieces.join('')]),
);

test('any words are decoded or refused, and nothing unprintable comes out', () => {
  fc.assert(
    fc.property(words, (given) => {
      expect(output(given)).not.toMatch(
        /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e]|\p{Surrogate}/u,
      );
    }),
    { numRuns: 2000 },
  );
});

test('any message with a device, an address and a reason is decoded', () => {
  const hex = (max: number) => fc.integer({ min: 0, max }).map((number) => number.toString(16));
  const reason = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(
      hex(0x1f),
      hex(2 ** 31 - 1),
      reason,
      fc.boolean(),
      fc.string(),
      (device, at, code, old, text) => {
        const printed = old ? String(code).padStart(2, '0') : `0x${code.toString(16).padStart(2, '0')}`;
        const type = old ? '[DMA Read]' : '[DMA Read NO_PASID]';
        const line = `DMAR: ${type} Request device [03:${device.padStart(2, '0')}.1] fault addr 0x${at} [fault reason ${printed}] ${text}`;
        const { fields } = decode([line]);
        expect(fields.map((field) => field.value)).toEqual([
          `03:${device.padStart(2, '0')}.1`,
          'read',
          `0x${at}`,
          `0x${code.toString(16).padStart(2, '0')}`,
        ]);
      },
    ),
  );
});

test('fields and reserved bits together are the value', () => {
  fc.assert(
    fc.property(kindName, fc.integer({ min: 1, max: 5 }), eightValues, (name, level, values) => {
      const kind = kinds.find((candidate) => candidate.name === name)!;
      const size = BigInt(kind.bits / kind.parameters.length);
      const cut = (text: string) => `0x${(BigInt(text) & ((1n << size) - 1n)).toString(16)}`;
      const parts = values.slice(0, kind.parameters.length).map(cut);
      const decoded = decode([name, ...(kind.hasLevel ? [String(level)] : []), ...parts]);
      const whole = parts.reduce((sum, text, i) => sum | (BigInt(text) << (size * BigInt(i))), 0n);
      const word = (i: number) => Number((whole >> BigInt(32 * i)) & 0xffff_ffffn) | 0;
      const layout = kind.layoutOf(word(0), level, word(1));
      for (const field of decoded.fields) {
        const declared = layout.ordered.find((candidate) => candidate.name === field.name)!;
        expect(BigInt(field.value)).toBe(fieldValue(declared, whole));
      }
      const position = (bits: string) => BigInt(bits.split(':').at(-1)!);
      const named = [
        ...layout.ordered.map((field) => {
          const ones = (1n << BigInt(field.high - field.low + 1)) - 1n;
          return whole & (ones << BigInt(field.low));
        }),
        ...decoded.reserved.map((range) => BigInt(range.value) << position(range.bits)),
      ];
      expect(named.reduce((sum, part) => sum | part, 0n)).toBe(whole);
    }),
  );
});
