/** A file of the simulated kernel over the whole body, as `cat` would show it. */
import { blank, cut, ends, type Row, row, span } from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';

/** Columns of tabs, as in a terminal. */
const TAB = 8;

export function kernelFile({ snapshot, selection }: Scene, { width, height }: Area): Row[] {
  const { inspected } = snapshot;
  if (!inspected || selection.file === null) return [];
  const { path, lines, more, timeNs } = inspected;
  const room = height - 2;
  const from = Math.min(selection.file.from, Math.max(0, lines.length - room));
  const shown = lines.slice(from, from + room);
  const read = `as of ${(timeNs / 1e6).toFixed(3)} ms   esc closes `;
  const left = lines.length - from - shown.length + more;
  const title = `${path}${left > 0 ? `   ${left} more` : ''}`;
  return [
    ends(row(span(' '), span(cut(title, width - read.length - 2), 'title')), row(span(read, 'label')), width),
    blank,
    ...shown.map((line) =>
      row(' ', span(cut(withoutTabs(line).slice(selection.file?.across ?? 0), width - 2))),
    ),
  ];
}

function withoutTabs(line: string): string {
  let text = '';
  for (const part of line.split(/(\t)/)) {
    text += part === '\t' ? ' '.repeat(TAB - (text.length % TAB)) : part;
  }
  return text;
}
