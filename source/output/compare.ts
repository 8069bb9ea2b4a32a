/** Two machines without a screen: one seed, one list of commands, two boot lines, so much time. */
import { carryOutAll } from '../commands/carry-out-all.ts';
import type { Command } from '../commands/command.ts';
import { Session } from '../commands/session.ts';
import type { MachineOptions } from '../machine/machine.ts';
import {
  type ComparedDevice,
  type ComparisonRow,
  comparedDevices,
  compareMachines,
} from '../simulation/comparison.ts';
import { advancing, type Progress } from './advancing.ts';
import { csvLine } from './csv.ts';

/** The shape of the JSON, documented in `docs/compare.md`; `schema` counts up when it changes incompatibly. */
export type ComparisonReport = {
  readonly schema: 1;
  readonly seed: number;
  readonly simulatedNs: number;
  readonly a: { readonly boot: string };
  readonly b: { readonly boot: string };
  readonly devices: readonly ComparedDevice[];
  /** What has to be known to read the rows rightly, in sentences. */
  readonly notes: readonly string[];
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

/**
 * Boot two machines, carry the commands out on both, and run both equally long.
 *
 * @returns the comparison, and why commands were refused: by which machine, and in which order
 */
export function* comparing({
  machine,
  otherBoot,
  commands,
  timeNs,
}: CompareOptions): Progress<{ comparison: ComparisonReport; refusals: readonly string[] }> {
  const runs = [machine, { ...machine, boot: otherBoot }].map((options) => {
    const session = new Session(options);
    return { session, ...carryOutAll(session, commands) };
  });
  // A refused DMA takes a moment: both end where the later one would.
  const end = Math.max(
    ...runs.map(({ session, askedNs }) => Math.max(askedNs + timeNs, session.simulation.now)),
  );
  for (const { session } of runs) session.apply({ name: 'run', forNs: null });
  const reached = yield* advancing(
    runs.map(({ session }) => session),
    end,
  );
  const [a, b] = runs.map(({ session }) => session.snapshot());
  const rows = compareMachines(a, b);
  const devices = comparedDevices(a, b);
  return {
    comparison: {
      schema: 1,
      seed: machine.seed,
      simulatedNs: Math.round(reached),
      a: { boot: a.boot },
      b: { boot: b.boot },
      devices,
      notes: notesOn(a.boot, b.boot, devices, rows),
      rows,
    },
    refusals: runs.flatMap(({ refusals }, side) => refusals.map((refusal) => `${'AB'[side]}: ${refusal}`)),
  };
}

function notesOn(
  a: string,
  b: string,
  devices: readonly ComparedDevice[],
  rows: readonly ComparisonRow[],
): string[] {
  const notes: string[] = [];
  if (a === b) notes.push('A and B are the same boot line, so nothing differs.');
  else if (rows.every((row) => row.a === row.b))
    notes.push('Nothing differs: under this workload both boot lines make the same machine.');
  for (const side of ['a', 'b'] as const) {
    const other = side === 'a' ? 'b' : 'a';
    const emulated = devices.filter((device) => device[side].emulated && !device[other].emulated);
    if (emulated.length > 0)
      notes.push(
        `In ${side.toUpperCase()} ${listed(emulated.map(({ name }) => name))} ${emulated.length === 1 ? 'is' : 'are'} emulated, as VFIO refuses there: the machine sends less DMA. Compare its rows for each request, and those of the other devices.`,
      );
  }
  return notes;
}

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

const COLUMNS = [
  'subject',
  'measure',
  'unit',
  'a',
  'b',
  'difference',
  'domain_a',
  'domain_b',
  'emulated_a',
  'emulated_b',
] as const;

/** RFC 4180, one row for each measure. For the machine `emulated_a` and `emulated_b` are numbers of devices, too. */
export function comparisonCsv({ rows, devices }: ComparisonReport): string {
  const emulated = (side: 'a' | 'b', of: readonly ComparedDevice[]) =>
    of.filter((device) => device[side].emulated).length;
  const lines = rows.map(({ subject, measure, unit, a, b, difference }) => {
    const of = subject === 'machine' ? devices : devices.filter(({ name }) => name === subject);
    const own = subject === 'machine' ? undefined : of[0];
    const domains = [own?.a.attachedDomain ?? null, own?.b.attachedDomain ?? null];
    return [
      ...[subject, measure, unit, a, b, difference],
      ...domains,
      ...[emulated('a', of), emulated('b', of)],
    ];
  });
  return [COLUMNS, ...lines].map(csvLine).join('');
}
