/** `dmascope demo`: lists the demos, plays one, or checks what they expect. */
import path from 'node:path';
import { Option, type Command as Program } from 'commander';
import { unexpected } from '../commands/words.ts';
import { builtInDemo, builtInNames } from '../demo/built-in.ts';
import { checkDemo, failuresOf } from '../demo/check-demo.ts';
import type { Demo } from '../demo/demo.ts';
import { readDemo } from '../demo/read-demo.ts';
import type { MachineOptions } from '../machine/machine.ts';
import type { MeasuredRow } from '../simulation/snapshot.ts';
import { EXPECTATION_FAILED } from './exit-codes.ts';
import { readSmallInput } from './input.ts';
import { DEFAULT_BOOT } from './machine-options.ts';
import { positive } from './options.ts';
import { loadScreen, type ScreenFlags, show, withScreenOptions } from './screen-options.ts';

type Flags = ScreenFlags & { readonly check?: boolean; readonly scene: number };

export function addDemo(program: Program): void {
  const command = program
    .command('demo')
    .description('play a demo scene by scene; without a name, list them')
    .argument('[name]', `${builtInNames.join(', ')}, or a file such as ./my-talk.md`)
    .option('--check', 'without a screen: check what is expected; without a name, of all demos')
    .addOption(new Option('--scene <number>', 'the scene to begin with').argParser(positive).default(1));
  withScreenOptions(command).action(async (name: string | undefined, flags: Flags) => {
    if (name !== undefined) return playOrCheck(find(name), flags);
    if (flags.check === true) for (const each of builtInNames) check(builtInDemo(each));
    else process.stdout.write(listText());
  });
}

/** A built-in demo, or a file; a word without a dot or a slash is no file. */
function find(name: string): Demo {
  if (builtInNames.includes(name)) return builtInDemo(name);
  if (!/[./\\]/.test(name))
    throw new UnknownDemo(unexpected('a demo, or a file such as ./my-talk.md', name, builtInNames));
  return readDemo(readSmallInput(name, MOST_BYTES), path.basename(name).replace(/\.md$/, ''), name);
}

/** A talk of a whole day is shorter. */
const MOST_BYTES = 500_000;

/** No demo of that name. */
export class UnknownDemo extends Error {}

/** What a scene measured, under the line of the scene. */
const tableText = (measured: readonly MeasuredRow[]): string[] =>
  measured.map(({ row, values }) => {
    const figures = values.map(({ heading, value }) => `${heading} ${value}`).join(', ');
    return `              ${row}: ${figures}`;
  });

/** The machine that the first scene finds. */
const machine: MachineOptions = { boot: DEFAULT_BOOT, seed: 42 };

async function playOrCheck(demo: Demo, flags: Flags): Promise<void> {
  if (flags.check === true || !process.stdout.isTTY) return check(demo);
  const { scene, speed } = flags;
  if (scene > demo.scenes.length) {
    throw new UnknownDemo(`expected a scene from 1 to ${demo.scenes.length}, got ${scene}`);
  }
  const program = process.argv[1];
  const { startSimulator } = await import('../sources/simulator/simulator.ts');
  const [source] = await Promise.all([
    startSimulator({ program, machine, speed, paused: false, demo: { demo, scene } }),
    loadScreen(),
  ]);
  await show(source, flags);
}

/** Print each scene with what became of its expectations; what failed goes to standard error, with file and line. */
function check(demo: Demo): void {
  const scenes = checkDemo(demo, machine);
  const lines = scenes.flatMap(({ scene, results, measured }, i) => {
    const met = results.filter(({ holds }) => holds).length;
    const mark = met === results.length ? 'ok    ' : 'FAILED';
    const line = `${mark} ${String(i + 1).padStart(2)}/${scenes.length}  ${met} of ${results.length}  ${scene.heading}`;
    return [line, ...tableText(measured)];
  });
  process.stdout.write(`${demo.title}\n${lines.join('\n')}\n`);
  const failures = failuresOf(demo, scenes);
  for (const failure of failures) process.stderr.write(`dmascope: ${failure}\n`);
  if (failures.length > 0) process.exitCode = EXPECTATION_FAILED;
}

function listText(): string {
  const rows = builtInNames.map((name) => {
    const { title, scenes, minutes } = builtInDemo(name);
    const length = `${scenes.length} scenes${minutes === null ? '' : `, ${minutes} min`}`;
    return `  ${name.padEnd(12)} ${title.padEnd(58)} ${length}`;
  });
  return `${rows.join('\n')}\n\ndmascope demo <name> plays one, dmascope notes shows the speaker's notes beside it.\n`;
}
