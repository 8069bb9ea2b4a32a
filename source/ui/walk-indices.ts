/** How an address is cut into the indices of a walk: nine bits a level, and the offset into the page. */
import type { Transaction } from '../simulation/snapshot.ts';
import { contextEntry, TranslationType } from '../vtd/formats/context-entry.ts';
import { levelName, PAGE_SIZE } from '../vtd/formats/paging-entry.ts';
import { PageTableType, pasidTableEntry } from '../vtd/formats/pasid-table-entry.ts';
import type { Step } from '../vtd/translation/step.ts';
import { hexText } from './format.ts';

export type IndexGroup = {
  /** 5 to 1; 0 is the offset. */
  readonly level: number;
  readonly high: number;
  readonly low: number;
  readonly value: bigint;
  /** `PDPT 0`, `offset 0xa40`. */
  readonly label: string;
  readonly bits: string;
};

/** Bit of an address at which the index of a level begins. */
export const levelShift = (level: number): number => 12 + 9 * (level - 1);

export function indexGroups(address: string, levels: number, leaf: number): IndexGroup[] {
  const whole = BigInt(address);
  const groups: IndexGroup[] = [];
  for (let level = levels; level >= leaf; level--) {
    const low = levelShift(level);
    const value = (whole >> BigInt(low)) & 0x1ffn;
    groups.push({
      level,
      high: low + 8,
      low,
      value,
      label: `${levelName(level)} ${value}`,
      bits: grouped(value, 9),
    });
  }
  const count = levelShift(leaf);
  const offset = whole & ((1n << BigInt(count)) - 1n);
  return [
    ...groups,
    {
      level: 0,
      high: count - 1,
      low: 0,
      value: offset,
      label: `offset ${hexText(offset)}`,
      bits: grouped(offset, count),
    },
  ];
}

const grouped = (value: bigint, count: number): string =>
  value
    .toString(2)
    .padStart(count, '0')
    .replace(/\B(?=(\d{4})+$)/g, ' ');

export type WalkShape = { readonly levels: number; readonly leaf: number };

/** How many levels the tables of a request have, and at which it found a page; null if it was not translated. */
export function walkShape({ steps, outcome }: Pick<Transaction, 'steps' | 'outcome'>): WalkShape | null {
  if (outcome === 'passed' || outcome === 'untranslated' || outcome === 'peer-to-peer') return null;
  const levels = levelsOf(steps);
  if (levels === null) return null;
  const cached = steps.find(({ stage, verdict }) => stage === 'IOTLB' && verdict === 'hit');
  if (cached !== undefined) return { levels, leaf: cached.level };
  // Where stages are nested the address is that of the first.
  const hasFirst = steps.some(({ stage }) => stage === 'first-stage entry');
  return { levels, leaf: leafLevel(steps, hasFirst ? 'first-stage entry' : 'paging entry') };
}

/** The same for the walk of the second stage to which a step of a nested walk belongs; null for other steps. */
export function secondStageShape({ steps }: Pick<Transaction, 'steps'>, at: number): WalkShape | null {
  const guest = steps[at]?.guest ?? null;
  const entry = pasidEntry(steps);
  if (guest === null || entry === null || !isSecondStage(steps[at])) return null;
  const mine = steps.filter((step) => step.guest?.level === guest.level && isSecondStage(step));
  return { levels: Number(pasidTableEntry.decode(entry).AW) + 2, leaf: leafLevel(mine, 'paging entry') };
}

/** Whether a step is one of the second stage below a guest's tables. */
export const isSecondStage = ({ stage, guest }: Step): boolean =>
  guest !== null && stage !== 'first-stage entry' && stage !== 'first-stage cache';

function levelsOf(steps: readonly Step[]): number | null {
  const entry = pasidEntry(steps);
  if (entry !== null) {
    const { P, PGTT, AW, FSPM } = pasidTableEntry.decode(entry);
    if (P === 0n || Number(PGTT) === PageTableType.PASS_THROUGH) return null;
    return Number(PGTT) === PageTableType.SECOND_STAGE ? Number(AW) + 2 : 4 + Number(FSPM);
  }
  const context = steps.find(({ stage, words }) => /context/.test(stage) && words.length === 4);
  if (context === undefined) return null;
  const { P, TT, AW } = contextEntry.decode(context.words);
  return P === 0n || Number(TT) === TranslationType.PASS_THROUGH ? null : Number(AW) + 2;
}

/** The words of the PASID table entry that a request used, from memory or from the cache. */
const pasidEntry = (steps: readonly Step[]): readonly number[] | null =>
  steps.find(({ stage, words }) => /^PASID (table|cache)/.test(stage) && words.length > 0)?.words ?? null;

function leafLevel(steps: readonly Step[], stage: Step['stage']): number {
  const large = steps.find(
    (step) =>
      step.stage === stage && step.level > 1 && step.level < 4 && ((step.words[0] ?? 0) & PAGE_SIZE) !== 0,
  );
  return large?.level ?? 1;
}

/** An address whose index at a level is another one; the bits below become zero. */
export function withIndex(address: string, level: number, index: number): string {
  const low = BigInt(levelShift(level));
  const above = (BigInt(address) >> (low + 9n)) << (low + 9n);
  return hexText(above | (BigInt(index) << low));
}

export const indexAt = (address: string, level: number): number =>
  Number((BigInt(address) >> BigInt(levelShift(level))) & 0x1ffn);
