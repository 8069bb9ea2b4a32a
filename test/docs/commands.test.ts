import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { commandHelp, parseCommand } from '../../source/commands/parse.ts';

const page = readFileSync('docs/commands.md', 'utf8');

test('the page of commands has every command with its usage and help', () => {
  for (const { usage, help } of commandHelp) {
    expect(page).toContain(`| \`${usage.replaceAll('|', '\\|')}\` | ${help} |`);
  }
});

test('every example on the page of commands is a command', () => {
  const examples = page.split('## Examples')[1].match(/^ {4}.+$/gm) ?? [];
  expect(examples.length).toBeGreaterThan(5);
  for (const example of examples) expect(parseCommand(example), example).toMatchObject({ ok: true });
});
