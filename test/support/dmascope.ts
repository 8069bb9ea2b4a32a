import { fileURLToPath } from 'node:url';
import { openTerminal, type TerminalOptions, type TestTerminal } from './terminal.ts';

/** The file that people run; the test run builds it before the first test. */
export const bundle = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export function openDmascope(
  args: string[] = [],
  options: Omit<TerminalOptions, 'command' | 'args'> = {},
): Promise<TestTerminal> {
  return openTerminal({ command: process.execPath, args: [bundle, ...args], ...options });
}
