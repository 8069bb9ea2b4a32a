import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { bundle } from '../support/dmascope.ts';

function experiment(...args: string[]) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [bundle, 'experiment', ...args], {
    encoding: 'utf8',
  });
  return { stdout, stderr, status };
}

test.each([
  ['an experiment that is none', ['E99'], 'tenants; got "E99". Did you mean E9?'],
  ['a window below the range', ['E1', '--x', '0'], 'from 4 KiB to 128 MiB in steps of 4 KiB; got 0'],
  ['a window above it', ['E1', '--x', '99999999999'], 'to 128 MiB in steps of 4 KiB; got 99999999999'],
  ['half a page', ['E1', '--x', '65536,6144'], 'in steps of 4 KiB; got 6144'],
  ['half a descriptor', ['E8', '--x', '100'], 'in steps of 32 packets; got 100'],
  ['a negative number', ['E1', '--x', '-5'], 'expected numbers separated by commas'],
  ['a word', ['E1', '--x', 'many'], 'expected numbers separated by commas'],
  ['a parameter that is none', ['E1', '--set', 'walker=3'], 'Did you mean walkers?'],
  ['a preset that is none', ['E1', '--preset', 'ib128'], 'Did you mean ib-128?'],
])('%s is refused, with what was expected', (_, args, message) => {
  const { status, stderr, stdout } = experiment(...args);

  expect(stderr).toContain(message);
  expect(stdout).toBe('');
  expect(status).toBe(2);
});

test('points are measured from small to large, each once; the id may be written small', () => {
  const { stdout, status } = experiment('e17', '--x', '8,2,8', '--format', 'csv');
  const rows = stdout
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','));
  const xs = rows.filter(([, series]) => series === 'misses').map((row) => row[4]);

  expect(status).toBe(0);
  expect(new Set(rows.map(([id]) => id))).toEqual(new Set(['E17']));
  expect(xs).toEqual([...xs].sort((a, b) => Number(a) - Number(b)));
  expect(stdout.match(/by translations in flight/g)).toHaveLength(2);
});

test('a gate that does not pass is told by the exit code, and with no terminal there is no bar', () => {
  const { status, stderr, stdout } = experiment('E1', '--x', '67108864', '--set', 'walkers=3');

  expect(stdout).toContain('E1 FAILS');
  expect(stderr).toBe('');
  expect(status).toBe(3);
});
