import { expect, test } from 'vitest';
import { openTerminal } from './support/terminal.ts';

const run = (script: string, env = {}) =>
  openTerminal({ command: process.execPath, args: ['-e', script], columns: 40, rows: 6, env });

test('the terminal shows what a program prints, and its exit code', async () => {
  await using terminal = await run('console.log("ready"); process.exitCode = 3');

  await terminal.waitFor('ready');
  expect(terminal.screen()).toEqual(['ready', '', '', '', '', '']);
  expect(await terminal.exited).toEqual({ exitCode: 3, signal: undefined });
});

test('a program in the terminal sees no CI and no colour settings but those given', async () => {
  const script =
    'console.log(process.env.CI, process.env.FORCE_COLOR, process.env.NO_COLOR, process.env.TERM)';
  await using terminal = await run(script, { NO_COLOR: '1' });

  await terminal.waitFor('undefined undefined 1 xterm-256color');
});

test('keys, pasted text and the new size reach the program', async () => {
  await using terminal = await run(`
    process.stdin.setRawMode(true).on('data', (data) => console.log(JSON.stringify(String(data))));
    process.stdout.on('resize', () => console.log(process.stdout.columns + 'x' + process.stdout.rows));
    console.log('ready');
  `);

  await terminal.waitFor('ready');
  terminal.press('ctrl-z');
  await terminal.waitFor('"\\u001a"');
  terminal.press('down');
  await terminal.waitFor('"\\u001b[B"');
  terminal.paste('q');
  await terminal.waitFor('"\\u001b[200~q\\u001b[201~"');
  terminal.resize(50, 8);
  await terminal.waitFor('50x8');
});

test('the alternate screen, bytes and full clears are counted', async () => {
  await using terminal = await run(`
    process.stdout.write('\\x1b[?1049h\\x1b[2J\\x1b[H\\x1b[J\\x1b[5;5H\\x1b[Jhere');
    process.stdin.once('data', () => process.stdout.write('\\x1b[?1049l', () => process.exit()));
  `);

  await terminal.waitFor('here');
  expect(terminal.bufferType()).toBe('alternate');
  expect(terminal.fullClears()).toBe(2);
  expect(terminal.bytes()).toBe(31);

  terminal.press('enter');
  await terminal.exited;
  expect(terminal.bufferType()).toBe('normal');
});

test('waiting in vain ends with the screen in the message', async () => {
  await using waiting = await run('console.log("something else"); setInterval(() => {}, 1000)');
  await waiting.waitFor('else');
  await expect(waiting.waitFor('wanted', 50)).rejects.toThrow(
    /expected wanted .* after 50 ms it shows\n {2}\| something/,
  );

  await using ended = await run('console.log("the end")');
  await expect(ended.waitFor('wanted')).rejects.toThrow(/after exit 0 it shows\n {2}\| the end/);
});
