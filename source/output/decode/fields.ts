/** The fields of a value, read and named by its declared layout. */
import { wordsToBig } from '../../vtd/bits.ts';
import { codeText, type Field, fieldValue, type Layout } from '../../vtd/formats/layout.ts';
import { bdf } from '../../vtd/source-id.ts';
import { faultReasonText, queueErrorText } from './codes.ts';
import type { DecodedField } from './decoded.ts';

/** Fields whose values are listed elsewhere than in the layout. */
const listedElsewhere: Readonly<Record<string, (value: number) => string | null>> = {
  FR: (code) => (code === 0 ? null : faultReasonText(code)),
  IQEI: queueErrorText,
  SID: bdf,
  ITESID: (id) => (id === 0 ? null : bdf(id)),
  ICESID: (id) => (id === 0 ? null : bdf(id)),
};

export const hexText = (value: bigint): string => `0x${value.toString(16)}`;

export const rangeText = (high: number, low: number): string =>
  high === low ? String(high) : `${high}:${low}`;

/** All named fields, most significant first. */
export function decodeFields(layout: Layout, words: ArrayLike<number>): DecodedField[] {
  const whole = wordsToBig(words);
  return layout.ordered.map((field) => decodeField(field, fieldValue(field, whole)));
}

function decodeField(field: Field, value: bigint): DecodedField {
  const { name, high, low, kind, meaning, values } = field;
  const says = values?.[Number(value)] ?? listedElsewhere[name]?.(Number(value)) ?? null;
  const code = codeText(field, value);
  const what = code === null ? meaning : `${meaning} ${code}`;
  // Flags and small counts read best in decimal, the rest is looked up or compared with a dump.
  const isHex = kind === 'address' || kind === 'input' || high - low >= 7;
  return {
    name,
    bits: rangeText(high, low),
    value: isHex ? hexText(value) : value.toString(),
    // Where the value says it all, as in `present: not present`, the field need not.
    meaning: says === null ? what : says.includes(meaning) ? says : `${what}: ${says}`,
  };
}
