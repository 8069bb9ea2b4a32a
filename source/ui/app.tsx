/** The dashboard: one listener for keys, one subscription to the source, and rows. */
import { Box, useApp, useInput, usePaste, useStdin, useStdout, useWindowSize } from 'ink';
import { useEffect, useEffectEvent, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { Command } from '../commands/command.ts';
import type { Source } from '../sources/source.ts';
import { drawFrame } from './frame.ts';
import { keyNames } from './key-name.ts';
import type { Effect, ScreenRequest } from './keys.ts';
import { paced } from './pace.ts';
import { paste, press } from './press.ts';
import { RowText } from './row-text.tsx';
import type { Row } from './rows.ts';
import { sceneOf } from './scene.ts';
import { screenOf } from './screen.ts';
import { type Action, reduce, type Selection } from './selection.ts';
import { consequences, nextLogLine, settle } from './settle.ts';
import { suspendProcess } from './suspend.ts';
import { type ColourDepth, paint } from './theme/paint.ts';
import { palettes } from './theme/palettes.ts';
import { tools as realTools, type Tools } from './tools.ts';

/** Snapshots drawn in a second; fewer on very large windows, where a frame costs more. */
const drawingRate = 6;
const drawingRateLarge = 4;
const logLineMs = 110;
/** A window that has kept its size for so long is not being dragged any more. */
const settledMs = 60;

export type AppProps = {
  readonly source: Source;
  readonly first: Selection;
  readonly depth: ColourDepth;
  readonly tools?: Tools;
  /** Erase the window, so that the next frame is drawn whole. */
  onErase?(): void;
  /** Leave; with the last frame where it is to be printed. */
  onQuit?(lastFrame: readonly string[] | null): void;
  onCrash?(error: unknown): void;
};

export function App({ source, first, depth, tools = realTools, onErase, onQuit, onCrash }: AppProps) {
  const { columns, rows } = useWindowSize();
  const { suspendTerminal } = useApp();
  const { isRawModeSupported } = useStdin();
  // Keys may come faster than frames: each must see what the one before it chose, drawn or not.
  const newest = useRef(first);
  const [selection, setSelection] = useState(first);
  const dispatch = (action: Action) => {
    newest.current = reduce(newest.current, action);
    setSelection(newest.current);
  };

  const isLarge = columns * rows > 8000;
  const store = useMemo(
    () => paced(source, 1000 / (isLarge ? drawingRateLarge : drawingRate)),
    [source, isLarge],
  );
  const snapshot = useSyncExternalStore(store.subscribe, store.current);

  const screen = useMemo(() => screenOf(columns, rows), [columns, rows]);
  const about = {
    refusal: (command: Command) => source.refusal(command),
    trouble: source.trouble() ?? (isRawModeSupported ? null : 'no keys: standard input is not a terminal'),
  };
  const scene = sceneOf(snapshot, selection, screen, tools, about);
  const newestScene = () => sceneOf(store.current(), newest.current, screen, tools, about);

  const palette = palettes[selection.theme];
  const drawn = drawFrame(scene).map((row: Row) => paint(row, palette, depth).trimEnd());

  const [, redraw] = useState(0);
  function repaint() {
    onErase?.();
    redraw((times) => times + 1);
  }

  // A terminal may move its cursor and its rows while it changes size, and frames are drawn relative to the one
  // before: once the size holds still, start from an empty window.
  const { stdout } = useStdout();
  const afterResize = useEffectEvent(repaint);
  useEffect(() => {
    // The signal, not only the event or the size: a window that is back at its old size when Node looks has
    // changed for the terminal all the same.
    let timer: NodeJS.Timeout | undefined;
    const onResize = () => {
      clearTimeout(timer);
      timer = setTimeout(afterResize, settledMs);
    };
    stdout.on('resize', onResize);
    process.on('SIGWINCH', onResize);
    return () => {
      clearTimeout(timer);
      stdout.off('resize', onResize);
      process.off('SIGWINCH', onResize);
    };
  }, [stdout]);

  function request(what: ScreenRequest) {
    if (what === 'quit') onQuit?.(null);
    else if (what === 'suspend') void suspendTerminal(suspendProcess).catch(onCrash);
    else if (what === 'repaint') repaint();
    else onQuit?.(drawn);
  }

  const carryOut = (effects: readonly Effect[]) => {
    for (const effect of effects) {
      if ('action' in effect) {
        dispatch(effect.action);
      } else if ('screen' in effect) {
        request(effect.screen);
      } else {
        const { command } = effect;
        for (const action of consequences(command, source.current())) dispatch(action);
        source.send(command);
      }
    }
  };

  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      if (onCrash === undefined) throw error;
      onCrash(error);
    }
  };

  useInput(
    (input, key) => {
      guarded(() => {
        for (const name of keyNames(input, key)) carryOut(press(newestScene(), name));
      });
    },
    { isActive: isRawModeSupported },
  );
  usePaste((text) => guarded(() => carryOut(paste(newestScene(), text))), { isActive: isRawModeSupported });

  const { view, device, address, below } = { ...selection, device: scene.device?.name ?? null };
  useEffect(() => source.look({ view, device, address, below }), [source, view, device, address, below]);

  const settled = useEffectEvent(() => {
    for (const action of settle(newestScene())) dispatch(action);
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new snapshot or another choice is the reason.
  useEffect(() => settled(), [snapshot, selection.view, selection.transaction, selection.device]);

  const isLogging = selection.log?.started === true;
  const tick = useEffectEvent(() => {
    const action = nextLogLine(newestScene());
    if (action !== null) dispatch(action);
  });
  useEffect(() => {
    if (!isLogging) return;
    const timer = setInterval(tick, logLineMs);
    return () => clearInterval(timer);
  }, [isLogging]);

  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      {drawn.map((text, i) => (
        <RowText key={i} text={text} />
      ))}
    </Box>
  );
}
