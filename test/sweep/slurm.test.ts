import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { bundle } from '../support/dmascope.ts';
import { slurmMissing, startSlurm } from '../support/slurm.ts';

const missing = slurmMissing();

test('a Slurm job array does the parts of a sweep, as the page of sweeps says', { timeout: 120_000 }, async ({
  skip,
}) => {
  if (missing !== null) skip(`no Slurm: ${missing}`);
  const folder = mkdtempSync(path.join(tmpdir(), 'dmascope-array-'));
  const dmascope = (...args: string[]) =>
    execFileSync(process.execPath, [bundle, ...args], { cwd: folder, stdio: 'ignore' });
  const textIn = (file: string) => readFileSync(path.join(folder, file), 'utf8');
  try {
    writeFileSync(
      path.join(folder, 'sweep.json'),
      JSON.stringify({ seed: [1, 2, 3], time: '1ms', set: { 'iotlb.entries': [64, 128] } }),
    );
    // The script of the page, with fewer tasks and with this Node.js.
    const [script] = /#!\/bin\/sh\n#SBATCH[\s\S]*?(?=```)/.exec(
      readFileSync('docs/sweep.md', 'utf8'),
    ) as RegExpExecArray;
    const job = script
      .replace('--array=1-8', '--array=1-3')
      .replace('--cpus-per-task=2', '--cpus-per-task=1')
      .replace('node dist/cli.js', `${process.execPath} ${bundle}`);
    expect(job).toContain(`${bundle} sweep sweep.json`);
    writeFileSync(path.join(folder, 'job.sh'), job);

    await using slurm = await startSlurm();
    await slurm.submit('job.sh', folder);

    const parts = readdirSync(folder).filter((name) => /^sweep\.\d-of-3\.ndjson$/.test(name));
    expect(parts).toHaveLength(3);
    dmascope('merge', ...parts, '--out', 'all.ndjson');
    dmascope('sweep', 'sweep.json', '--out', 'whole.ndjson');
    expect(textIn('all.ndjson')).toBe(textIn('whole.ndjson'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
