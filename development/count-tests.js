// Prints how many tests passed and failed, from the JSON report of vitest.

import { readFileSync } from 'node:fs';

const text = readFileSync(process.argv[2], 'utf8');

// The report stays empty if the set-up, the type check or the linter has failed before.
if (text !== '') {
  const { numPassedTests, numFailedTests } = JSON.parse(text);
  console.log(`${numPassedTests} passed, ${numFailedTests} failed`);
}
