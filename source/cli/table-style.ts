/** How tables look: with rules on a terminal, as plain columns for whatever reads a pipe. */
import { stripVTControlCharacters } from 'node:util';
import { type DrawTable, plainTable } from '../ui/plain-table.ts';

/** @returns draws with rules where that is wide enough: lines that wrap are no table */
export async function tableStyle(): Promise<DrawTable> {
  const { isTTY, columns } = process.stdout;
  if (!isTTY) return plainTable;
  const { boxedTable } = await import('../ui/boxed-table.tsx');
  return (rows, shown) => {
    const boxed = boxedTable(rows, shown);
    const [first] = stripVTControlCharacters(boxed).split('\n');
    return first.length <= columns ? boxed : plainTable(rows, shown);
  };
}
