/** `dmascope notes`: the speaker's notes in a second terminal, in step with the demo in the first. */
import type { Command as Program } from 'commander';
import { Option } from 'commander';
import { NotesFollower } from '../sources/notes/follow-notes.ts';
import { choice } from './options.ts';
import { themes } from './screen-options.ts';

export function addNotes(program: Program): void {
  program
    .command('notes')
    .description("the speaker's notes, in step with the demo that plays in another terminal")
    .addOption(
      new Option('--theme <theme>', `colours: ${themes.join(', ')}`)
        .argParser(choice('a theme', themes))
        .default('auto'),
    )
    .option('--ascii', 'draw with ASCII characters only')
    .action(async (flags: { readonly theme: string; readonly ascii?: boolean }) => {
      const { notesText, startNotes } = await import('../ui/start-notes.tsx');
      const follower = await NotesFollower.start();
      if (process.stdout.isTTY) return startNotes(follower, flags);
      process.stdout.write(notesText(follower));
      follower.stop();
    });
}
