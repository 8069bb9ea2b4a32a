/** Reserved bits that are set, and the units on which they are reserved. */
import { wordsToBig } from '../../vtd/bits.ts';
import type { Layout } from '../../vtd/formats/layout.ts';
import { type Capabilities, capabilities, presets } from '../../vtd/unit/capabilities.ts';
import type { ReservedBits } from './decoded.ts';
import { hexText, rangeText } from './fields.ts';

/** Units that values of legacy mode are held against: a real client and QEMU's two. */
const checked = ['skylake', 'qemu-39', 'qemu'] as const;

const units = checked
  .map((name) => [name, presets[name]] as const)
  .map(([name, description]) => ({
    name,
    capabilities: capabilities(description),
  }));

export type Unit = { readonly name: string; readonly capabilities: Capabilities };

/** `skylake, qemu-39`: the units for which something holds; an empty text if it holds for none. */
export const unitsWhere = (holds: (unit: Unit) => boolean): string =>
  units
    .filter(holds)
    .map(({ name }) => name)
    .join(', ');

/**
 * Ranges of reserved bits that are not zero, most significant first.
 *
 * @param among the units to hold it against: which bits exist depends on widths and capabilities
 */
export function reservedBits(
  layout: Layout,
  words: ArrayLike<number>,
  among: readonly Unit[] = units,
): ReservedBits[] {
  const whole = wordsToBig(words);
  const masks = among.map((unit) => wordsToBig(layout.reserved(unit.capabilities)));
  const reservedOn = (bit: number) =>
    masks.reduce((set, mask, i) => set | (Number((mask >> BigInt(bit)) & 1n) << i), 0);

  const found: ReservedBits[] = [];
  for (let high = layout.bits - 1, low: number; high >= 0; high = low - 1) {
    const set = reservedOn(high);
    for (low = high; low > 0 && reservedOn(low - 1) === set; ) low--;
    const value = (whole >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
    if (set === 0 || value === 0n) continue;
    const names = among.filter((_, i) => ((set >> i) & 1) !== 0).map(({ name }) => name);
    found.push({ bits: rangeText(high, low), value: hexText(value), units: names });
  }
  return found;
}

/** A sentence for each group of units. */
export function reservedSentences(found: readonly ReservedBits[], consequence: string): string[] {
  const byUnits = Map.groupBy(found, ({ units }) => units.join(', '));
  return [...byUnits].map(([names, ranges]) => {
    const bits = ranges.map((range) => range.bits).join(', ');
    const one = ranges.length === 1 && !bits.includes(':');
    return `Reserved ${one ? 'bit' : 'bits'} ${bits} set: on ${names} ${consequence}.`;
  });
}
