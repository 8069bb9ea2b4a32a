import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openTerminal, type TerminalOptions } from '../support/terminal.ts';

const program = fileURLToPath(new URL('dashboard-program.ts', import.meta.url));

const start = (args: string[] = ['dark'], options: Partial<TerminalOptions> = {}) =>
  openTerminal({ command: process.execPath, args: ['--import', 'tsx', program, ...args], ...options });

test('it draws on the alternate screen, and q gives the terminal back as it was', async () => {
  await using terminal = await start();
  await terminal.waitFor('1 Overview');
  expect(terminal.bufferType()).toBe('alternate');
  expect(terminal.screen()).toHaveLength(24);

  terminal.press('q');
  expect(await terminal.exited).toMatchObject({ exitCode: 0 });
  expect(terminal.bufferType()).toBe('normal');
  expect(terminal.text()).toContain('source stopped');
  expect(terminal.text()).not.toContain('Overview');
});

test('Q leaves the last screen on the normal one', async () => {
  await using terminal = await start(['dark'], { rows: 30 });
  await terminal.waitFor('1 Overview');

  terminal.press('Q');
  expect(await terminal.exited).toMatchObject({ exitCode: 0 });
  expect(terminal.bufferType()).toBe('normal');
  expect(terminal.text()).toContain('nvme0');
});

test('ctrl-c quits, and so does a signal, with its own exit code', async () => {
  await using terminal = await start();
  await terminal.waitFor('1 Overview');

  terminal.press('ctrl-c');
  expect(await terminal.exited).toMatchObject({ exitCode: 0 });
  expect(terminal.text()).toContain('source stopped');
});

test('it follows the window, and never clears a screen that only changed', async () => {
  await using terminal = await start(['dark'], { columns: 100, rows: 30 });
  await terminal.waitFor('seed 42');
  terminal.press('down', 'down', 't');
  await terminal.waitFor(/▸gpu0/);
  expect(terminal.fullClears()).toBe(0);

  terminal.resize(80, 24);
  // After a change of size the whole window is drawn again, from the header to the footer.
  await terminal.waitFor(() => {
    const rows = terminal.screen();
    return rows[0].startsWith(' dmascope') && !rows[0].includes('seed 42') && rows[23].includes('? help');
  });

  terminal.resize(46, 14);
  await terminal.waitFor('This window is 46x14.');
  terminal.resize(120, 40);
  await terminal.waitFor(/^ dmascope .*seed 42.*▸gpu0/s);
});

test('an error while drawing leaves the alternate screen first and says how to see it again', async () => {
  await using terminal = await start(['dark', 'crash'], { columns: 100, rows: 40 });
  await terminal.waitFor('1 Overview');

  terminal.press('t');
  expect(await terminal.exited).toMatchObject({ exitCode: 1 });
  expect(terminal.bufferType()).toBe('normal');
  expect(terminal.text()).toContain("dmascope --boot 'intel_iommu=on iommu=pt' --seed 42");
  expect(terminal.text()).toContain('source stopped');
});

test('with NO_COLOR it writes no colour, whatever theme is wanted', async () => {
  await using terminal = await start(['dark'], { env: { NO_COLOR: '1' } });
  await terminal.waitFor('1 Overview');

  const buffer = terminal.emulator.buffer.active;
  for (let y = 0; y < terminal.emulator.rows; y++) {
    for (let x = 0; x < terminal.emulator.cols; x++) {
      const cell = buffer.getLine(y)?.getCell(x);
      expect([cell?.isFgDefault(), cell?.isBgDefault()]).toEqual([true, true]);
    }
  }
});

test('a terminal that answers its background as light gets the light theme', async () => {
  await using terminal = await start(['auto']);
  terminal.emulator.parser.registerOscHandler(11, () => {
    terminal.send('\x1b]11;rgb:ffff/ffff/ffff\x1b\\');
    return true;
  });
  await terminal.waitFor('1 Overview');

  const line = terminal.emulator.buffer.active.getLine(4);
  const x = [...(line?.translateToString() ?? '')].indexOf('━');
  expect(line?.getCell(x)?.getFgColor()).toBe(0x8f5f00);
});

test('ctrl-z gives the terminal back, and the screen is there again afterwards', async () => {
  await using terminal = await start();
  await terminal.waitFor('1 Overview');
  terminal.press('ctrl-z');
  // This terminal has no shell that could continue the program, so that it comes back by itself.
  await terminal.waitFor(() => terminal.bufferType() === 'normal');
  await terminal.waitFor(() => terminal.bufferType() === 'alternate' && terminal.text().includes('? help'));

  terminal.press('down');
  await terminal.waitFor('▸nvme0');
});
