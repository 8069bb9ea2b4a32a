import { openDmascope } from '../support/dmascope.ts';
import type { TestTerminal } from '../support/terminal.ts';

export const SIZES = [
  { columns: 80, rows: 24 },
  { columns: 100, rows: 30 },
  { columns: 200, rows: 60 },
] as const;

/** The dashboard, up and running: its device table is on the screen. */
export async function openDashboard(
  args: string[] = [],
  options: Parameters<typeof openDmascope>[1] = { columns: 100, rows: 30 },
): Promise<TestTerminal> {
  const terminal = await openDmascope(args, options);
  await terminal.waitFor(/nic0 .*nvme0/s);
  return terminal;
}

/** The badge in the row of a device: PT, DMA, VM, BLK, or ─ while the IOMMU is off. */
export function badgeOf(terminal: TestTerminal, device: string): string {
  const row = terminal.screen().find((line) => new RegExp(`^[▸> ]${device}\\b`).test(line)) ?? '';
  return /\s(PT|DMA|VM|BLK|─)\s/.exec(row)?.[1] ?? `no badge in: ${row}`;
}

export const badges = (terminal: TestTerminal): Record<string, string> =>
  Object.fromEntries(
    ['nic0', 'nvme0', 'gpu0', 'hba1', 'usb0', 'tb0'].map((name) => [name, badgeOf(terminal, name)]),
  );

/** Put the boot line in place of the old one, and reboot. */
export async function boot(terminal: TestTerminal, line: string): Promise<void> {
  terminal.press('b');
  await terminal.waitFor('enter reboots');
  terminal.press('ctrl-u');
  terminal.type(line);
  await terminal.waitFor(new RegExp(`ro ${line.replaceAll('.', '\\.')}`));
  terminal.press('enter');
  // The kernel log is printed line by line; any key skips it. Not escape: with the next key it would be alt.
  await terminal.waitFor('Command line: ro');
  terminal.press('down');
  await terminal.waitFor('Booted');
}
