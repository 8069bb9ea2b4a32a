/** One figure of a recorded run beside what the simulated kernel makes of the same work. */
import type { RunName } from '../../support/recording/recorded-run.ts';

export type Figure = {
  readonly run: RunName;
  readonly phase: string;
  /** Whose, where a phase has more than one device. */
  readonly device: string;
  /** What is compared; a column of the table. */
  readonly name: string;
  readonly recorded: string;
  readonly simulated: string;
};

/** Figures that do not agree, with the reason; a test sees that they still do not. */
export type Departure = {
  readonly run: RunName;
  readonly phases: readonly string[];
  readonly names: readonly string[];
  readonly why: string;
};

export type Chapter = {
  readonly title: string;
  readonly figures: readonly Figure[];
  readonly departures: readonly Departure[];
};

/** The departure that a figure has, if it has one. */
export const departureOf = (chapter: Chapter, { run, phase, name }: Figure): Departure | undefined =>
  chapter.departures.find(
    (each) => each.run === run && each.phases.includes(phase) && each.names.includes(name),
  );

/** How many of the recorded lines came at the same place. */
export function inOrder(recorded: readonly string[], simulated: readonly string[]): [string, string] {
  const same = recorded.filter((line, i) => simulated[i] === line).length;
  const more = simulated.length - recorded.length;
  return [`${recorded.length}`, more === 0 ? `${same}` : `${same} and ${more} more`];
}

/** A chapter as a table: a line for each run, phase and device, a column for each name. */
export function tableOf({ figures }: Chapter): string {
  const names = [...new Set(figures.map(({ name }) => name))];
  const hasDevices = figures.some(({ device }) => device !== '');
  const heads = ['run', 'phase', ...(hasDevices ? ['device'] : []), ...names];
  const lines = new Map<string, Map<string, string>>();
  for (const { run, phase, device, name, recorded, simulated } of figures) {
    const key = [run, phase, ...(hasDevices ? [device] : [])].join(' | ');
    const cells = lines.get(key) ?? new Map<string, string>();
    cells.set(name, recorded === simulated ? recorded : `${recorded}, simulated ${simulated}`);
    lines.set(key, cells);
  }
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    row(heads),
    row(heads.map(() => '---')).replaceAll(' ', ''),
    ...[...lines].map(([key, cells]) => row([key, ...names.map((name) => cells.get(name) ?? '')])),
  ].join('\n');
}

/** What does not agree, and why. */
export function departuresOf(chapters: readonly Chapter[]): string {
  const lines = chapters.flatMap(({ departures }) =>
    departures.map(
      ({ run, phases, names, why }) => `| ${run} | ${phases.join(', ')} | ${names.join(', ')} | ${why} |`,
    ),
  );
  return ['| run | phase | figure | why |', '|---|---|---|---|', ...lines].join('\n');
}
