// Runs before `npm start` and `npm test`, possibly on a fresh clone: no packages, and any Node.js from 18 on.

import { installIfStale } from './install.js';

try {
  await installIfStale();

  if (process.argv.includes('build')) {
    // Imported late, because it needs what the step above installs.
    const { buildIfStale } = await import('./build.js');
    await buildIfStale();
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
