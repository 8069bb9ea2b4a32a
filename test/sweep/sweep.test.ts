import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ResultLine } from '../../source/sweep/result-file.ts';
import { bundle } from '../support/dmascope.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dmascope-sweep-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function start(args: readonly string[], environment: Record<string, string> = {}) {
  const env = { ...process.env, ...environment };
  return spawn(process.execPath, [bundle, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function dmascope(args: readonly string[], environment: Record<string, string> = {}) {
  const child = start(args, environment);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { stdout, stderr, code: child.exitCode };
}

const fileIn = (name: string): string => readFileSync(path.join(folder, name), 'utf8');

const linesIn = (name: string): ResultLine[] =>
  fileIn(name)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const four = ['sweep', '--seed', '1,2', '--set', 'iotlb.entries=64,128', '--time', '1ms'];

test('each line of a sweep is what its own command line gives', async () => {
  expect(await dmascope(four)).toMatchObject({ code: 0, stdout: '' });

  const lines = linesIn('sweep.ndjson');
  expect(lines.map(({ point, of }) => [point, of])).toEqual([0, 1, 2, 3].map((point) => [point, 4]));
  const { command, values, result } = lines[2];
  expect(values).toEqual({ seed: '2', 'iotlb.entries': '64' });
  const { stdout } = await dmascope([...command.split(' ').slice(1), '--format', 'json']);
  expect(JSON.parse(stdout)).toMatchObject(result as object);

  const [header, ...rows] = fileIn('sweep.csv').trimEnd().split('\n');
  expect(header).toBe('point,seed,iotlb.entries,measure,value');
  const { counters } = result as { counters: { iommu_mrds: number } };
  expect(new Set(rows.map((row) => row.split(',').slice(0, 4).join())).size).toBe(rows.length);
  expect(rows.filter((row) => /,(schema|seed|parameters\..*),/.test(row))).toEqual([]);
  expect(rows).toContain(`2,2,64,counters.iommu_mrds,${counters.iommu_mrds}`);
});

test('a sweep that was stopped goes on where it was, and ends in the same bytes', {
  timeout: 90_000,
}, async () => {
  const many = ['sweep', '--seed', '1,2,3,4', '--time', '2ms', '--jobs', '1'];
  await dmascope([...many, '--out', 'whole.ndjson']);

  const stopped = start(many);
  const said = text(stopped.stderr);
  await expect.poll(() => linesOf('sweep.ndjson'), { timeout: 15_000 }).toBeGreaterThan(0);
  stopped.kill('SIGINT');
  await once(stopped, 'close');
  expect(stopped.exitCode).toBe(130);
  expect(await said).toMatch(/stopped at \d of 4; the same command goes on from there/);
  // A line that was cut off, as by a full disk or a power failure.
  appendFileSync(path.join(folder, 'sweep.ndjson'), '{"sweep":"');

  expect((await dmascope(many)).stderr).toMatch(/4 points, \d done before/);
  expect(fileIn('sweep.ndjson')).toBe(fileIn('whole.ndjson'));
});

const linesOf = (name: string): number => {
  try {
    return fileIn(name).split('\n').length - 1;
  } catch {
    return 0;
  }
};

test('parts on several machines join to the whole, and what is missing is told', async () => {
  await dmascope([...four, '--out', 'whole.ndjson']);
  await dmascope([...four, '--shard', '1/3']);
  await dmascope(four, { SLURM_ARRAY_TASK_ID: '7', SLURM_ARRAY_TASK_MIN: '6', SLURM_ARRAY_TASK_COUNT: '3' });

  const parts = [1, 2].map((part) => `sweep.${part}-of-3.ndjson`);
  expect(await dmascope(['merge', ...parts, '--out', 'some.ndjson'])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('missing: point 2\n'),
  });

  await dmascope([...four, '--shard', '/3'], { JOB_COMPLETION_INDEX: '2' });
  expect(await dmascope(['merge', ...parts, 'sweep.3-of-3.ndjson', '--out', 'all.ndjson'])).toMatchObject({
    code: 0,
  });
  expect(fileIn('all.ndjson')).toBe(fileIn('whole.ndjson'));
  expect(fileIn('all.csv')).toBe(fileIn('whole.csv'));
});

test('a point that cannot run ends the sweep with its command line, and what is done stays', async () => {
  const { code, stderr } = await dmascope([
    'sweep',
    '--unit',
    'skylake,skylak',
    '--time',
    '1ms',
    '--jobs',
    '1',
  ]);

  expect(code).toBe(2);
  expect(stderr).toContain('point 1, dmascope run --time 1ms --unit skylak: ');
  expect(stderr).toContain('Did you mean skylake?');
  expect(linesIn('sweep.ndjson')).toHaveLength(1);
});

test.each([
  ['a parameter that is none', ['sweep', '--set', 'iotlb.entrees=64'], 'Did you mean iotlb.entries?'],
  [
    'a value out of range',
    ['sweep', '--set', 'iotlb.entries=64,0'],
    'expected a whole number from 1 to 65536',
  ],
  ['nothing to vary', ['sweep', '--time', '1ms'], 'expected what to vary: a file, --boot, --seed'],
  ['a file that is not there', ['sweep', 'none.json'], 'cannot read none.json: ENOENT'],
  ['an option of experiments', ['sweep', '--seed', '1,2', '--x', '64'], 'a sweep over runs has no x'],
  [
    'a place that cannot be written',
    ['sweep', '--seed', '1', '--out', 'no/x.ndjson'],
    'cannot write no/x.ndjson: ENOENT',
  ],
  ['no results', ['merge', 'none.ndjson'], 'cannot read none.ndjson: ENOENT'],
])('%s is refused before anything runs', async (_, args, message) => {
  const { code, stderr } = await dmascope(args);

  expect(code).toBe(2);
  expect(stderr).toContain(message);
});

test('results of another sweep are neither mixed in nor lost', async () => {
  await dmascope(['sweep', '--seed', '1', '--time', '1ms']);
  const before = fileIn('sweep.ndjson');
  const { code, stderr } = await dmascope(['sweep', '--seed', '2', '--time', '1ms']);

  expect(code).toBe(2);
  expect(stderr).toContain('sweep.ndjson holds another sweep, or one of another version');
  expect(fileIn('sweep.ndjson')).toBe(before);
});

test('the same point with two results is refused', async () => {
  await dmascope(['sweep', '--seed', '1', '--time', '1ms']);
  writeFileSync(
    path.join(folder, 'other.ndjson'),
    fileIn('sweep.ndjson').replace(/"iommu_mrds":\d+/, '"iommu_mrds":1'),
  );
  const { code, stderr } = await dmascope(['merge', 'sweep.ndjson', 'other.ndjson', '--out', 'all.ndjson']);

  expect(code).toBe(2);
  expect(stderr).toContain('point 0 came out differently in sweep.ndjson and other.ndjson');
});
