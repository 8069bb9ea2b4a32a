/**
 * What the terminal can show, found out before the first frame: afterwards its answers no longer reach us.
 * No answer within a second is an answer too; any terminal in use reports its cursor long before.
 */
import type { ColourDepth } from './paint.ts';
import { isTheme, type ThemeName } from './palettes.ts';

const answerMs = 1000;

export type Appearance = { readonly theme: ThemeName; readonly ascii: boolean; readonly depth: ColourDepth };

type Wanted = { readonly theme?: string; readonly ascii?: boolean };

export async function detectAppearance(
  wanted: Wanted,
  stdin: NodeJS.ReadStream = process.stdin,
  stdout: NodeJS.WriteStream = process.stdout,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Appearance> {
  const noColour = (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb';
  const depth = noColour ? 1 : depthOf(stdout, env);
  const asksTheme = wanted.theme === undefined || wanted.theme === 'auto';
  const asks = (asksTheme && depth > 1) || wanted.ascii === undefined;
  const answer = asks && stdin.isTTY && stdout.isTTY ? await ask(stdin, stdout) : '';
  const theme = depth === 1 ? 'mono' : asksTheme ? themeFor(answer) : known(wanted.theme);
  return { theme, ascii: wanted.ascii ?? needsAscii(answer, env), depth };
}

const known = (name = ''): ThemeName => (isTheme(name) ? name : 'dark');

function depthOf(stdout: NodeJS.WriteStream, env: NodeJS.ProcessEnv): ColourDepth {
  const depth = stdout.isTTY ? stdout.getColorDepth(env) : 24;
  return depth >= 24 ? 24 : depth >= 8 ? 8 : depth >= 4 ? 4 : 1;
}

/** Ask for the background colour, and how far a glyph moves the cursor. The terminal is in raw mode. */
function ask(stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const timer = setTimeout(finish, answerMs);
    function finish() {
      clearTimeout(timer);
      stdin.off('data', read);
      stdin.pause();
      // Keys pressed meanwhile are for the dashboard.
      const keys = answer.replace(colourReport, '').replace(cursorReport, '');
      if (keys !== '') stdin.unshift(Buffer.from(keys));
      resolve(answer);
    }
    function read(chunk: Buffer | string) {
      answer += chunk.toString();
      // The cursor report was asked for last, so that it ends the answers.
      if (cursorReport.test(answer)) finish();
    }
    stdin.on('data', read);
    stdin.resume();
    stdout.write('\x1b]11;?\x1b\\\r◆\x1b[6n\r\x1b[K');
  });
}

/** Up to BEL or the string terminator. */
const colourReport = /\x1b\]11;[^\x07\x1b]*(?:\x07|\x1b\\)/;
const cursorReport = /\x1b\[(\d+);(\d+)R/;

/** Light if the answer names a light background. */
export function themeFor(answer: string): ThemeName {
  const match = /\x1b\]11;rgba?:([0-9a-f]+)\/([0-9a-f]+)\/([0-9a-f]+)/i.exec(answer);
  if (match === null) return 'dark';
  const [r, g, b] = match
    .slice(1, 4)
    .map((digits) => Number.parseInt(digits, 16) / (16 ** digits.length - 1));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.5 ? 'light' : 'dark';
}

/** Whether a glyph outside ASCII would be two cells wide, or several characters of another character set. */
export function needsAscii(answer: string, env: NodeJS.ProcessEnv): boolean {
  if (env.TERM === 'dumb') return true;
  const report = cursorReport.exec(answer);
  if (report !== null) return report[2] !== '2';
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return locale !== '' && !/utf-?8/i.test(locale);
}
