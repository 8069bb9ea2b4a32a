/** A position of a recording as a snapshot. */
import type { Focus, Notice, RunState, Snapshot } from '../../simulation/snapshot.ts';
import type { CounterName } from '../../vtd/performance/counters.ts';
import type { History } from './history.ts';
import type { RecordingFold } from './recording-fold.ts';
import { counters } from './tally.ts';
import type { Trace } from './trace.ts';

const FAULT_GROUPS_SHOWN = 200;
/** A column of the charts is half a second on the wall. */
const COLUMN_NS = 0.5e9;
/** While time runs as fast as it goes, a column is as long as at this speed. */
const LONGEST_COLUMN = 64;

/** What a snapshot says besides what the recording knows. */
export type Playing = {
  readonly timeNs: number;
  readonly state: RunState;
  readonly speed: number;
  readonly notice: Notice | null;
  readonly focus: Focus;
};

export function traceSnapshot(
  trace: Trace,
  fold: RecordingFold,
  history: History,
  { timeNs, state, speed, notice, focus }: Playing,
): Snapshot {
  const { unit, tally, devices, faults, requests, lines, phase, position } = fold;
  const known = counters(tally);
  const { bytes: _, ...rates } = history.rates(null, position, timeNs);
  const focused = devices.find(({ device }) => device.name === focus.device) ?? devices[0];
  return {
    source: 'trace',
    title: trace.file,
    boot: trace.command?.boot ?? '',
    seed: null,
    timeNs,
    state,
    speed,
    phase: phase?.name ?? null,
    unit: { ...unit.registers(), name: null, cap: 'not recorded', ecap: 'not recorded' },
    // What a trace cannot tell is 0 here, since a snapshot has numbers only; the totals have null.
    counters: Object.fromEntries(Object.entries(known).map(([name, count]) => [name, count ?? 0])) as Record<
      CounterName,
      number
    >,
    invalidations: { ...tally.invalidations },
    rates,
    devices: devices.map((fold) =>
      fold.state(unit.translation, history.rates(fold.device.sourceId, position, timeNs)),
    ),
    series: history.columns(position, timeNs, COLUMN_NS * Math.min(speed, LONGEST_COLUMN)),
    events: lines.shown(),
    faults: [...faults.groups.values()]
      .sort((a, b) => b.lastNs - a.lastNs)
      .slice(0, FAULT_GROUPS_SHOWN)
      .map((group) => ({ ...group })),
    faultRegisters: faults.registers(tally.faults - tally.records),
    transactions:
      focus.view === 'dma' && focused !== undefined ? requests.of(focused.device.name).slice().reverse() : [],
    tables: null,
    cpuCycles: null,
    dmesg: faults.dmesg.slice(),
    memory: { corruptedPages: 0, corrupted: [] },
    notice,
    other: null,
  };
}
