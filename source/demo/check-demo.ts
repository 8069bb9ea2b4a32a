/** A demo without a room: every scene is carried out, and every expectation looked at. */
import { Session } from '../commands/session.ts';
import type { MachineOptions } from '../machine/machine.ts';
import type { MeasuredRow } from '../simulation/snapshot.ts';
import type { Demo, Scene } from './demo.ts';
import { perform, type SceneResult } from './performance.ts';

export type CheckedScene = {
  readonly scene: Scene;
  readonly results: readonly SceneResult[];
  readonly measured: readonly MeasuredRow[];
};

/** @param machine what the first scene finds */
export function checkDemo(demo: Demo, machine: MachineOptions): CheckedScene[] {
  const session = new Session(machine);
  return demo.scenes.map((scene) => {
    const results = perform(session, scene);
    return { scene, results, measured: session.measured };
  });
}

/** `claims.md:17: expected gsts.TES = 0, got 1`, for each expectation that was not met. */
export const failuresOf = ({ file }: Demo, scenes: readonly CheckedScene[]): string[] =>
  scenes.flatMap(({ results }) =>
    results
      .filter(({ holds }) => !holds)
      .map(({ expression, got, line }) => `${file}:${line}: expected ${expression}, got ${got}`),
  );
