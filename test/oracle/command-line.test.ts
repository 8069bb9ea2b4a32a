import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execaNode } from 'execa';
import { describe, expect, test } from 'vitest';
import { testWithQemu } from './test-with-qemu.ts';

const root = new URL('../../', import.meta.url).pathname;
const folder = mkdtempSync(path.join(tmpdir(), 'dmascope-oracle-'));

function written(name: string, text: string, mode = 0o644): string {
  const file = path.join(folder, name);
  writeFileSync(file, text, { mode });
  return file;
}

const conform = (file: string, ...flags: string[]) =>
  execaNode(path.join(root, 'dist/cli.js'), ['conform', file, ...flags], { reject: false });

const conformWith = (qemu: string, file: string, ...flags: string[]) =>
  execaNode(path.join(root, 'dist/cli.js'), ['conform', file, ...flags], {
    reject: false,
    env: { DMASCOPE_QEMU: qemu },
  });

const fixture = (name: string): string => path.join(root, `fixtures/conformance/${name}.json`);
const small = written(
  'small.json',
  '{"groups": [{"name": "g", "cases": [{"name": "c", "steps": [["enable"]]}]}]}',
);

describe('conform --qemu', () => {
  testWithQemu('says that QEMU agrees', async ({ version }) => {
    const { stdout, exitCode } = await conform(fixture('pages'), '--qemu');

    expect(stdout).toMatch(new RegExp(`^QEMU ${version}: \\d+ cases, 0 with unknown differences`));
    expect(exitCode).toBe(0);
  });

  testWithQemu('lists known departures under their name, as text and as JSON', async () => {
    const name = 'large page over the interrupt range';
    const text = await conform(fixture('departures'), '--qemu');
    const { departures, differences, qemu } = JSON.parse(
      (await conform(fixture('departures'), '--qemu', '--format', 'json')).stdout,
    );

    expect(text.stdout).toContain(`known departure: ${name}. QEMU refuses`);
    expect(departures).toContainEqual(expect.objectContaining({ case: name, step: 2, name }));
    expect(differences).toEqual([]);
    expect(qemu.groups[0].results).not.toHaveLength(0);
  });

  testWithQemu('names the case in which QEMU ended', async () => {
    const wait = [['enable'], ['qi', [['0x3500000035', '0x184000']]]];
    const cases = [{ name: 'wait with both', steps: wait }];
    const file = written('wait.json', JSON.stringify({ groups: [{ name: 'g', cases }] }));
    const { stderr, exitCode } = await conform(file, '--qemu');

    expect(stderr).toMatch(/^dmascope: group "g", case "wait with both": QEMU ended \(signal SIGABRT\)/);
    expect(exitCode).toBe(2);
  });

  test('says what is missing where there is no QEMU', async () => {
    const { stderr, exitCode } = await conformWith('no-such-qemu', small, '--qemu');

    expect(stderr).toMatch(/^dmascope: QEMU is not installed: expected no-such-qemu/);
    expect(exitCode).toBe(2);
  });

  test('says that QEMU is too old for first-stage translation', async () => {
    const old = written('old-qemu', '#!/bin/sh\necho QEMU emulator version 7.2.22\n', 0o755);
    const { stderr, exitCode } = await conformWith(old, fixture('scalable-first-stage'), '--qemu');

    expect(stderr).toBe(
      `dmascope: group "first stage": x-flts=on needs QEMU 10.0 or newer, and ${old} is 7.2.22`,
    );
    expect(exitCode).toBe(2);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('leaves no QEMU behind after %s', async (signal) => {
    const pidFile = path.join(folder, `pid-${signal}`);
    const answers = 'case $1 in --version) echo QEMU emulator version 10.0.2;; -device) echo x-flts;;';
    const silent = written(
      `silent-${signal}`,
      `#!/bin/sh\n${answers} *) echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec sleep 600;; esac\n`,
      0o755,
    );
    const run = conformWith(silent, small, '--qemu');
    const pid = await expect
      .poll(() => numberIn(pidFile), { timeout: 15_000 })
      .not.toBeNull()
      .then(() => numberIn(pidFile)!);

    run.kill(signal);
    await run;

    await expect.poll(() => isRunning(pid), { timeout: 15_000 }).toBe(false);
  });
});

function numberIn(file: string): number | null {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
