/** What commander says about wrong usage, said as everything else is: what was expected, what came, and an example. */
import type { Command as Program } from 'commander';
import { printableLines, quoted } from '../commands/printable.ts';

/** A command line that works, for each command that must be given something. */
const examples: Readonly<Record<string, string>> = {
  boot: 'boot "iommu=on iommu=pt"',
  compare: 'compare "intel_iommu=on" "intel_iommu=on iommu=pt"',
  conform: 'conform cases.json --expect',
  explain: 'explain nic0 0x1000000 --write',
  inspect: 'inspect /sys/kernel/debug/iommu/intel/dmar_translation_struct',
  merge: 'merge sweep.1-of-2.ndjson sweep.2-of-2.ndjson',
  replay: 'replay recording.trace.gz',
};

/** Let all commands say what is wrong in their own words. */
export function sayUsageErrors(program: Program): void {
  for (const command of [program, ...program.commands]) {
    command.configureOutput({
      // Words of the command line come back in messages, but never their control characters.
      outputError: (text, write) =>
        write(`dmascope: ${printableLines(usageError(command, text.replace(/^error: /, '')))}`),
    });
  }
}

function usageError(command: Program, text: string): string {
  const option = /^option '(?:-\w, )?(--[\w-]+)[^']*' argument '[\s\S]*?' is invalid\. ([\s\S]*)$/.exec(text);
  if (option !== null) return `${option[1]}: ${option[2]}`;
  const argument = /^command-argument value '[\s\S]*?' is invalid for argument '[^']*'\. ([\s\S]*)$/.exec(
    text,
  );
  if (argument !== null) return argument[1];
  const missing = /^missing required argument '([^']*)'/.exec(text);
  if (missing !== null) return `expected ${argumentOf(command, missing[1])}, got nothing\n${usage(command)}`;
  const more = /^too many arguments[^:]*?(\d+) arguments? but got \d+: ([\s\S]*)\.\n?$/.exec(text);
  if (more !== null) {
    const rest = more[2].split(', ').slice(Number(more[1])).join(' ');
    return `expected no more arguments, got also ${quoted(rest)}\n${usage(command)}`;
  }
  return text;
}

/** `<address>, what the device asks for: …` */
function argumentOf(command: Program, name: string): string {
  const { description = '' } = command.registeredArguments.find((each) => each.name() === name) ?? {};
  return description === '' ? `<${name}>` : `<${name}> (${description})`;
}

function usage(command: Program): string {
  const words = [command.parent?.name(), command.name(), command.usage()].filter(
    (word) => word !== undefined,
  );
  const example = examples[command.name()];
  return `usage: ${words.join(' ')}\n${example === undefined ? '' : `for example: dmascope ${example}\n`}`;
}
