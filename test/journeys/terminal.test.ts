/** What people expect of any good terminal program. */
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { bundle } from '../support/dmascope.ts';
import { childrenOf } from '../support/processes.ts';
import { openTerminal } from '../support/terminal.ts';
import { openDashboard, SIZES } from './journey.ts';

test.for(SIZES)('at $columns x $rows every view fits, without a full clear', async (size) => {
  await using terminal = await openDashboard([], size);
  for (const [key, word] of [
    ['2', 'RTADDR'],
    ['3', /memory|walk|DMA/],
    ['4', 'fault'],
    ['1', 'Events'],
  ] as const) {
    terminal.press(key);
    await terminal.waitFor(word);
    expect(terminal.screen()).toHaveLength(size.rows);
  }
  terminal.press('?');
  await terminal.waitFor(/Keys/);
  terminal.press('escape');
  await terminal.waitFor('Events');
  // The first frame of the alternate screen may clear it; nothing after that does.
  expect(terminal.fullClears()).toBeLessThanOrEqual(1);
});

test('q gives the terminal back as it was and leaves no process behind', async () => {
  await using terminal = await openDashboard();
  expect(terminal.bufferType()).toBe('alternate');
  terminal.press('q');
  expect(await terminal.exited).toEqual({ exitCode: 0, signal: undefined });
  expect(terminal.bufferType()).toBe('normal');
  expect(terminal.text().trim()).toBe('');
});

test('ctrl-c ends it too', async () => {
  await using terminal = await openDashboard();
  terminal.press('ctrl-c');
  const { exitCode } = await terminal.exited;
  expect([0, 130]).toContain(exitCode);
  expect(terminal.bufferType()).toBe('normal');
});

test('ctrl-z gives the terminal to the shell, and fg comes back', async () => {
  await using terminal = await openTerminal({
    command: 'bash',
    args: ['--norc', '-i'],
    columns: 100,
    rows: 30,
    env: { PS1: 'shell> ' },
  });
  await terminal.waitFor('shell>');
  terminal.type(`${process.execPath} ${bundle} --paused`);
  terminal.press('enter');
  await terminal.waitFor(/nic0 .*nvme0/s);
  terminal.press('ctrl-z');
  await terminal.waitFor(/Stopped.*shell>/s);
  expect(terminal.bufferType()).toBe('normal');
  terminal.type('fg');
  terminal.press('enter');
  await terminal.waitFor(/PAUSED.*nic0 .*nvme0/s);
  terminal.press('q');
  await terminal.waitFor(() => terminal.bufferType() === 'normal');
});

test('resizing keeps the selection and always fits', async () => {
  await using terminal = await openDashboard(['--device', 'gpu0']);
  for (const [columns, rows] of [
    [80, 24],
    [200, 60],
    [46, 14],
    [100, 30],
  ] as const) {
    terminal.resize(columns, rows);
    await terminal.waitFor(() => terminal.screen().some((row) => row.includes('gpu0')));
  }
  // The whole screen is right again, from the header on.
  await terminal.waitFor(/^ dmascope .*▸gpu0/s);
});

test('a simulation that dies is reported on the screen and goes on', async () => {
  await using terminal = await openDashboard();
  const dashboard = childrenOf(process.pid, bundle);
  const [simulator] = dashboard.flatMap((pid) => childrenOf(pid, 'simulator-process'));
  process.kill(simulator, 'SIGKILL');
  await terminal.waitFor(/died \(signal SIGKILL\)/);
  const clock = () => /(\d+\.\d{3}) ms/.exec(terminal.text())?.[1];
  const before = clock();
  await terminal.waitFor(() => clock() !== before);
  terminal.press('q');
  expect((await terminal.exited).exitCode).toBe(0);
});

test('without a terminal it prints a report instead of a screen', async () => {
  const { stdout, exitCode } = await execa(process.execPath, [bundle, '--boot', 'intel_iommu=on'], {
    stdin: 'ignore',
  });
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/nic0 .*DMA-FQ/);
  expect(stdout).not.toContain('\u001b');
});
