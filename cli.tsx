/**
 * The command line of dmascope. Exit codes: 0 done, 1 unexpected error, 2 wrong usage or unreadable input,
 * 3 an expectation failed.
 */
import { readFileSync } from 'node:fs';
import { CommanderError, InvalidArgumentError, Option, Command as Program } from 'commander';
import type { Command } from './source/commands/command.ts';
import { parseDuration } from './source/commands/duration.ts';
import { parseCommand, parseCommands, unexpected } from './source/commands/parse.ts';
import { printable } from './source/commands/printable.ts';
import {
  compare,
  differenceText,
  expectationsOf,
  MalformedCase,
  readCases,
  runCases,
  UnsupportedCase,
} from './source/conformance/index.ts';
import { defaultBuild } from './source/linux/policy.ts';
import type { MachineOptions } from './source/machine/machine.ts';
import { deviceModels } from './source/machine/topology.ts';
import { csvHeader, csvRows } from './source/output/csv.ts';
import { DecodeError, decode, decodedJson, decodedText } from './source/output/decode.ts';
import type { Report } from './source/output/report.ts';
import { runHeadless } from './source/output/run.ts';
import { openTrace } from './source/sources/qemu-trace/open-trace.ts';
import { totals } from './source/sources/qemu-trace/totals.ts';
import { readTrace } from './source/sources/qemu-trace/trace.ts';
import { TraceError } from './source/sources/qemu-trace/trace-error.ts';
import { runSimulatorProcess } from './source/sources/simulator/process.ts';
import { SIMULATOR_ARGUMENT, startSimulator } from './source/sources/simulator/simulator.ts';
import type { Source } from './source/sources/source.ts';
import { textReport } from './source/ui/report.tsx';
import { startDashboard, themeNames, viewNames } from './source/ui/start.tsx';

const DEFAULT_BOOT = 'intel_iommu=on iommu=pt';
const USAGE_ERROR = 2;
const EXPECTATION_FAILED = 3;

const EXAMPLES = `
Examples:
  dmascope                                                   the dashboard; ? shows its keys
  dmascope --boot "intel_iommu=on iommu.strict=1" --paused
  dmascope run --boot "iommu=on" --exec "dma nic0 write 0x1000000 64"
  dmascope replay recording.trace.gz
  dmascope decode context-entry 0x2b6a001 0x202`;

type MachineFlags = {
  readonly boot?: string;
  readonly seed: number;
  readonly defaultOn?: boolean;
  readonly exec: readonly Command[];
};

type ScreenFlags = {
  readonly view?: string;
  readonly device?: string;
  readonly speed: number;
  readonly paused?: boolean;
  readonly theme: string;
  readonly ascii?: boolean;
};

type RunFlags = MachineFlags & {
  readonly time: number;
  readonly every?: number;
  readonly format: 'text' | 'json' | 'ndjson' | 'csv';
};

function machineOptions({ boot, seed, defaultOn }: MachineFlags): MachineOptions {
  return {
    // A kernel that turns the IOMMU on by itself is looked at without any word first.
    boot: boot ?? (defaultOn === true ? '' : DEFAULT_BOOT),
    seed,
    build: { ...defaultBuild, intelIommuDefaultOn: defaultOn === true },
  };
}

function run(flags: RunFlags): void {
  const write = (text: string) => void process.stdout.write(text);
  const writeReport: Record<RunFlags['format'], (report: Report) => void> = {
    text: (report) => write(textReport(report)),
    json: (report) => write(`${JSON.stringify(report, null, 2)}\n`),
    ndjson: (report) => write(`${JSON.stringify(report)}\n`),
    csv: (report) => write(csvRows(report)),
  };
  if (flags.format === 'csv') write(csvHeader());
  const streams = flags.format === 'ndjson' || flags.format === 'csv';
  const refusals = runHeadless(
    {
      machine: machineOptions(flags),
      timeNs: flags.time,
      commands: flags.exec,
      everyNs: flags.every ?? (streams ? Math.max(1, flags.time / 10) : null),
    },
    writeReport[flags.format],
  );
  for (const refusal of refusals) process.stderr.write(`dmascope: refused: ${refusal}\n`);
}

