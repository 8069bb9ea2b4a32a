/** `dmascope conform`: conformance cases on the simulated unit, and on QEMU. */
import type { Command as Program } from 'commander';
import { printable, printableLines } from '../commands/printable.ts';
import {
  answersText,
  compare,
  differenceText,
  expectationsOf,
  readCases,
  runCases,
} from '../conformance/index.ts';
import { EXPECTATION_FAILED } from './exit-codes.ts';
import { readInput } from './input.ts';
import { format } from './options.ts';

type Flags = { readonly expect?: boolean; readonly qemu?: boolean; readonly format?: 'text' | 'json' };

export function addConform(program: Program): void {
  program
    .command('conform')
    .description('run conformance cases on the simulated unit, and compare it with QEMU')
    .argument('<file>', 'cases as JSON')
    .option('--expect', 'compare with what the cases expect; exit code 3 where they differ')
    .option('--qemu', 'run them on QEMU, too; exit code 3 where it differs and no known departure says why')
    // Answers are for programs and a comparison is for people, if nothing else is asked for.
    .addOption(format('text', 'json'))
    .action(conform);
}

async function conform(path: string, { expect, qemu, format }: Flags): Promise<void> {
  const file = readCases(readInput(path));
  if (qemu === true) {
    const [{ findQemu }, { compareWithQemu }, { comparisonJson, comparisonText }] = await Promise.all([
      import('../oracle/program.ts'),
      import('../oracle/compare-with-qemu.ts'),
      import('../oracle/comparison-report.ts'),
    ]);
    const program = await findQemu();
    const comparison = await compareWithQemu(program, file);
    process.stdout.write(
      format === 'json' ? comparisonJson(program, comparison) : comparisonText(program, file, comparison),
    );
    if (comparison.differences.length > 0) process.exitCode = EXPECTATION_FAILED;
  }
  const results = runCases(file);
  if (qemu !== true)
    process.stdout.write(
      format === 'text' ? printableLines(answersText(results)) : `${JSON.stringify(results)}\n`,
    );
  if (expect !== true) return;
  const differences = compare(results, expectationsOf(file));
  for (const difference of differences)
    process.stderr.write(`dmascope: ${printable(differenceText(difference))}\n`);
  if (differences.length > 0) process.exitCode = EXPECTATION_FAILED;
}
