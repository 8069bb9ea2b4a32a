/** The very first start on a real terminal: a welcome that offers the tour, once. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDmascope } from '../support/dmascope.ts';

const WELCOME = 'A simulated PC with an Intel VT-d IOMMU.';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dmascope-state-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const first = (env: Record<string, string>, ...args: string[]) =>
  openDmascope(args, { env, firstStart: true });

test('the first start offers the tour, which plays in the same dashboard; the second one does not', async () => {
  const env = { XDG_STATE_HOME: path.join(folder, 'state') };
  {
    await using terminal = await first(env);
    await terminal.waitFor(WELCOME);
    terminal.press(']');
    await terminal.waitFor('Six devices and their way to memory');
    expect(terminal.text()).not.toContain(WELCOME);
    terminal.press('escape');
    await terminal.waitFor(() => !terminal.text().includes('Six devices and their way to memory'));
  }
  await using terminal = await first(env);
  await terminal.waitFor('hint');
  expect(terminal.text()).not.toContain(WELCOME);
  terminal.press(':');
  terminal.type('welcome');
  terminal.press('enter');
  await terminal.waitFor(WELCOME);
});

test('no welcome where commands are given', async () => {
  const env = { XDG_STATE_HOME: path.join(folder, 'with-commands') };
  await using terminal = await first(env, '--exec', 'pause');
  await terminal.waitFor('PAUSED');
  expect(terminal.text()).not.toContain(WELCOME);
});

test('where it cannot be remembered there is neither a welcome nor an error', async () => {
  const blocked = path.join(folder, 'a-file');
  writeFileSync(blocked, '');
  await using terminal = await first({ XDG_STATE_HOME: blocked });
  await terminal.waitFor('hint');
  expect(terminal.text()).not.toContain(WELCOME);
});
