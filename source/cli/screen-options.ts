/** The options of whatever opens the dashboard. */
import { Option, type Command as Program } from 'commander';
import { parseCommand } from '../commands/parse.ts';
import { deviceModels } from '../machine/topology.ts';
import { serveNotes } from '../sources/notes/serve-notes.ts';
import type { Source } from '../sources/source.ts';
import { startDashboard, themeNames, viewNames } from '../ui/start.tsx';
import { choice, invalid } from './options.ts';

export type ScreenFlags = {
  readonly view?: string;
  readonly device?: string;
  readonly speed: number;
  readonly paused?: boolean;
  readonly theme: string;
  readonly ascii?: boolean;
};

/** Show a source until the user leaves. */
export async function show(source: Source, flags: ScreenFlags, welcome = false): Promise<void> {
  const { theme, ascii, view, device } = flags;
  const stopNotes = serveNotes(source);
  const { exitCode } = await startDashboard(source, { theme, ascii, view, device, welcome });
  await stopNotes();
  process.exitCode = exitCode;
}

export function withScreenOptions(program: Program): Program {
  const devices = deviceModels.map(({ name }) => name);
  return program
    .addOption(
      new Option('--speed <factor>', 'simulated milliseconds a second').argParser(speedFactor).default(1),
    )
    .option('--paused', 'start paused')
    .addOption(
      new Option('--view <view>', `first view: ${viewNames.join(', ')}`).argParser(
        choice('a view', viewNames),
      ),
    )
    .addOption(new Option('--device <device>', 'device to select').argParser(choice('a device', devices)))
    .addOption(
      new Option('--theme <theme>', `colours: ${themeNames.join(', ')}`)
        .argParser(choice('a theme', themeNames))
        .default('auto'),
    )
    .option('--ascii', 'draw with ASCII characters only');
}

function speedFactor(text: string): number {
  const parsed = parseCommand(`speed ${text}`);
  if (!parsed.ok || parsed.command.name !== 'speed' || typeof parsed.command.factor !== 'number') {
    throw invalid('expected a speed from 1/16 to 64, or max');
  }
  return parsed.command.factor;
}
