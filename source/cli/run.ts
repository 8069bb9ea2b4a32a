/** `dmascope run`: a machine without a screen. */
import { Option, type Command as Program } from 'commander';
import { BadPerfEvent, readPerfEvent } from '../linux/unit/perf-event.ts';
import { csvHeader, csvRows } from '../output/csv.ts';
import type { Report } from '../output/report.ts';
import { running } from '../output/run.ts';
import { valuesWith } from '../parameters/registry.ts';
import { unitOf } from '../parameters/unit.ts';
import { textReport } from '../ui/report.ts';
import { PERFORMANCE_COUNTERS } from '../vtd/performance/performance-monitor.ts';
import { presets } from '../vtd/unit/capabilities.ts';
import { EXPECTATION_FAILED } from './exit-codes.ts';
import { carryThrough } from './long-run.ts';
import { type MachineFlags, machineOptions, warnOfWords, withMachineOptions } from './machine-options.ts';
import { duration, format, jsonText } from './options.ts';
import { tableStyle } from './table-style.ts';

type RunFlags = MachineFlags & {
  readonly time: number;
  readonly every?: number;
  readonly perf?: readonly string[];
  readonly format: 'text' | 'json' | 'ndjson' | 'csv';
};

export function addRun(program: Program): void {
  const command = program.command('run').description('simulate without a screen, and report');
  withMachineOptions(command)
    .addOption(
      new Option('--time <duration>', 'simulated time, such as 10ms')
        .argParser(duration)
        .default(10e6, '10ms'),
    )
    .addOption(
      new Option('--every <duration>', 'report along the way, too; counts go on from boot').argParser(
        duration,
      ),
    )
    .addOption(
      new Option(
        '--perf <event>',
        'count an event on a unit that can, such as iotlb_lookup,filter_domain=3; docs/counters.md lists all',
      ).argParser((text: string, before: readonly string[] = []) => [...before, text]),
    )
    .addOption(format('text', 'json', 'ndjson', 'csv').default('text'))
    .action(run);
}

export async function run(flags: RunFlags): Promise<void> {
  const machine = machineOptions(flags);
  const perf = (flags.perf ?? []).map((text) =>
    readPerfEvent(text, unitOf(presets[flags.unit], valuesWith(machine.parameters ?? {}))),
  );
  if (perf.length > PERFORMANCE_COUNTERS) {
    throw new BadPerfEvent(`the unit has ${PERFORMANCE_COUNTERS} counters; got ${perf.length} events`);
  }
  warnOfWords(machine);
  const write = (text: string) => void process.stdout.write(text);
  const writers = { text: await textWriter(), json: jsonWriter(flags.every !== undefined), ndjson, csv };
  const writer = writers[flags.format];
  write(writer.before);
  const options = { timeNs: flags.time, commands: flags.exec, everyNs: flags.every ?? null };
  const { refusals, failures } = await carryThrough('run', (clear) =>
    running({ machine: { ...machine, perf }, ...options }, (report) => {
      clear();
      write(writer.each(report));
    }),
  );
  write(writer.after);
  for (const refusal of refusals) process.stderr.write(`dmascope: refused: ${refusal}\n`);
  for (const failure of failures) process.stderr.write(`dmascope: ${failure}\n`);
  if (failures.length > 0) process.exitCode = EXPECTATION_FAILED;
}

/** How reports are written, and what stands around them. */
type Writer = { readonly before: string; each(report: Report): string; readonly after: string };

const ndjson: Writer = { before: '', each: (report) => `${JSON.stringify(report)}\n`, after: '' };
const csv: Writer = { before: csvHeader(), each: csvRows, after: '' };

/** One object; with reports along the way an array of them. */
function jsonWriter(isArray: boolean): Writer {
  if (!isArray) return { before: '', each: jsonText, after: '' };
  let count = 0;
  const each = (report: Report) => `${count++ === 0 ? '' : ',\n'}${jsonText(report).trimEnd()}`;
  return { before: '[\n', each, after: '\n]\n' };
}

async function textWriter(): Promise<Writer> {
  const draw = await tableStyle();
  let count = 0;
  const each = (report: Report) => `${count++ === 0 ? '' : '\n'}${textReport(report, draw)}`;
  return { before: '', each, after: '' };
}