async function dashboard(flags: MachineFlags & ScreenFlags): Promise<void> {
  const source = await startSimulator({
    program: process.argv[1],
    machine: machineOptions(flags),
    speed: flags.speed,
    paused: flags.paused === true,
  });
  for (const command of flags.exec) source.send(command);
  await show(source, flags);
}

async function show(source: Source, { theme, ascii, view, device }: ScreenFlags): Promise<void> {
  const { exitCode } = await startDashboard(source, { theme, ascii, view, device });
  process.exitCode = exitCode;
}

async function replay(file: string, flags: ScreenFlags & { format?: 'json' }): Promise<void> {
  if (flags.format === 'json' || !process.stdout.isTTY) {
    process.stdout.write(`${JSON.stringify(totals(await readTrace(file)), null, 2)}\n`);
    return;
  }
  await show(await openTrace(file, { speed: flags.speed, paused: flags.paused === true }), flags);
}

function conform(path: string, { expect }: { readonly expect?: boolean }): void {
  const file = readCases(readInput(path));
  const results = runCases(file);
  process.stdout.write(`${JSON.stringify(results)}\n`);
  if (expect !== true) return;
  const differences = compare(results, expectationsOf(file));
  for (const difference of differences) process.stderr.write(`dmascope: ${differenceText(difference)}\n`);
  if (differences.length > 0) process.exitCode = EXPECTATION_FAILED;
}

/** The text of a file; one that cannot be read is wrong usage. */
function readInput(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UnreadableInput(`cannot read ${printable(path)}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

class UnreadableInput extends Error {}

/** Input that is not what it should be: wrong usage, said in one line. */
const inputErrors = [UnreadableInput, TraceError, DecodeError, MalformedCase, UnsupportedCase];

// Readers of option values: each says what was expected and what came.

/** What commander prints behind the name of the option. */
function invalid(message: string): InvalidArgumentError {
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1)}`;
  return new InvalidArgumentError(/[.?]$/.test(sentence) ? sentence : `${sentence}.`);
}

function duration(text: string): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds === null || nanoseconds === 0) {
    throw invalid('expected a duration such as 10ms, 250us or 1s');
  }
  return nanoseconds;
}

function seedNumber(text: string): number {
  const seed = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(seed)) throw invalid('expected a whole number from 0 to 2^53 - 1');
  return seed;
}

function commandList(text: string): readonly Command[] {
  const { commands, error } = parseCommands(text);
  if (error !== null) throw invalid(error);
  return commands;
}

function speedFactor(text: string): number {
  const parsed = parseCommand(`speed ${text}`);
  if (!parsed.ok || parsed.command.name !== 'speed' || typeof parsed.command.factor !== 'number') {
    throw invalid('expected a speed from 1/16 to 64, or max');
  }
  return parsed.command.factor;
}

/** A boot line is one line of text; anything that could move a terminal's cursor becomes a space. */
const bootLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();

function choice(what: string, valid: readonly string[]) {
  return (text: string): string => {
    if (!valid.includes(text)) throw invalid(unexpected(what, text, valid));
    return text;
  };
}

const format = (...valid: readonly string[]) =>
  new Option('--format <format>', `output as ${valid.join(', ')}`).argParser(choice('a format', valid));

function withMachineOptions(program: Program): Program {
  return program
    .addOption(
      new Option('--boot <words>', `kernel command line (default: "${DEFAULT_BOOT}")`).argParser(bootLine),
    )
    .addOption(new Option('--seed <number>', 'seed of everything random').argParser(seedNumber).default(42))
    .option('--default-on', 'a kernel built with INTEL_IOMMU_DEFAULT_ON; the default boot line is then empty')
    .addOption(
      new Option('--exec <commands>', 'commands to carry out first, separated by semicolons')
        .argParser(commandList)
        .default([], 'none'),
    );
}

