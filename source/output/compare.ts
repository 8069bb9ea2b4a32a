/** Two machines without a screen: one seed, one list of commands, two boot lines, so much time. */
import { carryOutAll } from '../commands/carry-out-all.ts';
import type { Command } from '../commands/command.ts';
import { Session } from '../commands/session.ts';
import type { MachineOptions } from '../machine/machine.ts';
import { type ComparisonRow, compareMachines } from '../simulation/comparison.ts';
import { csvLine } from './csv.ts';

/** The shape of the JSON, documented in `docs/compare.md`; `schema` counts up when it changes incompatibly. */
export type ComparisonReport = {
  readonly schema: 1;
  readonly seed: number;
  readonly simulatedNs: number;
  readonly a: { readonly boot: string };
  readonly b: { readonly boot: string };
  readonly rows: readonly ComparisonRow[];
};

export type CompareOptions = {
  /** Of both; its boot line is A's. */
  readonly machine: MachineOptions;
  readonly otherBoot: string;
  readonly commands: readonly Command[];
  /** Simulated time to run after the commands. */
  readonly timeNs: number;
};

/** @returns the comparison, boot words that Linux ignores, and why commands were refused: by which machine, in order */
export function compareHeadless({ machine, otherBoot, commands, timeNs }: CompareOptions): {
  comparison: ComparisonReport;
  ignored: readonly string[];
  refusals: readonly string[];
} {
  const runs = [machine, { ...machine, boot: otherBoot }].map((options) => {
    const session = new Session(options);
    return { session, ...carryOutAll(session, commands) };
  });
  // A refused DMA takes a moment: both end where the later one would.
  const end = Math.max(
    ...runs.map(({ session, askedNs }) => Math.max(askedNs + timeNs, session.simulation.now)),
  );
  for (const { session } of runs) {
    session.apply({ name: 'run', forNs: null });
    session.advance(end);
  }
  const [a, b] = runs.map(({ session }) => session.snapshot());
  return {
    comparison: {
      schema: 1,
      seed: machine.seed,
      simulatedNs: Math.round(end),
      a: { boot: a.boot },
      b: { boot: b.boot },
      rows: compareMachines(a, b),
    },
    ignored: runs.flatMap(({ session }, side) =>
      session.simulation.machine.kernel.settings.words
        .filter(({ known }) => !known)
        .map(({ text }) => `${'AB'[side]}: Linux ignores ${text}`),
    ),
    refusals: runs.flatMap(({ refusals }, side) => refusals.map((refusal) => `${'AB'[side]}: ${refusal}`)),
  };
}

const COLUMNS = ['subject', 'measure', 'a', 'b', 'difference'] as const;

/** RFC 4180, one row for each measure. */
export const comparisonCsv = ({ rows }: ComparisonReport): string =>
  [COLUMNS, ...rows.map((row) => COLUMNS.map((column) => row[column]))].map(csvLine).join('');
