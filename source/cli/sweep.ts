/** `dmascope sweep` and `dmascope merge`: the product of some values over runs or an experiment. */
import { availableParallelism } from 'node:os';
import { Argument, Option, type Command as Program } from 'commander';
import { quoted } from '../commands/printable.ts';
import { readSetting } from '../parameters/registry.ts';
import { BadDefinition, type Definition, planOf, readDefinition } from '../sweep/definition.ts';
import { mergeResults, rangesText } from '../sweep/merge.ts';
import { idOf, pointsOf } from '../sweep/plan.ts';
import { csvFile, resultsSoFar, writeCsv, writeResults } from '../sweep/result-file.ts';
import { isIn, shardFile, shardOf } from '../sweep/shard.ts';
import { EXPECTATION_FAILED } from './exit-codes.ts';
import { readInput } from './input.ts';
import { invalid } from './options.ts';
import { progressBar } from './progress-bar.ts';
import { presetName } from './settings.ts';

type Values = Readonly<Record<string, readonly string[]>>;

type Flags = {
  readonly experiment?: string;
  readonly time?: string;
  readonly exec?: string;
  readonly x?: string;
  readonly boot?: readonly string[];
  readonly seed?: readonly string[];
  readonly unit?: readonly string[];
  readonly preset?: readonly string[];
  readonly set: Values;
  readonly out: string;
  readonly jobs: number;
  readonly shard?: string;
};

const EXAMPLES = `
Examples:
  dmascope sweep --boot "intel_iommu=on" --boot "intel_iommu=on iommu.strict=1" --set iotlb.entries=64,128
  dmascope sweep --experiment E1 --set iotlb.entries=64,96,128 --set walkers=4,6
  dmascope sweep sweep.json --shard 2/8`;

const NOTHING_TO_VARY = `expected what to vary: a file, --boot, --seed, --unit, --preset or --set; got none of them${EXAMPLES}`;

export function addSweep(program: Program): void {
  program
    .command('sweep')
    .description('the product of some values over runs or an experiment, on all cores')
    .addArgument(new Argument('[file]', 'what to vary, as JSON; options come on top'))
    .option('--experiment <id>', 'vary an experiment instead of runs')
    .option('--time <duration>', 'simulated time of each run')
    .option('--exec <commands>', 'commands of each run')
    .option('--x <numbers>', 'points of the experiment')
    // A boot line may have commas of its own.
    .addOption(
      new Option('--boot <words>', 'a kernel command line; several times for several').argParser(another),
    )
    .addOption(new Option('--seed <numbers>', 'seeds, separated by commas').argParser(list))
    .addOption(new Option('--unit <units>', 'remapping units, separated by commas').argParser(list))
    .addOption(
      new Option('--preset <presets>', 'presets of parameters, separated by commas').argParser((text) =>
        list(text).map(presetName),
      ),
    )
    .addOption(
      new Option('--set <name=values>', 'a parameter and its values, such as iotlb.entries=64,128')
        .argParser(parameterValues)
        .default({}, 'none'),
    )
    .option(
      '--out <file>',
      'where the results go, one JSON object a line; a CSV file beside it',
      'sweep.ndjson',
    )
    .addOption(
      new Option('--jobs <number>', 'points at a time')
        .argParser(jobCount)
        .default(availableParallelism(), 'one a core'),
    )
    .option(
      '--shard <i/n>',
      'only the ith of n parts; a Slurm array or an indexed Kubernetes job says it by itself',
    )
    .addHelpText('after', EXAMPLES)
    .action(run);
  program
    .command('merge')
    .description('join the parts of a sweep, and tell what is missing')
    .argument('<files...>', 'the results of the parts')
    .option('--out <file>', 'where the whole goes; a CSV file beside it', 'sweep.ndjson')
    .addHelpText('after', '\nExit code 3 where points are missing.')
    .action(merge);
}

