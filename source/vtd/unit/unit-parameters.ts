/** Every field of CAP, ECAP and VER as a named parameter: `cap.NFR`, `ecap.PT`, `ver.MAJ`, `dmar.HAW`. */
import { bigToWords, wordsToBig } from '../bits.ts';
import type { Layout } from '../formats/layout.ts';
import type { UnitDescription } from './capabilities.ts';
import { capability, extendedCapability } from './registers.ts';

export type UnitParameterName =
  | `cap.${keyof typeof capability.fields}`
  | `ecap.${keyof typeof extendedCapability.fields}`
  | 'ver.MAJ'
  | 'ver.MIN'
  | 'dmar.HAW';

export type UnitParameter = {
  readonly name: UnitParameterName;
  readonly meaning: string;
  readonly largest: number;
  get(unit: UnitDescription): number;
  /** The unit with another value; what no unit can have shows when it is built, see capabilities(). */
  set(unit: UnitDescription, value: number): UnitDescription;
};

const parametersOf = (register: 'cap' | 'ecap', { ordered, decode, encode }: Layout): UnitParameter[] =>
  ordered.toReversed().map(({ name, high, low, meaning }) => ({
    name: `${register}.${name}` as UnitParameterName,
    meaning,
    largest: 2 ** (high - low + 1) - 1,
    get: (unit) => Number(decode(bigToWords(unit[register], 2))[name]),
    set: (unit, value) => {
      const before = decode(bigToWords(unit[register], 2));
      // Bits that no field names stay as they were read from a real unit.
      const change = wordsToBig(encode({ [name]: value })) ^ wordsToBig(encode({ [name]: before[name] }));
      return { ...unit, [register]: unit[register] ^ change };
    },
  }));

const NIBBLE = 0xf;

export const unitParameters: readonly UnitParameter[] = [
  ...parametersOf('cap', capability),
  ...parametersOf('ecap', extendedCapability),
  {
    name: 'ver.MAJ',
    meaning: 'major version; from 6 on only the queue invalidates',
    largest: NIBBLE,
    get: ({ version }) => version >>> 4,
    set: (unit, value) => ({ ...unit, version: (value << 4) | (unit.version & NIBBLE) }),
  },
  {
    name: 'ver.MIN',
    meaning: 'minor version',
    largest: NIBBLE,
    get: ({ version }) => version & NIBBLE,
    set: (unit, value) => ({ ...unit, version: (unit.version & ~NIBBLE) | value }),
  },
  {
    name: 'dmar.HAW',
    meaning: 'host address width in bits, from the ACPI DMAR table',
    largest: 64,
    get: ({ hostAddressWidth }) => hostAddressWidth,
    set: (unit, value) => ({ ...unit, hostAddressWidth: value }),
  },
];

const byName = new Map<string, UnitParameter>(unitParameters.map((parameter) => [parameter.name, parameter]));

/**
 * A unit with one parameter changed; its name says so.
 *
 * @throws RangeError for a name that does not exist, or a value that does not fit
 */
export function withParameter(unit: UnitDescription, name: string, value: number): UnitDescription {
  const parameter = byName.get(name);
  if (parameter === undefined) throw new RangeError(`a unit has no parameter ${name}`);
  if (!Number.isInteger(value) || value < 0 || value > parameter.largest) {
    throw new RangeError(`${name} is a whole number from 0 to ${parameter.largest}, got ${value}`);
  }
  if (parameter.get(unit) === value) return unit;
  return { ...parameter.set(unit, value), name: `${unit.name} ${name}=${value}` };
}
