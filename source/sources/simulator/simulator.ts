/**
 * The simulator as a source: a background process, so that the screen never waits for the simulation. If that
 * process dies, another takes over where it was, by replaying the command log.
 */
import { execaNode, type ResultPromise } from 'execa';
import type { Command } from '../../commands/command.ts';
import type { MachineOptions } from '../../machine/machine.ts';
import type { Focus, Snapshot } from '../../simulation/snapshot.ts';
import type { Source } from '../source.ts';
import {
  type DemoStart,
  type FromSimulator,
  SIMULATOR_ARGUMENT,
  type Start,
  type ToSimulator,
} from './messages.ts';

/** A process that dies this soon after it took over dies of its command log: the next one starts without it. */
const TOO_SOON_MS = 5000;
/** After so many deaths in quick succession nothing is started any more. */
const MAX_DEATHS = 4;

export type SimulatorOptions = {
  /** The program's own file, to be started again. */
  readonly program: string;
  readonly machine: MachineOptions;
  readonly speed: number;
  readonly paused: boolean;
  /** To play, from a scene on. */
  readonly demo?: Omit<DemoStart, 'machine'>;
};

/** Start a simulator; resolves with its first snapshot at hand. Rejects if it cannot be started. */
export async function startSimulator(options: SimulatorOptions): Promise<Source> {
  const simulator = new Simulator(options);
  await simulator.ready;
  return simulator;
}

class Simulator implements Source {
  readonly ready: Promise<void>;
  private becomeReady: () => void = () => {};
  private failToStart: (error: Error) => void = () => {};
  private readonly listeners = new Set<() => void>();
  private readonly program: string;
  private readonly options: SimulatorOptions;
  private subprocess: ResultPromise<{ ipc: true }> | null = null;
  private latest: FromSimulator | null = null;
  private focus: Focus = { view: 'overview', device: null, address: null };
  private problem: string | null = null;
  private startedAt = 0;
  /** Deaths in quick succession, the last one included. */
  private deaths = 0;
  private stopping = false;

  constructor(options: SimulatorOptions) {
    const { program, machine, speed, paused, demo } = options;
    this.program = program;
    this.options = options;
    this.ready = new Promise((resolve, reject) => {
      this.becomeReady = resolve;
      this.failToStart = reject;
    });
    this.launch({
      options: machine,
      log: [],
      otherBoot: null,
      untilNs: 0,
      state: paused ? 'paused' : 'running',
      speed,
      demo: demo === undefined ? null : { ...demo, machine },
    });
  }

  current(): Snapshot {
    if (this.latest === null) throw new Error('the simulator has not started yet');
    return this.latest.snapshot;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  send(command: Command): void {
    this.tell({ type: 'command', command });
  }

  look(focus: Focus): void {
    this.focus = focus;
    this.tell({ type: 'look', focus });
  }

  refusal(): null {
    return null;
  }

  trouble(): string | null {
    return this.problem;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    const { subprocess } = this;
    if (subprocess === null) return;
    subprocess.kill();
    await subprocess.catch(() => {});
  }

  private launch(start: Start): void {
    this.startedAt = performance.now();
    const subprocess = execaNode(this.program, [SIMULATOR_ARGUMENT], {
      ipc: true,
      serialization: 'advanced',
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
      buffer: { stderr: true, ipc: false, stdout: false },
      forceKillAfterDelay: 1000,
    }) as unknown as ResultPromise<{ ipc: true }>;
    this.subprocess = subprocess;
    subprocess.then(
      () => this.ended(subprocess, 'it ended'),
      (error: { signal?: string; exitCode?: number; stderr?: string }) =>
        this.ended(subprocess, causeOf(error)),
    );
    this.listen(subprocess);
    this.tell({ type: 'start', start });
    this.tell({ type: 'look', focus: this.focus });
  }

  private async listen(subprocess: ResultPromise<{ ipc: true }>): Promise<void> {
    try {
      for await (const message of subprocess.getEachMessage() as AsyncIterable<unknown>) {
        this.latest = message as FromSimulator;
        this.becomeReady();
        for (const listener of this.listeners) listener();
      }
    } catch {
      // The process ended under way; `ended` sees to it.
    }
  }

  private tell(message: ToSimulator): void {
    // A message to a process that is just dying is lost; its successor replays what was done before.
    this.subprocess?.sendMessage(message as never).catch(() => {});
  }

  private ended(subprocess: ResultPromise<{ ipc: true }>, cause: string): void {
    if (this.stopping || subprocess !== this.subprocess) return;
    this.subprocess = null;
    if (this.latest === null)
      return this.failToStart(new Error(`the simulation could not be started: ${cause}`));
    const { snapshot, options, log, otherBoot } = this.latest;
    this.deaths = performance.now() - this.startedAt < TOO_SOON_MS ? this.deaths + 1 : 1;
    if (this.deaths >= MAX_DEATHS) {
      this.problem = `The simulation died again and again (${cause}). q quits; the machine shown is its last state.`;
      this.latest = { ...this.latest, snapshot: { ...snapshot, state: 'ended' } };
    } else {
      const fresh = this.deaths > 1;
      this.problem = fresh
        ? `The simulation died again (${cause}); the machine was booted afresh.`
        : `The simulation died (${cause}); it was started again and replayed to where it was.`;
      const resumed = { log: fresh ? [] : log, otherBoot, untilNs: fresh ? 0 : snapshot.timeNs };
      this.launch({
        options,
        ...resumed,
        state: snapshot.state,
        speed: snapshot.speed,
        demo: this.demoAgain(snapshot),
      });
    }
    for (const listener of this.listeners) listener();
  }

  /** The demo that played, from the same scene on. */
  private demoAgain({ demo }: Snapshot): DemoStart | null {
    if (demo == null) return null;
    const { machine, demo: given } = this.options;
    const isGiven = typeof given?.demo === 'object' && given.demo.name === demo.name;
    return { demo: isGiven ? given.demo : demo.name, scene: demo.scene, machine };
  }
}

function causeOf({
  signal,
  exitCode,
  stderr,
}: {
  signal?: string;
  exitCode?: number;
  stderr?: string;
}): string {
  if (signal !== undefined) return `signal ${signal}`;
  const last = stderr?.split('\n').find((line) => /Error/.test(line));
  return last ?? `exit code ${exitCode}`;
}