async function run(file: string | undefined, flags: Flags): Promise<void> {
  const plan = planOf(withFlags(file === undefined ? nothing : readDefinition(readInput(file)), flags));
  if (plan.axes.length === 0) throw new BadDefinition(NOTHING_TO_VARY);
  const points = pointsOf(plan);
  const version = process.env.DMASCOPE_VERSION ?? 'development';
  const shard = shardOf(flags.shard ?? null, process.env);
  const out = shardFile(flags.out, shard);
  const id = idOf(points, version);
  const results = resultsSoFar(out, id);
  const mine = points.filter(({ index }) => isIn(shard, index));
  const left = mine.filter(({ index }) => !results.has(index));
  say(summary(points.length, mine.length, mine.length - left.length));

  const { sweep } = await import('../sweep/sweep.ts');
  const stop = new AbortController();
  // Listeners that stay: what ends the points' processes would end this one too, were it not waited for.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort(signal));
  const draw = progressBar('sweep');
  draw(mine.length - left.length, mine.length);
  await sweep({
    ...{ program: process.argv[1], version, sweep: id, points: left, of: points.length, file: out },
    ...{ jobs: flags.jobs, signal: stop.signal },
    onDone(line) {
      results.set(line.point, line);
      if (!stop.signal.aborted) draw(results.size, mine.length);
    },
  });
  if (stop.signal.aborted) {
    say(`stopped at ${results.size} of ${mine.length}; the same command goes on from there`);
    process.exitCode = stop.signal.reason === 'SIGINT' ? 130 : 143;
    return;
  }
  writeResults(out, [...results.values()]);
  writeCsv(csvFile(out), [...results.values()]);
  say(`wrote ${out} and ${csvFile(out)}`);
}

function merge(files: readonly string[], { out }: { readonly out: string }): void {
  for (const file of files) readInput(file);
  const { results, missing } = mergeResults(files);
  writeResults(out, results);
  writeCsv(csvFile(out), results);
  say(`wrote ${out} and ${csvFile(out)}: ${results.length} of ${results.length + missing.length} points`);
  if (missing.length === 0) return;
  say(`missing: point ${rangesText(missing)}`);
  process.exitCode = EXPECTATION_FAILED;
}

const say = (text: string): void => void process.stderr.write(`dmascope: ${text}\n`);

function summary(all: number, mine: number, done: number): string {
  const part = mine === all ? '' : `, ${mine} of them in this part`;
  return `${all} ${all === 1 ? 'point' : 'points'}${part}${done > 0 ? `, ${done} done before` : ''}`;
}

const nothing: Definition = { experiment: null, fixed: {}, options: {}, parameters: {} };

/** What the command line says comes in place of what the file says. */
function withFlags(file: Definition, flags: Flags): Definition {
  const { experiment = file.experiment, set, ...rest } = flags;
  const given = <T>(names: readonly (keyof Flags)[]) =>
    Object.fromEntries(
      names.flatMap((name) => (name in rest ? [[name, rest[name as keyof typeof rest] as T]] : [])),
    );
  return {
    experiment,
    fixed: { ...file.fixed, ...given<string>(['time', 'exec', 'x']) },
    options: { ...file.options, ...given<readonly string[]>(['boot', 'seed', 'unit', 'preset']) },
    parameters: { ...file.parameters, ...set },
  };
}

const another = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

function list(text: string): readonly string[] {
  const values = text.split(',').map((each) => each.trim());
  if (values.includes('') || new Set(values).size < values.length)
    throw invalid(`expected different values, separated by commas; got ${quoted(text)}`);
  return values;
}

/** Each value is checked at once: a sweep should not stop at its last point. */
function parameterValues(text: string, before: Values): Values {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(0, at)).trim();
  const values = list(text.slice(at + 1));
  for (const value of values) readSetting(at < 0 ? text : `${name}=${value}`);
  return { ...before, [name]: values };
}

function jobCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (!(count >= 1 && count <= 1024))
    throw invalid(`expected a whole number from 1 to 1024; got ${quoted(text)}`);
  return count;
}
