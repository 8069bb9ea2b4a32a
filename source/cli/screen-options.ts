/** The options of whatever opens the dashboard. */
import { Option, type Command as Program } from 'commander';
import { viewNames } from '../commands/command.ts';
import { parseCommand } from '../commands/parse.ts';
import { quoted } from '../commands/printable.ts';
import { deviceModels } from '../machine/topology.ts';
import { serveNotes } from '../sources/notes/serve-notes.ts';
import type { Source } from '../sources/source.ts';
import { themeNames } from '../ui/theme/palettes.ts';
import { choice, invalid } from './options.ts';

export type ScreenFlags = {
  readonly view?: string;
  readonly device?: string;
  readonly speed: number;
  readonly paused?: boolean;
  readonly theme: string;
  readonly ascii?: boolean;
};

/** Names that `--theme` may have. */
export const themes: readonly string[] = ['auto', ...themeNames];

/** Ink takes long to load. Other commands do without it, and a source can start meanwhile. */
export const loadScreen = () => import('../ui/start.tsx');

/** Show a source until the user leaves. */
export async function show(source: Source, flags: ScreenFlags, welcome = false): Promise<void> {
  const { theme, ascii, view, device } = flags;
  const { startDashboard } = await loadScreen();
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
      new Option('--theme <theme>', `colours: ${themes.join(', ')}`)
        .argParser(choice('a theme', themes))
        .default('auto'),
    )
    .option('--ascii', 'draw with ASCII characters only');
}

function speedFactor(text: string): number {
  const parsed = parseCommand(`speed ${text}`);
  if (!parsed.ok || parsed.command.name !== 'speed' || typeof parsed.command.factor !== 'number') {
    throw invalid(`expected a speed from 1/16 to 64, or max; got ${quoted(text)}`);
  }
  return parsed.command.factor;
}
