/** A recorded trace as a source: it plays at the pace of the recording, and cannot be changed. */
import type { Command } from '../../commands/command.ts';
import { commandText } from '../../commands/parse.ts';
import { speedAfter, speedChanged } from '../../commands/speed.ts';
import type { Focus, Notice, RunState, Snapshot } from '../../simulation/snapshot.ts';
import { Global } from '../../vtd/unit/registers.ts';
import type { Source } from '../source.ts';
import { History } from './history.ts';
import { RecordingFold } from './recording-fold.ts';
import { Timeline } from './timeline.ts';
import { readTrace, type Trace } from './trace.ts';
import { traceSnapshot } from './trace-snapshot.ts';

const INTERVAL_MS = 100;
/** A process that was stopped for a while goes on where it was. */
const LONGEST_TICK_MS = 250;

export type TraceOptions = {
  /** Recorded seconds for each second on the wall; Infinity: as fast as it goes. */
  readonly speed?: number;
  readonly paused?: boolean;
  /** Stop for a moment before Linux shuts down, so that the last picture is of the running machine; true unless given. */
  readonly pauseAtShutdown?: boolean;
  /** Play stretches of more than half a second without a line as half a second; true unless given. */
  readonly skipIdle?: boolean;
};

/**
 * Open a trace for playing.
 *
 * @throws TraceError
 */
export async function openTrace(file: string, options: TraceOptions = {}): Promise<Source> {
  return playTrace(await readTrace(file), options);
}

/** Play a trace that has been read. */
export const playTrace = (trace: Trace, options: TraceOptions = {}): Source => new Player(trace, options);

class Player implements Source {
  private readonly trace: Trace;
  private readonly fold: RecordingFold;
  private readonly history: History;
  private readonly timeline: Timeline;
  private readonly listeners = new Set<() => void>();
  private state: RunState;
  private speed: number;
  private playingNs = 0;
  /** Where a `run` with a duration ends, in playing time. */
  private untilNs: number | null = null;
  private notice: Notice | null = null;
  private nextNotice = 1;
  private focus: Focus = { view: 'overview', device: null, address: null };
  private latest: Snapshot;
  private timer: NodeJS.Timeout | null = null;
  private lastTick = 0;
  /** The entry with which Linux turns the IOMMU off for good, until the player has stopped there; else null. */
  private shutdown: number | null;

  constructor(
    trace: Trace,
    { speed = 1, paused = false, pauseAtShutdown = true, skipIdle = true }: TraceOptions,
  ) {
    this.trace = trace;
    this.fold = new RecordingFold(trace);
    this.history = new History(trace.entries);
    this.timeline = new Timeline(trace.entries, skipIdle);
    this.speed = speed;
    this.state = paused ? 'paused' : 'running';
    this.shutdown = pauseAtShutdown ? lastTurningOff(trace) : null;
    this.fold.advance(this.timeline.positionAt(0));
    this.latest = this.snapshot();
    this.keepTime();
  }

