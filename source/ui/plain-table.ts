/** Tables of text. */

export type Column<Key extends string> = Key | { readonly key: Key; readonly align: 'right' };

export type DrawTable = <Key extends string>(
  rows: readonly Readonly<Record<Key, string | number>>[],
  columns: readonly Column<Key>[],
) => string;

/** Aligned columns without rules: a line is a row, for whatever reads a pipe. */
export const plainTable: DrawTable = (rows, columns) => {
  const keys = columns.map((column) => (typeof column === 'string' ? column : column.key));
  const cells = [keys, ...rows.map((row) => keys.map((key) => String(row[key])))];
  const widths = keys.map((_, i) => Math.max(...cells.map((line) => line[i].length)));
  return cells
    .map((line) =>
      line
        .map((text, i) =>
          typeof columns[i] === 'string' ? text.padEnd(widths[i]) : text.padStart(widths[i]),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};
