/** `dmascope conform`: conformance cases on the simulated unit. */
import type { Command as Program } from 'commander';
import { compare, differenceText, expectationsOf, readCases, runCases } from '../conformance/index.ts';
import { EXPECTATION_FAILED } from './exit-codes.ts';
import { readInput } from './input.ts';

export function addConform(program: Program): void {
  program
    .command('conform')
    .description('run conformance cases on the simulated unit')
    .argument('<file>', 'cases as JSON')
    .option('--expect', 'compare with what the cases expect; exit code 3 where they differ')
    .action(conform);
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
