/** The recent requests of the chosen device, the newest first, to choose one from. */
import type { InterruptState, Transaction } from '../../simulation/snapshot.ts';
import { bytes, frame, iova, reasonCode, timeCell } from '../format.ts';
import { glyph } from '../glyphs.ts';
import { cell, inverted, type Row, right, row, span, windowOf } from '../rows.ts';
import type { Scene } from '../scene.ts';

const outcomes: Readonly<Record<Transaction['outcome'], string>> = {
  untranslated: 'IOMMU off',
  passed: 'passed through',
  hit: 'IOTLB hit',
  walked: 'walked',
  interrupt: 'interrupt',
  blocked: 'refused',
  'peer-to-peer': 'past the IOMMU',
};

export function transactionList(
  { snapshot }: Scene,
  chosen: Transaction,
  width: number,
  height: number,
): Row[] {
  const { transactions } = snapshot;
  const heading = row(
    right('ms', 12, 'label'),
    '  ',
    cell('op', 7, 'label'),
    cell('address', 20, 'label'),
    cell('outcome', 18, 'label'),
    cell('landed at', 16, 'label'),
    right('size', 9, 'label'),
  );
  const at = transactions.findIndex(({ id }) => id === chosen.id);
  // A chosen request that has left the list stays below it.
  const room = height - 1 - (at < 0 ? 1 : 0);
  const { start, end } = windowOf(transactions.length, at < 0 ? 0 : at, room);
  const rows = transactions.slice(start, end).map((each) => line(each, each.id === chosen.id, width));
  while (rows.length < room) rows.push([]);
  if (at < 0) rows.push(line(chosen, true, width));
  return [heading, ...rows];
}

function line(transaction: Transaction, chosen: boolean, width: number): Row {
  const { outcome, output, fault, corrupted, interrupt } = transaction;
  const refused = outcome === 'blocked';
  const served = interrupt?.delivery ?? outcomes[outcome];
  const result = refused ? `${outcomes.blocked} ${fault === 0 ? '' : reasonCode(fault)}` : served;
  const target = corrupted ? `${glyph.corrupt} ` : refused ? `${glyph.refused} ` : `${glyph.leads} `;
  const token = refused ? 'blocked' : corrupted ? 'corrupt' : 'text';
  const spans = row(
    chosen ? glyph.selected : ' ',
    right(timeCell(transaction.timeNs), 11),
    '  ',
    cell(interrupt === undefined ? (transaction.type ?? 'dma') : 'msi', 7),
    cell(iova(transaction.address), 20),
    cell(result, 18, refused ? 'blocked' : 'text'),
    cell(
      `${target}${interrupt === undefined ? (output === null ? '' : frame(output)) : interruptTarget(interrupt)}`,
      16,
      token,
    ),
    right(transaction.bytes === 0 ? '' : bytes(transaction.bytes), 9),
    width >= 110 && transaction.landed !== null ? span(`  ${transaction.landed}`, 'label') : '',
  );
  return chosen ? inverted(spans) : spans;
}

/** `0x24 cpu 3`; for a posted one that told nobody, and for a refused one, nothing. */
const interruptTarget = ({ delivery, vector, processor }: InterruptState): string =>
  delivery === null || delivery === 'posted' ? '' : `${vector} cpu ${processor}`;
