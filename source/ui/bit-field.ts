/**
 * An entry drawn bit by bit: positions, names with values, and the bits themselves. Fields that hardware does
 * not look at are drawn as one; long runs of bits keep their ends.
 */
import type { Layout } from '../vtd/formats/layout.ts';
import { fieldsOf, rangeText, type ShownField } from './entry-fields.ts';
import { glyph } from './glyphs.ts';
import { cell, type Row, row, span, widthOf } from './rows.ts';
import type { Token } from './theme/tokens.ts';

type Part = { readonly range: string; readonly label: string; readonly bits: string; readonly token: Token };

/**
 * Three rows, or six where the entry does not fit in one line: its halves below each other.
 *
 * @param culprit the field that decided against a request
 */
export function bitField(layout: Layout, words: readonly number[], width: number, culprit = ''): Row[] {
  const fields = merged(fieldsOf(layout, words));
  const parts = fields.map((field) => part(field, culprit));
  const lines: Part[][] = [[]];
  for (const [i, each] of parts.entries()) {
    const startsHalf = layout.bits === 128 && fields[i].high === 63;
    const line = lines.at(-1)!;
    const fits = lineWidth([...line, each]) <= width;
    if (line.length > 0 && (!fits || (startsHalf && lineWidth(parts) > width))) lines.push([each]);
    else line.push(each);
  }
  return lines.flatMap(drawn);
}

/** The same in one wrapped line of text, for little room: `51:12 ADDR 0x000202000   1 W 1   0 R 1`. */
export function fieldLine(layout: Layout, words: readonly number[], width: number, culprit = ''): Row[] {
  const rows: Row[] = [];
  let line: Row = [];
  let used = 0;
  for (const field of merged(fieldsOf(layout, words))) {
    if (isSilent(field)) continue;
    const text = `${field.name} ${field.text}${field.values ? ` ${field.meaning}` : ''}`;
    const size = rangeText(field).length + 1 + text.length + 3;
    if (used > 0 && used + size > width) {
      rows.push(line);
      line = [];
      used = 0;
    }
    line = [...line, span(`${rangeText(field)} `, 'label'), span(text, tokenOf(field, culprit)), span('   ')];
    used += size;
  }
  return [...rows, line];
}

/** Zero, and nothing that zero would mean; or not looked at. */
const isSilent = ({ kind, value, values }: ShownField): boolean =>
  kind === 'ignored' || (value === 0n && (kind === 'reserved' || !values));

/** Neighbours without meaning become one. */
function merged(fields: readonly ShownField[]): ShownField[] {
  const result: ShownField[] = [];
  for (const field of fields) {
    const last = result.at(-1);
    if (last?.kind === 'ignored' && field.kind === 'ignored' && last.low !== 64) {
      const value = (last.value << BigInt(field.high - field.low + 1)) | field.value;
      result[result.length - 1] = { ...last, low: field.low, value };
    } else {
      result.push(field);
    }
  }
  return result;
}

function tokenOf({ name, kind, value }: ShownField, culprit: string): Token {
  if (name === culprit && name !== '') return 'blocked';
  if (kind === 'reserved') return value === 0n ? 'faint' : 'blocked';
  return kind === 'ignored' ? 'faint' : 'text';
}

function part(field: ShownField, culprit: string): Part {
  const named =
    field.kind === 'ignored' || field.kind === 'reserved' ? field.kind : `${field.name} ${field.text}`;
  const count = field.high - field.low + 1;
  // The label says enough of a single bit without a meaning.
  const label =
    count < 3 && field.kind === 'reserved' ? 'res' : count < 3 && field.kind === 'ignored' ? 'ign' : named;
  const isAddress = field.kind === 'address' || field.kind === 'input';
  const raw = isAddress ? field.value >> BigInt(field.low % 64) : field.value;
  const bits = elided(raw.toString(2).padStart(count, '0'), Math.max(label.length, 9));
  return { range: rangeText(field), label, bits, token: tokenOf(field, culprit) };
}

/** Bits in groups of four from the right; of long ones the ends. */
function elided(bits: string, width: number): string {
  const grouped = bits.replace(/\B(?=(\d{4})+$)/g, ' ');
  if (grouped.length <= width) return grouped;
  const tail = bits.slice(-4);
  return `${bits.slice(0, Math.min(4, width - 5))}${glyph.cut}${tail}`;
}

const partWidth = ({ range, label, bits }: Part): number =>
  Math.max(range.length, widthOf(label), widthOf(bits)) + 2;

const lineWidth = (parts: readonly Part[]): number => parts.reduce((sum, each) => sum + partWidth(each), 0);

function drawn(parts: readonly Part[]): Row[] {
  return [
    row(...parts.map((each) => cell(each.range, partWidth(each), 'label'))),
    row(...parts.map((each) => cell(each.label, partWidth(each), each.token))),
    row(
      ...parts.map((each) => cell(each.bits, partWidth(each), each.token === 'text' ? 'label' : each.token)),
    ),
  ];
}
