/** Readers of option values: each says what was expected and what came. And the option that many commands have. */
import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../commands/duration.ts';
import { unexpected } from '../commands/parse.ts';

/** What commander prints behind the name of the option. */
export function invalid(message: string): InvalidArgumentError {
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1)}`;
  return new InvalidArgumentError(/[.?]$/.test(sentence) ? sentence : `${sentence}.`);
}

export function duration(text: string): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds === null || nanoseconds === 0) {
    throw invalid('expected a duration such as 10ms, 250us or 1s');
  }
  return nanoseconds;
}

export function choice(what: string, valid: readonly string[]) {
  return (text: string): string => {
    if (!valid.includes(text)) throw invalid(unexpected(what, text, valid));
    return text;
  };
}

export const format = (...valid: readonly string[]) =>
  new Option('--format <format>', `output as ${valid.join(', ')}`).argParser(choice('a format', valid));