  current(): Snapshot {
    return this.latest;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  send(command: Command): void {
    if (this.state === 'running') this.tick();
    const refusal = this.refusal(command);
    const text = refusal ?? this.carryOut(command);
    this.notice = { id: this.nextNotice++, ok: refusal === null, text, linux: [] };
    this.keepTime();
    this.publish();
  }

  look(focus: Focus): void {
    this.focus = focus;
    this.publish();
  }

  refusal(command: Command): string | null {
    switch (command.name) {
      case 'speed':
        return null;
      case 'pause':
      case 'run':
      case 'step':
        return this.state === 'ended' ? 'the recording is at its end' : null;
      default:
        return (
          `a recording cannot be changed: ${commandText(command)} needs the simulated machine ` +
          '(dmascope without replay)'
        );
    }
  }

  trouble(): null {
    return null;
  }

  async stop(): Promise<void> {
    this.state = 'ended';
    this.keepTime();
    this.listeners.clear();
  }

  private carryOut(command: Command): string {
    switch (command.name) {
      case 'pause':
        this.pause();
        return 'Paused.';
      case 'run':
        this.state = 'running';
        this.untilNs =
          command.forNs === null ? null : this.timeline.playingFor(this.timeNs() + command.forNs);
        return 'Playing.';
      case 'step':
        return this.step(command.count);
      case 'speed':
        this.speed = speedAfter(this.speed, command.factor);
        return speedChanged(this.speed);
      default:
        throw new Error(`${command.name} is refused before it comes here`);
    }
  }

  /** Go on to the end of so many requests, then pause. */
  private step(count: number): string {
    this.pause();
    const { entries } = this.trace;
    let done = 0;
    let position = this.fold.position;
    for (; position < entries.length && done < count; position++) {
      if (isRequest(entries[position].event.kind)) done++;
    }
    this.goTo(position, this.timeline.playingAt(position));
    const requests = `${done} DMA ${done === 1 ? 'request' : 'requests'}`;
    return done === count
      ? `Went on by ${requests}.`
      : `Went on by ${requests}, to the end of the recording.`;
  }

  private pause(): void {
    this.state = 'paused';
    this.untilNs = null;
  }

  private readonly onTimer = (): void => {
    this.tick();
    this.keepTime();
    this.publish();
  };

  /** Let playing time go on by the time on the wall since the last tick. */
  private tick(): void {
    const now = performance.now();
    const elapsedNs = Math.min(now - this.lastTick, LONGEST_TICK_MS) * 1e6;
    this.lastTick = now;
    const end = this.untilNs ?? this.timeline.lengthNs;
    const next = this.speed === Number.POSITIVE_INFINITY ? end : this.playingNs + elapsedNs * this.speed;
    const playingNs = Math.min(next, end);
    if (this.shutdown !== null && this.timeline.positionAt(playingNs) > this.shutdown) {
      return this.stopAt(this.shutdown);
    }
    this.goTo(this.timeline.positionAt(playingNs), playingNs);
    if (this.state === 'running' && this.untilNs !== null && playingNs >= this.untilNs) this.pause();
  }

  private stopAt(shutdown: number): void {
    this.goTo(shutdown, this.timeline.playingAt(shutdown));
    this.shutdown = null;
    this.pause();
    const text = 'Here Linux shuts down: next it turns the IOMMU off. Running on shows that, too.';
    this.notice = { id: this.nextNotice++, ok: true, text, linux: [] };
  }

  private goTo(position: number, playingNs: number): void {
    // Several entries may share a time, of which a step takes only some.
    this.fold.advance(position);
    this.playingNs = Math.max(this.playingNs, playingNs);
    if (this.fold.position >= this.trace.entries.length) this.state = 'ended';
  }

  /** The timer runs while the recording does. */
  private keepTime(): void {
    if (this.state === 'running' && this.timer === null) {
      this.lastTick = performance.now();
      this.timer = setInterval(this.onTimer, INTERVAL_MS);
    } else if (this.state !== 'running' && this.timer !== null) {
      clearInterval(this.timer);
      this.timer = null;
    }
  }

  private publish(): void {
    this.latest = this.snapshot();
    for (const listener of this.listeners) listener();
  }

  private timeNs(): number {
    return this.timeline.recordedAt(this.playingNs);
  }

  private snapshot(): Snapshot {
    const { trace, fold, history, state, speed, notice, focus } = this;
    return traceSnapshot(trace, fold, history, { timeNs: this.timeNs(), state, speed, notice, focus });
  }
}

/** The last line that turns translation off, or null if it stays on, or never was. */
function lastTurningOff({ entries }: Trace): number | null {
  const at = entries.findLastIndex(
    ({ event }) =>
      event.kind === 'command' && (event.status & Global.TE) !== 0 && (event.value & Global.TE) === 0,
  );
  return at < 0 ? null : at;
}

/** The line that ends a request: it was translated, passed, or refused. */
const isRequest = (kind: string): boolean => kind === 'translation' || kind === 'passed' || kind === 'fault';
