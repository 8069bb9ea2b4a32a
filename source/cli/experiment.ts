/** `dmascope experiment`: published measurements, and what the simulation makes of them. */
import { Option, type Command as Program } from 'commander';
import { quoted } from '../commands/printable.ts';
import { unexpected } from '../commands/words.ts';
import type { Experiment } from '../experiments/experiment.ts';
import { experimentUnit } from '../experiments/host.ts';
import { experiments } from '../experiments/index.ts';
import { runExperiment } from '../experiments/run.ts';
import { experimentCsv, experimentSvg, experimentText, xText } from '../output/experiment.ts';
import type { PresetName } from '../parameters/presets.ts';
import type { Overrides } from '../parameters/registry.ts';
import { EXPECTATION_FAILED } from './exit-codes.ts';
import { format, invalid, jsonText } from './options.ts';
import { progressBar } from './progress-bar.ts';
import { checkSettings, presetOption, settingOption } from './settings.ts';

type Flags = {
  readonly set: Overrides;
  readonly preset?: PresetName;
  readonly x?: readonly number[];
  readonly format: 'text' | 'json' | 'csv' | 'svg';
};

const formats = {
  text: experimentText,
  json: jsonText,
  csv: experimentCsv,
  svg: experimentSvg,
} as const;

export function addExperiment(program: Program): void {
  const command = program.command('experiment');
  command
    .description('published IOMMU measurements, and what the simulation makes of them')
    .argument('[id]', 'an experiment, such as E1; none lists them')
    .addOption(settingOption())
    .addOption(presetOption("parameters in place of the experiment's own"))
    .addOption(
      new Option('--x <numbers>', 'other points, separated by commas: windows in bytes, flows, …').argParser(
        numbers,
      ),
    )
    .addOption(format('text', 'json', 'csv', 'svg').default('text'))
    .addHelpText('after', '\nExit code 3 where a gate does not pass.')
    .action((id: string | undefined, flags: Flags) => {
      if (id === undefined) process.stdout.write(list());
      else run(command, experimentOf(command, id), flags);
    });
}

function run(command: Program, experiment: Experiment, flags: Flags): void {
  const { set, preset, x: xs } = flags;
  const { id, kind, xName, xUnit, xRange, xStep } = experiment;
  checkSettings(set, experimentUnit, preset);
  const [least, most] = xRange;
  const wrong = xs?.find((x) => x < least || x > most || x % xStep !== 0);
  if (wrong !== undefined) {
    const [from, to, step] = [least, most, xStep].map((x) => xText(x, xUnit));
    command.error(
      `--x: expected for ${xName} of ${id} from ${from} to ${to} in steps of ${step}; got ${wrong}`,
    );
  }
  const draw = progressBar(id);
  const result = runExperiment(experiment, { parameters: set, preset, xs }, ({ done, of }) => draw(done, of));
  process.stdout.write(formats[flags.format](result));
  if (!result.pass && kind === 'gate') process.exitCode = EXPECTATION_FAILED;
}

function experimentOf(command: Program, id: string): Experiment {
  const found = experiments.find((experiment) => experiment.id.toLowerCase() === id.toLowerCase());
  const ids = experiments.map((experiment) => experiment.id);
  return found ?? command.error(unexpected('an experiment', id, ids));
}

function list(): string {
  const lines = experiments.map(
    ({ id, kind, title }) => `${id.padEnd(4)} ${kind === 'gate' ? '    ' : 'demo'} ${title}`,
  );
  return `${lines.join('\n')}\n`;
}

/** From small to large, each once. */
function numbers(text: string): readonly number[] {
  const parsed = text
    .split(',')
    .map((part) => (/^\s*\d+(\.\d+)?\s*$/.test(part) ? Number(part) : Number.NaN));
  if (parsed.some(Number.isNaN))
    throw invalid(`expected numbers separated by commas, such as 65536,1048576; got ${quoted(text)}`);
  return [...new Set(parsed)].sort((a, b) => a - b);
}
