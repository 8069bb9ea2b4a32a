/** What was decoded, for people and for programs. */
import type { Decoded, DecodedField } from './decoded.ts';

/** For programs; `schema` counts up when the shape changes incompatibly. */
export const decodedObject = (decoded: Decoded): { readonly schema: 1 } & Decoded => ({
  schema: 1,
  ...decoded,
  fields: decoded.fields.map((field) => ({ ...field, value: numberText(field) })),
});

export const decodedJson = (decoded: Decoded): string =>
  `${JSON.stringify(decodedObject(decoded), null, 2)}\n`;

/** People read small counts in decimal; for programs every number is hexadecimal. */
const numberText = ({ bits, value }: DecodedField): string =>
  bits === null ? value : `0x${BigInt(value).toString(16)}`;

/** For people: what it is, what it says, its fields. */
export function decodedText({
  name,
  source,
  raw,
  order,
  fields,
  reserved,
  means,
  causes,
  look,
}: Decoded): string {
  const set = reserved.map(
    ({ bits, value, units }): DecodedField => ({
      name: 'reserved',
      bits,
      value,
      meaning: `reserved on ${units.join(', ')}`,
    }),
  );
  const parts = [
    [`${name} (${source})`, ...(raw.length > 0 ? [rawText(raw, order)] : [])],
    table(byPosition([...fields, ...set])),
    means,
    section('Likely causes', causes),
    section('Look at', look),
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

/** The values in the order in which they were given, and which that was. */
function rawText(raw: readonly string[], order: Decoded['order']): string {
  if (order === null) return raw.join(' ');
  return order === 'low first'
    ? `${raw.join(' ')}  (low first)`
    : `${raw.toReversed().join(':')}  (high first, as debugfs prints it)`;
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];

/** Most significant first; words of a message stay in their order. */
const byPosition = (fields: readonly DecodedField[]): DecodedField[] =>
  fields.toSorted((a, b) => Number.parseInt(b.bits ?? '0', 10) - Number.parseInt(a.bits ?? '0', 10));

function table(fields: readonly DecodedField[]): string[] {
  const rows = fields.map(({ bits, name, value, meaning }) => [
    ...(bits === null ? [] : [bits]),
    name,
    value,
    meaning,
  ]);
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column])).join('  ')}`.trimEnd(),
  );
}
