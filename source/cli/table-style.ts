/** How tables look: with rules on a terminal, as plain columns for whatever reads a pipe. */
import { type DrawTable, plainTable } from '../ui/plain-table.ts';

export const tableStyle = async (): Promise<DrawTable> =>
  process.stdout.isTTY ? (await import('../ui/boxed-table.tsx')).boxedTable : plainTable;
