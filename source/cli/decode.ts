/** `dmascope decode`: raw values, kernel messages and whole kernel logs in words. */
import { createInterface } from 'node:readline';
import type { Command as Program } from 'commander';
import { LogReader, LogText } from '../output/decode/log.ts';
import { decode, decodedJson, decodedObject, decodedText, usages } from '../output/decode.ts';
import { format, jsonText } from './options.ts';

type Flags = { readonly format: 'text' | 'json' };

export function addDecode(program: Program): void {
  program
    .command('decode')
    .description('explain a raw entry, register, descriptor, fault record, kernel message, or a kernel log')
    // Optional, so that without words decode() itself says what there is.
    .argument(
      '[words...]',
      'such as context-entry 0x2b6a001 0x202, or a kernel message in quotes; - reads lines of a log from standard input',
    )
    .addOption(format('text', 'json').default('text'))
    .addHelpText(
      'after',
      () => `\nIt knows:\n${usages()
        .map((usage) => `  ${usage}\n`)
        .join('')}
Values are hexadecimal with 0x: LO HI as in a dump of memory, or HI:LO as debugfs prints them.

Examples:
  dmascope decode context-entry 0x102:0x9
  dmesg | dmascope decode`,
    )
    .action(async (words: string[], flags: Flags) => {
      const isLog = words.join(' ') === '-' || (words.length === 0 && !process.stdin.isTTY);
      if (isLog && (await decodeLog(flags))) return;
      const decoded = decode(isLog ? [] : words);
      process.stdout.write(flags.format === 'json' ? decodedJson(decoded) : decodedText(decoded));
    });
}

/** Explain what comes on standard input, as it comes. Returns false if nothing came. */
async function decodeLog({ format }: Flags): Promise<boolean> {
  const reader = new LogReader();
  const renderer = new LogText();
  const all: object[] = [];
  const tell = (lines: ReturnType<LogReader['read']>): void => {
    for (const explained of lines) {
      if (format === 'text') process.stdout.write(renderer.text(explained));
      for (const decoded of explained.decoded) all.push({ line: explained.line, ...decodedObject(decoded) });
    }
  };
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }))
    tell(reader.read(line));
  tell(reader.end());
  if (reader.lines === 0) return false;
  if (format === 'json') process.stdout.write(jsonText(all));
  const { lines, explained, passedOver } = reader;
  const others = passedOver === 0 ? '' : `; ${passedOver} more about DMAR tell of no fault`;
  process.stderr.write(`dmascope: ${explained} of ${lines} lines explained${others}\n`);
  return true;
}
