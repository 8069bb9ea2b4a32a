/** `dmascope replay`: the dashboard on a recorded trace. */
import type { Command as Program } from 'commander';
import { openTrace } from '../sources/qemu-trace/open-trace.ts';
import { totals } from '../sources/qemu-trace/totals.ts';
import { readTrace } from '../sources/qemu-trace/trace.ts';
import { format, jsonText } from './options.ts';
import { type ScreenFlags, show, withScreenOptions } from './screen-options.ts';

export function addReplay(program: Program): void {
  const command = program
    .command('replay')
    .description('the same dashboard on a recorded QEMU trace of a real Linux')
    .argument('<file>', 'a trace, plain or gzip');
  withScreenOptions(command).addOption(format('json')).action(replay);
}

async function replay(file: string, flags: ScreenFlags & { format?: 'json' }): Promise<void> {
  if (flags.format === 'json' || !process.stdout.isTTY) {
    process.stdout.write(jsonText(totals(await readTrace(file))));
    return;
  }
  await show(await openTrace(file, { speed: flags.speed, paused: flags.paused === true }), flags);
}
