/**
 * Where things stand: a pure function of columns and rows, never of the data, so that nothing jumps when
 * numbers change.
 *
 *     ┌ header: name, boot line ─────────────────────────────── state, speed, time, seed ┐  1
 *     │ tabs ──────────────────────────────────────────────────────── phase of a trace   │  1
 *     ├ devices ┬ view ──────────────────────────────────────────────┬ inspector ────────┤
 *     │ from    │ the same body at every size, with more rows        │ from 180x50:      │
 *     │ 130x36  │                                                    │ the selected      │
 *     │         │                                                    │ thing, decoded    │
 *     ├ hint, or what came of the last action ───────────────────────────────────────────┤  3 to 4
 *     └ footer: keys of this view ──────────────────────────────────────── pause, help ──┘  1
 *
 * Between two tiers the lower one is used and its body gets more rows. Nothing grows wider than 200 columns.
 */
export type Tier = 'small' | 'compact' | 'normal' | 'rail' | 'wide';

export type Screen = {
  readonly tier: Tier;
  readonly columns: number;
  readonly rows: number;
  /** Columns that are drawn; the rest of a very wide window stays empty. */
  readonly width: number;
  /** Rows between tabs and footer. */
  readonly body: number;
  /** Columns of the device rail, 0 for none. */
  readonly rail: number;
  readonly inspector: number;
  /** Rows that a notice may take. */
  readonly notice: number;
};

/** Smallest window of each tier, from the largest down. */
const tiers: readonly { readonly tier: Tier; readonly columns: number; readonly rows: number }[] = [
  { tier: 'wide', columns: 180, rows: 50 },
  { tier: 'rail', columns: 130, rows: 36 },
  { tier: 'normal', columns: 100, rows: 30 },
  { tier: 'compact', columns: 60, rows: 20 },
  { tier: 'small', columns: 0, rows: 0 },
];

export const smallest = tiers[3];

const widest = 200;
const railWidth = 28;
const inspectorWidth = 60;
/** Header, tabs and footer. */
const frameRows = 3;

export function screenOf(columns: number, rows: number): Screen {
  const found = tiers.find((each) => columns >= each.columns && rows >= each.rows);
  const tier = found?.tier ?? 'small';
  return {
    tier,
    columns,
    rows,
    width: Math.min(columns, widest),
    body: Math.max(0, rows - frameRows),
    rail: tier === 'rail' || tier === 'wide' ? railWidth : 0,
    inspector: tier === 'wide' ? inspectorWidth : 0,
    notice: tier === 'compact' ? 3 : 4,
  };
}

/** A part of the screen that a view or a panel fills. */
export type Area = {
  readonly tier: Tier;
  readonly width: number;
  readonly height: number;
  /** Whether there is room for long forms: from 100x30. */
  readonly roomy: boolean;
};

export const areaOf = (screen: Screen, width: number, height: number): Area => ({
  tier: screen.tier,
  width,
  height,
  roomy: screen.tier !== 'compact' && screen.tier !== 'small',
});
