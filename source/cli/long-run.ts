/** Simulations that may take long: how far they are is shown, and ctrl-c ends them with what there is. */
import { setImmediate } from 'node:timers/promises';
import type { Progress } from '../output/advancing.ts';
import { progressBar } from './progress-bar.ts';

/** How often the terminal hears of it, and signals are looked for. */
const TURN_MS = 100;

/** Exit codes of signals, as shells count them. */
const signals = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Carry work out to its end, or until a signal asks to stop it.
 *
 * @param start begins the work; it is given what takes the bar away, for whoever writes to the terminal meanwhile
 */
export async function carryThrough<Result>(
  title: string,
  start: (clear: () => void) => Progress<Result>,
): Promise<Result> {
  const draw = progressBar(title, 'ms');
  const clear = (): void => draw(1, 1);
  const work = start(clear);
  let signal: keyof typeof signals | null = null;
  const listeners = (Object.keys(signals) as (keyof typeof signals)[]).map((name) => {
    const listener = (): void => {
      signal = name;
    };
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  try {
    let turn = performance.now();
    let step = work.next();
    let last = { doneNs: 0, ofNs: 0 };
    while (step.done !== true) {
      last = step.value;
      if (performance.now() - turn > TURN_MS) {
        draw(Math.floor(last.doneNs / 1e6), Math.ceil(last.ofNs / 1e6));
        await setImmediate();
        turn = performance.now();
      }
      step = work.next(signal === null ? undefined : 'stop');
    }
    clear();
    if (signal !== null) {
      process.stderr.write(
        `dmascope: stopped at ${(last.doneNs / 1e6).toFixed(3)} of ${(last.ofNs / 1e6).toFixed(3)} ms\n`,
      );
      process.exitCode = signals[signal];
    }
    return step.value;
  } finally {
    for (const stop of listeners) stop();
  }
}