function withScreenOptions(program: Program): Program {
  const devices = deviceModels.map(({ name }) => name);
  return program
    .addOption(
      new Option('--speed <factor>', 'simulated milliseconds a second').argParser(speedFactor).default(1),
    )
    .option('--paused', 'start paused')
    .addOption(
      new Option('--view <view>', `first view: ${viewNames.join(', ')}`).argParser(
        choice('a view', viewNames),
      ),
    )
    .addOption(new Option('--device <device>', 'device to select').argParser(choice('a device', devices)))
    .addOption(
      new Option('--theme <theme>', `colours: ${themeNames.join(', ')}`)
        .argParser(choice('a theme', themeNames))
        .default('auto'),
    )
    .option('--ascii', 'draw with ASCII characters only');
}

function buildProgram(): Program {
  const program = new Program('dmascope')
    .description(
      'A live-simulated Intel VT-d IOMMU in your terminal: what intel_iommu=on and iommu=pt really do.',
    )
    .version(process.env.DMASCOPE_VERSION ?? 'development')
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(`dmascope: ${printableLines(text.replace(/^error: /, ''))}`),
    });
  program.addHelpText('after', EXAMPLES);
  withScreenOptions(withMachineOptions(program)).action(async (flags: MachineFlags & ScreenFlags) => {
    // Not being a terminal means a report is wanted, not a screen.
    if (!process.stdout.isTTY) run({ ...flags, time: 100e6, format: 'text' });
    else await dashboard(flags);
  });
  const runCommand = program.command('run').description('simulate without a screen, and report');
  withMachineOptions(runCommand)
    .addOption(
      new Option('--time <duration>', 'simulated time, such as 10ms')
        .argParser(duration)
        .default(10e6, '10ms'),
    )
    .addOption(new Option('--every <duration>', 'report along the way, too').argParser(duration))
    .addOption(format('text', 'json', 'ndjson', 'csv').default('text'))
    .action(run);
  const replayCommand = program
    .command('replay')
    .description('the same dashboard on a recorded QEMU trace of a real Linux')
    .argument('<file>', 'a trace, plain or gzip');
  withScreenOptions(replayCommand).addOption(format('json')).action(replay);
  program
    .command('conform')
    .description('run conformance cases on the simulated unit')
    .argument('<file>', 'cases as JSON')
    .option('--expect', 'compare with what the cases expect; exit code 3 where they differ')
    .action(conform);
  program
    .command('decode')
    .description('explain a raw entry, register, descriptor, fault record or kernel message')
    // Optional, so that without words decode() itself says what there is.
    .argument('[words...]', 'such as context-entry 0x2b6a001 0x202, or a kernel message in quotes')
    .addOption(format('text', 'json').default('text'))
    .action((words: string[], flags: { format: 'text' | 'json' }) => {
      const decoded = decode(words);
      process.stdout.write(flags.format === 'json' ? decodedJson(decoded) : decodedText(decoded));
    });
  return program;
}

/** A first word that is neither an option nor a command: commander would only count it as one too many. */
function checkCommandWord(program: Program, word: string | undefined): void {
  const commands = [...program.commands.map((command) => command.name()), 'help'];
  if (word === undefined || word.startsWith('-') || commands.includes(word)) return;
  program.error(unexpected('a command', word, commands));
}

function fail(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
  if (error instanceof Error && inputErrors.some((kind) => error instanceof kind)) {
    process.stderr.write(`dmascope: ${error.message}\n`);
    return USAGE_ERROR;
  }
  process.stderr.write(
    `dmascope: unexpected error: ${error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.stderr.write(`reproduce with: dmascope ${process.argv.slice(2).map(shellWord).join(' ')}\n`);
  return 1;
}

/** Words of the command line come back in messages, but never their control characters. */
const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

async function main(): Promise<void> {
  // A reader that closes early, such as head, ends the output; that is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  if (process.argv[2] === SIMULATOR_ARGUMENT) return runSimulatorProcess();
  try {
    const program = buildProgram();
    checkCommandWord(program, process.argv[2]);
    await program.parseAsync();
  } catch (error) {
    process.exitCode = fail(error);
  }
}

await main();
