/** `dmascope decode`: raw values and kernel messages in words. */
import type { Command as Program } from 'commander';
import { decode, decodedJson, decodedText } from '../output/decode.ts';
import { format } from './options.ts';

export function addDecode(program: Program): void {
  program
    .command('decode')
    .description('explain a raw entry, register, descriptor, fault record or kernel message')
    // Optional, so that without words decode() itself says what there is.
    .argument('[words...]', 'such as context-entry 0x2b6a001 0x202, or a kernel message in quotes')
    .addOption(format('text', 'json').default('text'))
    .action((words: string[], flags: { format: 'text' | 'json' }) => {
      const decoded = decode(words);
      process.stdout.write(flags.format === 'json' ? decodedJson(decoded) : decodedText(decoded));
    });
}
