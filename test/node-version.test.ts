import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const { optionalDependencies } = JSON.parse(
  readFileSync(new URL('../development/node/package.json', import.meta.url), 'utf8'),
);
const pinned: string | undefined = optionalDependencies[`node-${process.platform}-${process.arch}`];

test.skipIf(!pinned)('the tests run on the pinned Node.js, not on the one of the machine', () => {
  expect(process.versions.node.split('.')[0]).toBe('24');
  expect(process.versions.node).toBe(pinned);
});
