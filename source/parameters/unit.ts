/** What the unit offers, field by field, and how it reads what the specification leaves open. */
import { capabilities, type UnitDescription } from '../vtd/unit/capabilities.ts';
import { type Uncertain, type UncertainName, uncertainNames, uncertainties } from '../vtd/unit/uncertain.ts';
import { type UnitParameterName, unitParameters, withParameter } from '../vtd/unit/unit-parameters.ts';
import { type ChoiceParameter, choice, type FieldParameter, field, type ValuesOf } from './declaration.ts';

const sourceOf = (name: string): string =>
  name.startsWith('dmar.') ? 'ACPI DMAR table' : `${name.split('.')[0].toUpperCase()}_REG of the unit`;

/** Fields of the unit's registers; by default those of the unit that `--unit` names. */
export const fieldParameters = Object.fromEntries(
  unitParameters.map(({ name, meaning, largest }) => [
    name,
    field({ meaning, most: largest, source: sourceOf(name) }),
  ]),
) as Record<UnitParameterName, FieldParameter>;

type SwitchName = `uncertain.${UncertainName}`;

const switchName = (name: UncertainName): SwitchName => `uncertain.${name}`;

export const uncertainParameters = Object.fromEntries(
  uncertainNames.map((name) => {
    const open = uncertainties[name];
    const { meaning, source } = open;
    const declared =
      'choices' in open
        ? choice<string>(open.choices, { meaning, default: open.default, source })
        : choice<string>(['yes', 'no'], { meaning, default: open.default ? 'yes' : 'no', source });
    return [switchName(name), declared];
  }),
) as Record<SwitchName, ChoiceParameter>;

/** A unit with the fields that were set. Throws a RangeError where no unit can be so, with all reasons. */
export function unitOf(unit: UnitDescription, values: ValuesOf<typeof fieldParameters>): UnitDescription {
  let changed = unit;
  for (const { name } of unitParameters) {
    const value = values[name];
    if (value !== null) changed = withParameter(changed, name, value);
  }
  capabilities(changed);
  return changed;
}

export const uncertainOf = (values: ValuesOf<typeof uncertainParameters>): Uncertain =>
  Object.fromEntries(
    uncertainNames.map((name) => {
      const value = values[switchName(name)];
      return [name, 'choices' in uncertainties[name] ? value : value === 'yes'];
    }),
  ) as unknown as Uncertain;
