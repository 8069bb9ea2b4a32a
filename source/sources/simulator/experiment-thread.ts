/**
 * An experiment in a thread of the simulator's process: points take up to a second of work each, and neither the machine
 * on the screen nor a key may wait for one.
 */
import { realpathSync } from 'node:fs';
import { parentPort, Worker } from 'node:worker_threads';
import { type Experimenting, stepsOf } from '../../commands/experimenting.ts';
import type { Progress } from '../../experiments/run.ts';
import { EXPERIMENT_ARGUMENT } from './messages.ts';

/**
 * Measure the points of an experiment.
 *
 * @param changed a point was told, or no more will come
 * @param failed the thread died; why
 * @returns the way to stop at once, in the middle of a point
 */
export function measure(
  experimenting: Experimenting,
  changed: () => void,
  failed: (why: string) => void,
): () => void {
  // Node takes the ending of a file for its kind; what npm puts on the path is a link without one.
  const program = realpathSync(process.argv[1]);
  const thread = new Worker(program, { argv: [EXPERIMENT_ARGUMENT, experimenting.id] });
  thread.on('message', (progress: Progress) => {
    experimenting.tell(progress);
    changed();
  });
  thread.on('error', (error) => {
    experimenting.stop();
    failed(error.message);
  });
  return () => {
    thread.terminate();
  };
}

/** The thread itself. */
export function runExperimentThread(id: string): void {
  for (const progress of stepsOf(id)) parentPort?.postMessage(progress);
}
