/** How a parameter of the simulation is declared: once, with all that anybody wants to know of it. */

/** A figure. */
export type NumberParameter = {
  readonly kind: 'number';
  readonly meaning: string;
  /** `ns`, `entries`, `cycles`, `Gb/s` … ; empty for a mere number. */
  readonly unit: string;
  readonly default: number;
  readonly least: number;
  readonly most: number;
  readonly isWhole: boolean;
  /** Where the default comes from. */
  readonly source: string;
};

/** One of some words. */
export type ChoiceParameter<W extends string = string> = {
  readonly kind: 'choice';
  readonly meaning: string;
  readonly choices: readonly W[];
  readonly default: W;
  readonly source: string;
};

/** A field of a register of the unit: a whole number whose default is whatever the chosen unit has. */
export type FieldParameter = {
  readonly kind: 'field';
  readonly meaning: string;
  readonly default: null;
  readonly most: number;
  readonly source: string;
};

export type Parameter = NumberParameter | ChoiceParameter | FieldParameter;

type Description = { readonly meaning: string; readonly source: string };
type Figure = Description & { readonly default: number; readonly least?: number; readonly most: number };

/** A figure that may have decimals. */
export const figure = (unit: string, { least = 0, ...rest }: Figure): NumberParameter => ({
  kind: 'number',
  unit,
  least,
  isWhole: false,
  ...rest,
});

/** A whole number of something. */
export const count = (unit: string, { least = 1, ...rest }: Figure): NumberParameter => ({
  kind: 'number',
  unit,
  least,
  isWhole: true,
  ...rest,
});

/** A field of a register. */
export const field = (rest: Description & { readonly most: number }): FieldParameter => ({
  kind: 'field',
  default: null,
  ...rest,
});

/** One of some words. */
export const choice = <const W extends string>(
  choices: readonly W[],
  rest: Description & { readonly default: NoInfer<W> },
): ChoiceParameter<W> => ({ kind: 'choice', choices, ...rest });

/** The values of a group of declarations: figures as numbers, choices as words, fields null for the unit's own. */
export type ValuesOf<D> = {
  readonly [N in keyof D]: D[N] extends ChoiceParameter<infer W>
    ? W
    : D[N] extends FieldParameter
      ? number | null
      : number;
};
