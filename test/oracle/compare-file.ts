/**
 * Runs a file of cases on the simulated unit and on QEMU and prints where they differ, known departures by name:
 *
 *     npx tsx test/oracle/compare-file.ts FILE
 *
 * Exit code 3 if there is a difference that is not known, 2 if the file is malformed or asks too much.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { differenceText } from '../../source/conformance/compare.ts';
import { MalformedCase, UnsupportedCase } from '../../source/conformance/errors.ts';
import { readCases } from '../../source/conformance/read-cases.ts';
import { runCases } from '../../source/conformance/run-cases.ts';
import { judge } from './judge.ts';
import { runOnQemu } from './qemu-oracle.ts';

async function compareFile(path: string): Promise<number> {
  const file = readCases(readFileSync(path, 'utf8'));
  const ours = runCases(file);
  const theirs = await runOnQemu(file);
  let exitCode = 0;
  file.groups.forEach(({ name: group, unit, cases }, g) => {
    cases.forEach((entry, c) => {
      const verdict = judge(unit, entry, ours.groups[g].results[c].steps, theirs.groups[g].results[c].steps);
      if (verdict.is === 'same') return;
      const place = { group, case: entry.name, step: verdict.at + 1 };
      if (verdict.is === 'departure') {
        console.log(`group "${group}", case "${entry.name}", step ${place.step}: known: ${verdict.name}`);
        return;
      }
      exitCode = 3;
      for (const { field, expected, got } of verdict.fields) {
        // QEMU is the one looked at here: the simulated unit says what should be.
        console.log(`${differenceText({ ...place, field, expected, got })} from QEMU`);
      }
    });
  });
  return exitCode;
}

try {
  process.exitCode = await compareFile(process.argv[2]);
} catch (error) {
  if (!(error instanceof MalformedCase || error instanceof UnsupportedCase)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
