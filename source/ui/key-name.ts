/** The name of a key, from what Ink says about it: `up`, `shift-tab`, `ctrl-z`, `space`, or the character. */
import type { Key } from 'ink';

export function keyName(input: string, key: Key): string {
  if (key.upArrow) return 'up';
  if (key.downArrow) return 'down';
  if (key.leftArrow) return 'left';
  if (key.rightArrow) return 'right';
  if (key.pageUp) return 'pageup';
  if (key.pageDown) return 'pagedown';
  if (key.home) return 'home';
  if (key.end) return 'end';
  if (key.return) return 'enter';
  if (key.escape) return 'escape';
  if (key.tab) return key.shift ? 'shift-tab' : 'tab';
  if (key.backspace) return 'backspace';
  if (key.delete) return 'delete';
  if (key.ctrl) return `ctrl-${input}`;
  return input === ' ' ? 'space' : input;
}

const named: Readonly<Record<string, string>> = {
  ' ': 'space',
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\x7f': 'backspace',
  '\x1b': 'escape',
};

/** Several characters that came at once, as when somebody types fast, are several keys. */
export function keyNames(input: string, key: Key): string[] {
  const name = keyName(input, key);
  const isText = name === input && !key.meta && [...input].length > 1;
  return isText ? [...input].map(characterName) : [name];
}

/** Control characters are ctrl with a letter: ctrl-u and what follows may come in one piece. */
function characterName(character: string): string {
  const code = character.charCodeAt(0);
  return named[character] ?? (code >= 1 && code <= 26 ? `ctrl-${String.fromCharCode(code + 96)}` : character);
}
