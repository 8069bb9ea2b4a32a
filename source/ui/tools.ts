/** What the screen asks of the layers below, beside drawing snapshots. Tests may hand in their own. */
import { commandHelp, parseCommand } from '../commands/parse.ts';
import { bootWords } from '../linux/boot/boot-line.ts';
import { previewBoot } from '../machine/preview.ts';

export type Tools = {
  readonly parseCommand: typeof parseCommand;
  readonly commandHelp: readonly { readonly usage: string; readonly help: string }[];
  readonly previewBoot: typeof previewBoot;
  /** Words to complete and to offer on the boot line. */
  readonly bootWords: readonly string[];
};

export const tools: Tools = { parseCommand, commandHelp, previewBoot, bootWords };
