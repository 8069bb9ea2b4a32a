/** The address of a request, cut into the indices of its walk, the one of the current step marked. */
import type { Transaction } from '../../simulation/snapshot.ts';
import { hexText } from '../format.ts';
import { blank, cell, type Row, span } from '../rows.ts';
import { type IndexGroup, indexGroups, secondStageShape, walkShape } from '../walk-indices.ts';

const widestGap = 3;

export function addressBits(transaction: Transaction, at: number, width: number, roomy: boolean): Row[] {
  const { steps, outcome } = transaction;
  // Inside the second stage of a nested walk it is the guest-physical address that is cut.
  const below = secondStageShape(transaction, at);
  const shape = below ?? walkShape(transaction);
  if (shape === null) return [];
  const address = below === null ? transaction.address : hexText(BigInt(steps[at].guest?.address ?? 0));
  // At the end the offset chooses the byte; a refused request never came so far.
  const atEnd = at === steps.length && outcome !== 'blocked';
  const step = steps[Math.min(at, steps.length - 1)];
  const isEntry = step?.stage === 'first-stage entry' || step?.stage === 'paging entry';
  const current = atEnd ? 0 : isEntry ? step.level : -1;
  const groups = indexGroups(address, shape.levels, shape.leaf);
  // Where the groups do not fit, the bits lose their spaces, and then the groups their distance.
  const fits = (list: readonly IndexGroup[], gap: number): boolean =>
    list.reduce((sum, group) => sum + sizeOf(group) + gap, gap) <= width;
  const shown = fits(groups, widestGap) ? groups : groups.map(tight);
  const gap = fits(shown, widestGap) ? widestGap : 1;
  const line = (text: (group: IndexGroup) => string, token: 'text' | 'label'): Row => [
    span(' '.repeat(gap)),
    ...shown.flatMap((group) => {
      const isCurrent = group.level === current;
      const style = { inverse: isCurrent };
      return [cell(text(group), sizeOf(group), isCurrent ? 'text' : token, style), span(' '.repeat(gap))];
    }),
  ];
  const ranges = roomy ? [line(({ high, low }) => `${high}:${low}`, 'label')] : [];
  return [...ranges, line(({ label }) => label, 'text'), line(({ bits }) => bits, 'label'), blank];
}

const sizeOf = ({ bits, label }: IndexGroup): number => Math.max(bits.length, label.length);

const tight = (group: IndexGroup): IndexGroup => ({ ...group, bits: group.bits.replaceAll(' ', '') });
