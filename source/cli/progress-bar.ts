/** A bar on standard error, where that is a terminal. */

const WIDTH = 30;
/** What is over before does not need one. */
const PATIENCE_MS = 500;

/**
 * @param unit what is counted, behind the numbers
 * @returns draws the bar; once all is done it is gone
 */
export function progressBar(title: string, unit = ''): (done: number, of: number) => void {
  if (!process.stderr.isTTY) return () => {};
  const started = performance.now();
  let isDrawn = false;
  return (done, of) => {
    if (done >= of) {
      if (isDrawn) process.stderr.write('\r\u001b[K');
      isDrawn = false;
      return;
    }
    if (performance.now() - started < PATIENCE_MS) return;
    const filled = Math.round((WIDTH * done) / of);
    const bar = `${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}`;
    isDrawn = true;
    process.stderr.write(`\r${title} [${bar}] ${done} of ${of}${unit === '' ? '' : ` ${unit}`}`);
  };
}
