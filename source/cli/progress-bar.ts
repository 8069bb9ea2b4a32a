/** A bar on standard error, where that is a terminal. */

const WIDTH = 30;

/** @returns draws the bar; once all is done it is gone */
export function progressBar(title: string): (done: number, of: number) => void {
  if (!process.stderr.isTTY) return () => {};
  return (done, of) => {
    const filled = of === 0 ? WIDTH : Math.round((WIDTH * done) / of);
    const bar = `${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}`;
    process.stderr.write(done >= of ? '\r\u001b[K' : `\r${title} [${bar}] ${done} of ${of}`);
  };
}
