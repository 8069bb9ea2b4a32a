/** Readers of option values: each says what was expected and what came. And the option that many commands have. */
import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../commands/duration.ts';
import { parseCommand } from '../commands/parse.ts';
import { quoted } from '../commands/printable.ts';
import { unexpected } from '../commands/words.ts';

/** Commander prints it behind the name of the option. */
export const invalid = (message: string): InvalidArgumentError => new InvalidArgumentError(message);

export function duration(text: string): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds === null || nanoseconds === 0) {
    throw invalid(`expected a duration such as 10ms, 250us or 1s; got ${quoted(text)}`);
  }
  return nanoseconds;
}

export function positive(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw invalid(`expected a whole number from 1 on; got ${quoted(text)}`);
  return Number(text);
}

// The language of commands knows devices and addresses, and what is wrong with others.

/** A device by name or by `03:00.0`, to its name. */
export const deviceName = (text: string): string => dmaOf(`dma ${text} read`).device;

/** Any 64-bit address, as `0x…`. */
export const addressWord = (text: string): string => dmaOf(`dma nic0 read ${text}`).address;

function dmaOf(text: string) {
  const parsed = parseCommand(text);
  if (!parsed.ok) throw invalid(parsed.error);
  if (parsed.command.name !== 'dma') throw new Error(`${text} is no DMA`);
  return parsed.command;
}

export function choice(what: string, valid: readonly string[]) {
  return (text: string): string => {
    if (!valid.includes(text)) throw invalid(unexpected(what, text, valid));
    return text;
  };
}

export const format = (...valid: readonly string[]) =>
  new Option('--format <format>', `output as ${valid.join(', ')}`).argParser(choice('a format', valid));

/** A value as people and programs read JSON. */
export const jsonText = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;
