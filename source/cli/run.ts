/** `dmascope run`: a machine without a screen. */
import { Option, type Command as Program } from 'commander';
import { BadPerfEvent, readPerfEvent } from '../linux/unit/perf-event.ts';
import { csvHeader, csvRows } from '../output/csv.ts';
import type { Report } from '../output/report.ts';
import { runHeadless } from '../output/run.ts';
import { valuesWith } from '../parameters/registry.ts';
import { unitOf } from '../parameters/unit.ts';
import { textReport } from '../ui/report.tsx';
import { PERFORMANCE_COUNTERS } from '../vtd/performance/performance-monitor.ts';
import { presets } from '../vtd/unit/capabilities.ts';
import { EXPECTATION_FAILED } from './exit-codes.ts';
import { type MachineFlags, machineOptions, withMachineOptions } from './machine-options.ts';
import { duration, format, jsonText } from './options.ts';

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
    .addOption(new Option('--every <duration>', 'report along the way, too').argParser(duration))
    .addOption(
      new Option(
        '--perf <event>',
        'count an event on a unit that can, such as iotlb_lookup,filter_domain=3; docs/counters.md lists all',
      ).argParser((text: string, before: readonly string[] = []) => [...before, text]),
    )
    .addOption(format('text', 'json', 'ndjson', 'csv').default('text'))
    .action(run);
}

export function run(flags: RunFlags): void {
  const write = (text: string) => void process.stdout.write(text);
  const writeReport: Record<RunFlags['format'], (report: Report) => void> = {
    text: (report) => write(textReport(report)),
    json: (report) => write(jsonText(report)),
    ndjson: (report) => write(`${JSON.stringify(report)}\n`),
    csv: (report) => write(csvRows(report)),
  };
  if (flags.format === 'csv') write(csvHeader());
  const streams = flags.format === 'ndjson' || flags.format === 'csv';
  const machine = machineOptions(flags);
  const perf = (flags.perf ?? []).map((text) =>
    readPerfEvent(text, unitOf(presets[flags.unit], valuesWith(machine.parameters ?? {}))),
  );
  if (perf.length > PERFORMANCE_COUNTERS) {
    throw new BadPerfEvent(`the unit has ${PERFORMANCE_COUNTERS} counters; got ${perf.length} events`);
  }
  const { refusals, failures } = runHeadless(
    {
      machine: { ...machine, perf },
      timeNs: flags.time,
      commands: flags.exec,
      everyNs: flags.every ?? (streams ? Math.max(1, flags.time / 10) : null),
    },
    writeReport[flags.format],
  );
  for (const refusal of refusals) process.stderr.write(`dmascope: refused: ${refusal}\n`);
  for (const failure of failures) process.stderr.write(`dmascope: ${failure}\n`);
  if (failures.length > 0) process.exitCode = EXPECTATION_FAILED;
}
