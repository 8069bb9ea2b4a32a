/**
 * The command line of dmascope. Exit codes: 0 done, 1 unexpected error, 2 wrong usage or unreadable input,
 * 3 an expectation failed.
 */
import { isMainThread } from 'node:worker_threads';
import { fail } from './source/cli/failure.ts';
import { buildProgram, checkCommandWord } from './source/cli/program.ts';
import { EXPERIMENT_ARGUMENT, runExperimentThread } from './source/sources/simulator/experiment-thread.ts';
import { runSimulatorProcess } from './source/sources/simulator/process.ts';
import { SIMULATOR_ARGUMENT } from './source/sources/simulator/simulator.ts';

async function main(): Promise<void> {
  // A reader that closes early, such as head, ends the output; that is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  if (process.argv[2] === SIMULATOR_ARGUMENT) return runSimulatorProcess();
  if (process.argv[2] === EXPERIMENT_ARGUMENT && !isMainThread) return runExperimentThread(process.argv[3]);
  try {
    const program = buildProgram();
    checkCommandWord(program, process.argv[2]);
    await program.parseAsync();
  } catch (error) {
    process.exitCode = fail(error);
  }
}

await main();
