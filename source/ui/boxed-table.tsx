/** Tables with rules, for a terminal. Apart from everything else, as Ink takes long to load. */
import { renderToString } from 'ink';
import { Table } from 'ink-table';
import type { DrawTable } from './plain-table.ts';

/** Wide enough for every column. */
const WIDTH = 160;

export const boxedTable: DrawTable = (rows, columns) =>
  renderToString(<Table data={[...rows]} columns={[...columns]} />, { columns: WIDTH });
