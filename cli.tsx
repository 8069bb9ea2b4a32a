/**
 * The command line of dmascope. Exit codes: 0 done, 1 unexpected error, 2 wrong usage or unreadable input,
 * 3 an expectation failed.
 */
import { isMainThread } from 'node:worker_threads';
import { EXPERIMENT_ARGUMENT, SIMULATOR_ARGUMENT } from './source/sources/simulator/messages.ts';

async function main(): Promise<void> {
  // A reader that closes early, such as head, ends the output; that is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  // Each loads what it needs and no more: most of a short command's time is loading.
  if (process.argv[2] === SIMULATOR_ARGUMENT) {
    const { runSimulatorProcess } = await import('./source/sources/simulator/process.ts');
    return runSimulatorProcess();
  }
  if (process.argv[2] === EXPERIMENT_ARGUMENT && !isMainThread) {
    const { runExperimentThread } = await import('./source/sources/simulator/experiment-thread.ts');
    return runExperimentThread(process.argv[3]);
  }
  const { buildProgram, checkCommandWord } = await import('./source/cli/program.ts');
  try {
    const program = buildProgram();
    checkCommandWord(program, process.argv[2]);
    await program.parseAsync();
  } catch (error) {
    const { fail } = await import('./source/cli/failure.ts');
    process.exitCode = fail(error);
  }
}

await main();
