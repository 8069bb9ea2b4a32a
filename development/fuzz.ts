/**
 * Random conformance cases on the simulated unit and on QEMU, many of them:
 *
 *     npm run fuzz -- --cases 200000 --seed 7 --mode scalable --mode first-stage
 *
 * A case that differs for no known reason is made small and printed as a file for `dmascope conform FILE --qemu`.
 * Exit code 0 if there was none, 3 if there was one, 2 for wrong usage or where QEMU cannot be asked.
 */
import process from 'node:process';
import { Command, InvalidArgumentError, Option } from 'commander';
import { findQemu, QemuError } from '../source/oracle/program.ts';
import { differential, foundText } from '../test/oracle/fuzz/differential.ts';
import { modes } from '../test/oracle/fuzz/modes.ts';

type Flags = { readonly cases: number; readonly seed?: number; readonly mode: readonly string[] };

const SHOW_EVERY_MS = 1000;

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new InvalidArgumentError('Expected a whole number.');
  }
  return Number(text);
}

async function fuzz({ cases, seed = Math.floor(Math.random() * 2 ** 31), mode }: Flags): Promise<number> {
  const program = await findQemu();
  const runs = mode.flatMap((name) =>
    Object.entries(modes[name].units).map(([unitName, unit]) => ({ name, unitName, unit })),
  );
  const possible = runs.filter(({ name }) => !modes[name].scalable || program.firstStage);
  const skipped = new Set(runs.filter((run) => !possible.includes(run)).map(({ name }) => name));
  for (const name of skipped)
    console.log(`${name}: skipped, QEMU ${program.version} is too old for scalable mode`);
  const count = Math.ceil(cases / Math.max(possible.length, 1));
  console.log(
    `QEMU ${program.version}, --seed ${seed}, ${count} cases for each of ${possible.length} units and modes`,
  );
  let differ = 0;
  for (const [index, { name, unitName, unit }] of possible.entries()) {
    let done = 0;
    let shown = Date.now();
    const progress = () => {
      done++;
      if (!process.stderr.isTTY || Date.now() - shown < SHOW_EVERY_MS) return;
      shown = Date.now();
      process.stderr.write(`\r${name}, ${unitName}: ${done} of ${count}`.padEnd(76));
    };
    const options = { unit, cases: modes[name].cases(unit), count, seed: seed + index, progress };
    const { same, complete, departures, found } = await differential(program, options);
    if (process.stderr.isTTY) process.stderr.write(`\r${' '.repeat(76)}\r`);
    const known = [...departures].map(([departure, times]) => `, ${times} ${departure}`).join('');
    console.log(
      `${name}, ${unitName}: ${count} cases, ${complete} compared to the end, ${same} the same${known}`,
    );
    if (found === null) continue;
    differ++;
    console.log(foundText(found));
  }
  return differ > 0 ? 3 : 0;
}

const program = new Command('fuzz')
  .description('random conformance cases on the simulated unit and on QEMU')
  .addOption(
    new Option('--cases <number>', 'how many, for all modes together').argParser(wholeNumber).default(20_000),
  )
  .addOption(
    new Option('--seed <number>', 'the same number gives the same cases; random if not given').argParser(
      wholeNumber,
    ),
  )
  .addOption(
    new Option('--mode <mode...>', 'what they are about')
      .choices(Object.keys(modes))
      .default(Object.keys(modes), 'all'),
  )
  .exitOverride();

try {
  program.parse();
  process.exitCode = await fuzz(program.opts<Flags>());
} catch (error) {
  if (error instanceof QemuError) console.error(error.message);
  else if (!(error instanceof Error && 'exitCode' in error)) throw error;
  process.exitCode = error instanceof Error && 'exitCode' in error && error.exitCode === 0 ? 0 : 2;
}
