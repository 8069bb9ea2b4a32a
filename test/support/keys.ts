/** What a terminal sends for the keys that are no character. */
export const keyBytes = {
  up: '\x1b[A',
  down: '\x1b[B',
  right: '\x1b[C',
  left: '\x1b[D',
  home: '\x1b[H',
  end: '\x1b[F',
  pageup: '\x1b[5~',
  pagedown: '\x1b[6~',
  delete: '\x1b[3~',
  backspace: '\x7f',
  enter: '\r',
  escape: '\x1b',
  tab: '\t',
  'shift-tab': '\x1b[Z',
  space: ' ',
} as const;

/** One key as bytes: a name from the table, `ctrl-` with a letter, or the character itself. */
export function bytesOf(key: string): string {
  if (Object.hasOwn(keyBytes, key)) return keyBytes[key as keyof typeof keyBytes];
  if (/^ctrl-[a-z]$/.test(key)) return String.fromCharCode(key.charCodeAt(5) & 0x1f);
  if ([...key].length === 1) return key;

  const names = Object.keys(keyBytes).join(', ');
  throw new Error(`expected one character, ctrl-a to ctrl-z, or one of ${names}; got "${key}"`);
}
