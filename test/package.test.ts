import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isSupported, minimumNode } from '../development/node-version.js';
import { bundle } from './support/dmascope.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dmascope-package-'));
  copyFileSync(bundle, path.join(folder, 'cli.js'));
});

afterEach(() => rmSync(folder, { recursive: true }));

test('the bundle runs in an empty folder, without any node_modules', () => {
  const output = execFileSync(process.execPath, ['cli.js', '--version'], { cwd: folder, encoding: 'utf8' });

  expect(output).toBe(`${version}\n`);
});

test('the bundle is a command of its own', () => {
  expect(readFileSync(bundle, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  expect(statSync(bundle).mode & 0o111).toBe(0o111);
});

test('a Node.js that is too old gets one line that says so, and exit code 2', ({ skip }) => {
  const old = nodesOfTheMachine().find((node) => !isSupported(node.version));
  if (!old) return skip('every Node.js on the PATH of this machine is supported');

  // As in the installed package, where it is an ES module by declaration.
  writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}');
  const result = spawnSync(old.file, ['cli.js', '--version'], { cwd: folder, encoding: 'utf8' });

  expect(result.stdout).toBe('');
  expect(result.stderr).toBe(`dmascope needs Node.js ${minimumNode} or newer and found v${old.version}\n`);
  expect(result.status).toBe(2);
});

function nodesOfTheMachine() {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .filter((entry) => entry !== '' && !entry.includes('node_modules'))
    .map((entry) => path.join(entry, 'node'))
    .map((file) => ({ file, result: spawnSync(file, ['--version'], { encoding: 'utf8' }) }))
    .filter(({ result }) => result.status === 0)
    .map(({ file, result }) => ({ file, version: result.stdout.trim().replace(/^v/, '') }));
}
