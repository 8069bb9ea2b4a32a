/** How an address is cut into the indices of a walk: nine bits a level, and the offset into the page. */
import type { Transaction } from '../simulation/snapshot.ts';
import { contextEntry } from '../vtd/context-entry.ts';
import { levelName, PAGE_SIZE } from '../vtd/paging-entry.ts';
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

/** How many levels the tables of a request have, and at which it found a page; null if it was not translated. */
export function walkShape({ steps, outcome }: Transaction): { levels: number; leaf: number } | null {
  const context = steps.find(({ stage, words }) => /context/.test(stage) && words.length === 4);
  const type = context && Number(contextEntry.decode(context.words).TT);
  if (context === undefined || type === 2 || outcome === 'passed' || outcome === 'untranslated') return null;
  if (contextEntry.decode(context.words).P === 0n) return null;
  const levels = Number(contextEntry.decode(context.words).AW) + 2;
  const cached = steps.find(({ stage, verdict }) => stage === 'IOTLB' && verdict === 'hit');
  if (cached !== undefined) return { levels, leaf: cached.level };
  const entries = steps.filter(({ stage }) => stage === 'paging entry');
  const large = entries.find(
    ({ level, words }) => level > 1 && level < 4 && ((words[0] ?? 0) & PAGE_SIZE) !== 0,
  );
  return { levels, leaf: large?.level ?? 1 };
}

/** An address whose index at a level is another one; the bits below become zero. */
export function withIndex(address: string, level: number, index: number): string {
  const low = BigInt(levelShift(level));
  const above = (BigInt(address) >> (low + 9n)) << (low + 9n);
  return hexText(above | (BigInt(index) << low));
}

export const indexAt = (address: string, level: number): number =>
  Number((BigInt(address) >> BigInt(levelShift(level))) & 0x1ffn);
