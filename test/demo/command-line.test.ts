/** `dmascope demo` and `notes` without a terminal: what they print, and how they end. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { builtInNames } from '../../source/demo/built-in.ts';
import { bundle } from '../support/dmascope.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dmascope-demo-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...words: string[]) =>
  execa(process.execPath, [bundle, ...words], { reject: false, env: { XDG_RUNTIME_DIR: folder } });

function file(name: string, text: string | Uint8Array): string {
  const at = path.join(folder, name);
  writeFileSync(at, text);
  return at;
}

const talk = (commands: string) => `# A talk\n\n## Scene\n\n\`\`\`dmascope\n${commands}\n\`\`\`\n`;

test('demo alone lists all of them', async () => {
  const { stdout, exitCode } = await run('demo');
  expect(exitCode).toBe(0);
  for (const name of builtInNames) expect(stdout).toMatch(new RegExp(`^ +${name} `, 'm'));
});

test('--check ends with 0 where all is as expected', async () => {
  const { stdout, exitCode } = await run('demo', 'lazy', '--check');
  expect(exitCode).toBe(0);
  expect(stdout.split('\n').slice(1)).toEqual(
    expect.arrayContaining([expect.stringMatching(/^ok {6}1\/5 {2}3 of 3 {2}A buffer/)]),
  );
});

test('--check ends with 3 and the line of what is not', async () => {
  const at = file('wrong.md', talk('boot intel_iommu=on\nexpect gsts.TES = 0'));
  const { stdout, stderr, exitCode } = await run('demo', at, '--check');
  expect(exitCode).toBe(3);
  expect(stdout).toContain('FAILED  1/1  0 of 1  Scene');
  expect(stderr).toBe(`dmascope: ${at}:7: expected gsts.TES = 0, got 1`);
});

test.each([
  ['unreadable', 'device nic1 flip', /bad\.md:6: expected a device: .* Did you mean nic0\?$/],
  [
    'an unknown name',
    'expect nic0.lan = off',
    /bad\.md:6: expected what to ask of nic0 .* Did you mean lane\?$/,
  ],
])('a file with %s ends with 2, file and line', async (_, commands, message) => {
  const { stderr, exitCode } = await run('demo', file('bad.md', talk(commands)), '--check');
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(message);
});

test.each([
  [['demo', 'clams'], /expected a demo, or a file such as .*; got "clams"\. Did you mean claims\?/],
  [['demo', './nowhere.md'], /cannot read \.\/nowhere\.md: ENOENT/],
  [['demo', 'claims', '--scene', '0'], /--scene: expected a whole number from 1 on/],
])('%j ends with 2', async (words, message) => {
  const { stderr, exitCode } = await run(...words);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(message);
});

test.each([
  ['too long', 'long.md', 'x'.repeat(500_001), 'expected at most 500 kB of text, got more'],
  ['binary', 'binary.md', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0x0a, 0, 0xff]), ':2: expected text in UTF-8'],
])('a file that is %s ends with 2', async (_, name, content, message) => {
  const { stderr, exitCode } = await run('demo', file(name, content), '--check');
  expect(exitCode).toBe(2);
  expect(stderr).toContain(message);
});

test('a file without an end ends with 2', async () => {
  const { stderr, exitCode } = await run('demo', '/dev/zero', '--check');
  expect(exitCode).toBe(2);
  expect(stderr).toContain('expected at most 500 kB of text, got more');
});

test('run --exec ends with 3 where something expected is not so', async () => {
  const { stderr, exitCode } = await run('run', '--time', '1us', '--exec', 'expect gsts.TES = 0');
  expect(exitCode).toBe(3);
  expect(stderr).toBe('dmascope: expected gsts.TES = 0, got 1');
});

test('notes without a terminal say once that no demo runs', async () => {
  const { stdout, exitCode } = await run('notes');
  expect(exitCode).toBe(0);
  expect(stdout).toContain('No demo runs.');
});
