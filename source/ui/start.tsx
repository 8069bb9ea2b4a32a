/** Opens the dashboard in the terminal and gives the terminal back on every way out. */
import { render } from 'ink';
import type { Source } from '../sources/source.ts';
import { App } from './app.tsx';
import { CrashBoundary } from './crash-boundary.tsx';
import { firstSelection, type Selection } from './selection.ts';
import { detectAppearance } from './theme/detect.ts';
import { isView } from './views/index.ts';

export type DashboardOptions = {
  /** dark, light, high-contrast, mono or auto. */
  readonly theme?: string;
  /** Left out: as the terminal can. */
  readonly ascii?: boolean;
  readonly view?: string;
  readonly device?: string;
  /** Say what this is, and offer a tour. */
  readonly welcome?: boolean;
};

/** Exit codes of signals, as shells count them. */
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/**
 * Hold the picture, cursor home, erase all: with synchronized output the empty window is never shown, and the frame
 * that follows lets go.
 */
const eraseWindow = '\x1b[?2026h\x1b[H\x1b[2J';

type Ending = { exitCode: number; lastFrame: readonly string[] | null; error: unknown };

export async function startDashboard(
  source: Source,
  options: DashboardOptions = {},
): Promise<{ exitCode: number }> {
  // From the first moment, or keys pressed early would be printed into the screen.
  const { stdin } = process;
  if (stdin.isTTY) stdin.setRawMode(true);
  const { theme, ascii, depth } = await detectAppearance(options);
  const first: Selection = {
    ...firstSelection,
    theme,
    ascii,
    view: options.view !== undefined && isView(options.view) ? options.view : firstSelection.view,
    device: options.device ?? null,
    welcome: options.welcome === true,
  };
  const ending: Ending = { exitCode: 0, lastFrame: null, error: null };

  let leave = () => {};
  const crash = (error: unknown) => {
    ending.error ??= error;
    ending.exitCode = 1;
    leave();
  };
  const instance = render(
    <CrashBoundary onCrash={crash}>
      <App
        source={source}
        first={first}
        depth={depth}
        onErase={() => {
          instance.clear();
          process.stdout.write(eraseWindow);
        }}
        onQuit={(lastFrame) => {
          ending.lastFrame = lastFrame;
          leave();
        }}
        onCrash={crash}
      />
    </CrashBoundary>,
    { alternateScreen: true, incrementalRendering: true, exitOnCtrlC: false, maxFps: 60 },
  );
  // Not in the middle of a render or of another key.
  leave = () => setImmediate(() => instance.unmount());
  if (ending.error !== null) leave();

  const stops = Object.entries(signals).map(([signal, exitCode]) => {
    const stop = () => {
      ending.exitCode = exitCode;
      leave();
    };
    process.on(signal, stop);
    return () => process.off(signal, stop);
  });

  try {
    await instance.waitUntilExit();
  } catch (error) {
    ending.error ??= error;
    ending.exitCode = 1;
  } finally {
    for (const stop of stops) stop();
    if (stdin.isTTY) stdin.setRawMode(false);
    await source.stop();
  }

  if (ending.lastFrame !== null) process.stdout.write(`${ending.lastFrame.join('\n')}\n`);
  if (ending.error !== null) process.stderr.write(report(ending.error, source));
  return { exitCode: ending.exitCode };
}

/** What went wrong, and how to see it again. */
function report(error: unknown, source: Source): string {
  const { seed, boot, timeNs } = source.current();
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const quoted = `'${boot.replaceAll("'", "'\\''")}'`;
  const again = seed === null ? '' : `To see it again: dmascope --boot ${quoted} --seed ${seed}\n`;
  return `dmascope ended by an error at ${(timeNs / 1e6).toFixed(3)} ms.\n${what}\n${again}`;
}
