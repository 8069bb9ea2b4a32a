/** The speaker's notes on a terminal of their own. */
import { Box, render, useApp, useInput, useStdin, useWindowSize } from 'ink';
import { useEffect, useState, useSyncExternalStore } from 'react';
import type { NotesFollower } from '../sources/notes/follow-notes.ts';
import { notesRows } from './parts/notes.ts';
import { RowText } from './row-text.tsx';
import { asciiRow, textOf } from './rows.ts';
import { detectAppearance } from './theme/detect.ts';
import { type ColourDepth, paint } from './theme/paint.ts';
import type { ThemeName } from './theme/palettes.ts';
import { palettes } from './theme/palettes.ts';

type Appearance = { readonly theme: ThemeName; readonly ascii: boolean; readonly depth: ColourDepth };

const secondMs = 1000;

function Notes({ follower, theme, ascii, depth }: { readonly follower: NotesFollower } & Appearance) {
  const { columns, rows } = useWindowSize();
  const { exit } = useApp();
  const { isRawModeSupported } = useStdin();
  const { message, at } = useSyncExternalStore(follower.subscribe, follower.current);
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), secondMs);
    return () => clearInterval(timer);
  }, []);
  useInput(
    (input, key) => {
      if (input === 'q' || (key.ctrl && input === 'c')) exit();
    },
    { isActive: isRawModeSupported },
  );
  const elapsedMs = message === null ? 0 : message.elapsedMs + performance.now() - at;
  const drawn = notesRows(message?.demo ?? null, { elapsedMs, first: message?.first ?? 1 }, columns, rows);
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      {(ascii ? drawn.map(asciiRow) : drawn).map((each, i) => (
        <RowText key={i} text={paint(each, palettes[theme], depth).trimEnd()} />
      ))}
    </Box>
  );
}

/** Show the notes until the speaker leaves. */
export async function startNotes(
  follower: NotesFollower,
  options: { readonly theme?: string; readonly ascii?: boolean } = {},
): Promise<void> {
  const appearance = await detectAppearance(options);
  const instance = render(<Notes follower={follower} {...appearance} />, {
    alternateScreen: true,
    exitOnCtrlC: false,
  });
  const leave = () => instance.unmount();
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT']) process.on(signal, leave);
  try {
    await instance.waitUntilExit();
  } finally {
    follower.stop();
  }
}

/** The notes of the moment as plain text, where there is no terminal. */
export function notesText(follower: NotesFollower, columns = 100): string {
  const { message } = follower.current();
  const { demo = null, elapsedMs = 0, first = 1 } = message ?? {};
  const rows = notesRows(demo, { elapsedMs, first }, columns, 60).slice(0, -1);
  return `${rows
    .map((each) => textOf(each).trimEnd())
    .join('\n')
    .trimEnd()}\n`;
}
