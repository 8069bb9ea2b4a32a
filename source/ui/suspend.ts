/** Job control: stop this process and all it started, and return when the shell lets them go on. */

/** A process group without a shell that could continue it ignores the request; then this much later it is over. */
const ignoredAfterMs = 400;

export function suspendProcess(): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      process.off('SIGCONT', done);
      resolve();
    };
    process.once('SIGCONT', done);
    const timer = setTimeout(done, ignoredAfterMs);
    // The whole group: a parent such as npm would stay in the foreground otherwise.
    process.kill(0, 'SIGTSTP');
  });
}
