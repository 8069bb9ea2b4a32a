/** `dmascope` without a command: the dashboard, or a report where there is no terminal. */
import type { Command as Program } from 'commander';
import { isFirstStart } from './first-start.ts';
import { type MachineFlags, machineOptions, withMachineOptions } from './machine-options.ts';
import { run } from './run.ts';
import { loadScreen, type ScreenFlags, show, withScreenOptions } from './screen-options.ts';

export function addDashboard(program: Program): void {
  withScreenOptions(withMachineOptions(program)).action(async (flags: MachineFlags & ScreenFlags) => {
    // Not being a terminal means a report is wanted, not a screen.
    if (!process.stdout.isTTY) await run({ ...flags, time: 100e6, format: 'text' });
    else await dashboard(flags);
  });
}

/** Who says what to do, and a machine that runs tests, need no welcome. */
const isWelcome = async ({ exec }: MachineFlags): Promise<boolean> =>
  exec.length === 0 && process.env.CI === undefined && process.stdin.isTTY && (await isFirstStart());

async function dashboard(flags: MachineFlags & ScreenFlags): Promise<void> {
  const { startSimulator } = await import('../sources/simulator/simulator.ts');
  const { speed, paused = false } = flags;
  const machine = machineOptions(flags);
  const [source] = await Promise.all([
    startSimulator({ program: process.argv[1], machine, speed, paused }),
    loadScreen(),
  ]);
  for (const command of flags.exec) source.send(command);
  await show(source, flags, await isWelcome(flags));
}
