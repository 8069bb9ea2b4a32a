/** The last row: the keys of the view at the left, those that always work at the right. */
import { footerKeys, promptKeys } from '../keys.ts';
import { ends, type Row, rowWidth, type Span, span } from '../rows.ts';
import type { Scene } from '../scene.ts';

type Hint = { readonly key: string; readonly word: string };

export function footer(scene: Scene): Row {
  const { selection, screen } = scene;
  if (selection.log?.started === true) return line([{ key: 'any key', word: 'skips' }], [], screen.width);
  if (selection.prompt !== null) return line(promptKeys(selection.prompt.kind), [], screen.width);
  const quit = [{ key: 'q', word: 'quit' }];
  const scrolling = [
    { key: 'esc', word: 'close' },
    { key: '↑↓', word: 'scroll' },
  ];
  if (selection.file?.started === true) {
    return line([...scrolling, { key: '←→', word: 'sideways' }], quit, screen.width);
  }
  if (selection.help !== null) {
    return line([...scrolling, { key: '←→', word: 'keys, words, commands' }], quit, screen.width);
  }
  const { here, always } = footerKeys(scene);
  return line(here, always, screen.width);
}

function line(left: readonly Hint[], right: readonly Hint[], width: number): Row {
  const always = joined(right);
  let shown: Row = [];
  // Keys are in the order of their use; what does not fit is in the help.
  for (let count = left.length; count >= 0; count--) {
    shown = joined(left.slice(0, count));
    if (rowWidth(shown) + rowWidth(always) + 4 <= width) break;
  }
  return ends([span(' '), ...shown], [...always, span(' ')], width);
}

const joined = (hints: readonly Hint[]): Span[] =>
  hints.flatMap(({ key, word }, i) => [
    ...(i === 0 ? [] : [span('  ')]),
    span(key, 'key'),
    span(word === '' ? '' : ` ${word}`),
  ]);
