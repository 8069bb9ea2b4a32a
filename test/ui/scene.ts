/** A screen without a terminal: what is drawn for a snapshot, a selection and a size. */
import type { Snapshot } from '../../source/simulation/snapshot.ts';
import { drawFrame } from '../../source/ui/frame.ts';
import type { Effect } from '../../source/ui/keys.ts';
import { press } from '../../source/ui/press.ts';
import { textOf } from '../../source/ui/rows.ts';
import { type Scene, sceneOf } from '../../source/ui/scene.ts';
import { screenOf } from '../../source/ui/screen.ts';
import { firstSelection, reduce, type Selection } from '../../source/ui/selection.ts';
import { consequences } from '../../source/ui/settle.ts';
import { tools } from '../../source/ui/tools.ts';

export type Size = readonly [columns: number, rows: number];

export function sceneFor(
  snapshot: Snapshot,
  selection: Partial<Selection> = {},
  [columns, rows]: Size = [80, 24],
  refusal: Scene['refusal'] = () => null,
): Scene {
  return sceneOf(snapshot, { ...firstSelection, ...selection }, screenOf(columns, rows), tools, {
    refusal,
    trouble: null,
  });
}

/** The rows as text, blanks at their ends kept. */
export const rowsOf = (scene: Scene): string[] => drawFrame(scene).map(textOf);

/** The screen as one text, as a golden file holds it. */
export const textFor = (
  snapshot: Snapshot,
  selection: Partial<Selection> = {},
  size: Size = [80, 24],
): string =>
  `${rowsOf(sceneFor(snapshot, selection, size))
    .map((row) => row.trimEnd())
    .join('\n')}\n`;

/** What a key does to the selection, and which commands it sends. */
export function afterKeys(scene: Scene, ...keys: readonly string[]) {
  const effects: Effect[] = [];
  let now = scene;
  for (const key of keys) {
    const done = press(now, key);
    effects.push(...done);
    let { selection } = now;
    for (const effect of done) {
      if ('action' in effect) selection = reduce(selection, effect.action);
      if ('command' in effect) {
        for (const action of consequences(effect.command, now.snapshot))
          selection = reduce(selection, action);
      }
    }
    now = sceneOf(now.snapshot, selection, now.screen, now.tools, now);
  }
  return {
    scene: now,
    selection: now.selection,
    commands: effects.flatMap((effect) => ('command' in effect ? [effect.command] : [])),
    requests: effects.flatMap((effect) => ('screen' in effect ? [effect.screen] : [])),
  };
}
