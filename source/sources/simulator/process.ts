/**
 * The program of the background process: runs a session in step with the wall clock, answers to messages, and
 * publishes snapshots. It ends when the process that started it is gone.
 */
import { getEachMessage, sendMessage } from 'execa';
import type { Command } from '../../commands/command.ts';
import type { Experimenting } from '../../commands/experimenting.ts';
import { Session } from '../../commands/session.ts';
import { unexpected } from '../../commands/words.ts';
import { builtInDemo, builtInNames } from '../../demo/built-in.ts';
import { Performance } from '../../demo/performance.ts';
import type { MachineOptions } from '../../machine/machine.ts';
import { measure } from './experiment-thread.ts';
import type { DemoStart, FromSimulator, Start, ToSimulator } from './messages.ts';
import { Pace } from './pace.ts';

const TICK_MS = 20;
const PUBLISH_MS = 100;
/** Wall time a tick may spend simulating: at speeds the machine cannot keep up with, time runs slower instead. */
const BUDGET_MS = 60;
/** A stretch of wall time longer than this was a sleep or a stop, not to be caught up with. */
const LONGEST_GAP_MS = 250;
const SLICE_NS = 50_000;

export async function runSimulatorProcess(): Promise<void> {
  let running: Pacer | null = null;
  for await (const message of getEachMessage() as AsyncIterable<ToSimulator>) {
    if (message.type === 'start') running = new Pacer(message.start);
    else running?.receive(message);
  }
  // The channel closed: nobody is left to show this to.
  process.exit(0);
}

class Pacer {
  private readonly session: Session;
  private lastTick = performance.now();
  private lastPublished = 0;
  private sending = false;
  /** Something happened while a snapshot was on its way. */
  private isBehind = false;
  private readonly pace = new Pace();
  private playing: Performance | null = null;
  private measured: Experimenting | null = null;
  private stopMeasuring: () => void = () => {};
  private readonly first: MachineOptions;

  constructor({ options, log, otherBoot, untilNs, state, speed, demo }: Start) {
    this.first = demo?.machine ?? options;
    this.session = new Session(options);
    this.session.replay(log, untilNs);
    if (otherBoot !== null) this.session.apply({ name: 'compare', line: otherBoot });
    this.session.apply({ name: 'speed', factor: speed });
    this.session.apply(state === 'paused' ? { name: 'pause' } : { name: 'run', forNs: null });
    this.session.notice = null;
    if (demo !== null) this.play(demo);
    this.publish();
    this.tick();
  }

  receive(message: Exclude<ToSimulator, { type: 'start' }>): void {
    if (message.type === 'command') this.carryOut(message.command);
    else this.session.focus = message.focus;
    this.measure();
    this.publish();
  }

  private carryOut(command: Command): void {
    if (command.name === 'demo') {
      const { demo } = command;
      if (builtInNames.includes(demo)) this.play({ demo, scene: 1, machine: this.first });
      else this.session.refuse(unexpected('a demo', demo, builtInNames));
    } else if (command.name === 'scene' && this.playing !== null) this.direct(this.playing, command.to);
    else this.session.apply(command);
  }

  /** Measure what the session has begun to, and no more of what it has stopped. */
  private measure(): void {
    const { experimenting } = this.session;
    if (this.measured === experimenting && experimenting?.state.state !== 'stopped') return;
    this.stopMeasuring();
    this.stopMeasuring = () => {};
    this.measured = experimenting;
    if (experimenting?.state.state !== 'running') return;
    const changed = () => this.publish();
    this.stopMeasuring = measure(experimenting, changed, (why) => {
      this.session.refuse(`${experimenting.id} ended: ${why}`);
      this.publish();
    });
  }

  private play({ demo, scene, machine }: DemoStart): void {
    const read = typeof demo === 'string' ? builtInDemo(demo) : demo;
    this.playing = new Performance(read, this.session, machine);
    this.playing.go(scene);
  }

  private direct(playing: Performance, to: Extract<Command, { name: 'scene' }>['to']): void {
    if (to === 'leave') this.playing = null;
    else if (to === 'next') playing.go(playing.scene + 1);
    else if (to === 'back' && playing.scene === 1) this.session.refuse('this is the first scene');
    else if (to === 'back') playing.go(playing.scene - 1);
    else playing.go(to);
  }

  private tick(): void {
    const now = performance.now();
    const elapsed = Math.min(now - this.lastTick, LONGEST_GAP_MS);
    this.lastTick = now;
    if (this.session.state === 'running') {
      this.run(elapsed);
      if (now - this.lastPublished >= PUBLISH_MS) this.publish();
    }
    setTimeout(() => this.tick(), this.session.speed === Number.POSITIVE_INFINITY ? 1 : TICK_MS);
  }

  /** Simulate as much as so many milliseconds on the wall are worth. */
  private run(elapsedMs: number): void {
    const { session } = this;
    const started = performance.now();
    const began = session.simulation.now;
    const target = began + (elapsedMs / 1000) * session.speed * 1e6;
    while (session.state === 'running' && session.simulation.now < target) {
      session.advance(Math.min(target, session.simulation.now + SLICE_NS));
      if (performance.now() - started > BUDGET_MS || session.simulation.halted !== null) break;
    }
    this.pace.note(elapsedMs, session.simulation.now - began, session.speed);
  }

  private publish(): void {
    // One snapshot on its way at a time: a slow reader gets fewer, not later ones.
    this.isBehind = this.sending;
    if (this.sending) return;
    this.lastPublished = performance.now();
    this.sending = true;
    const { session } = this;
    const message: FromSimulator = {
      type: 'snapshot',
      snapshot: { ...session.snapshot(), reached: this.pace.reached, demo: this.playing?.state() ?? null },
      options: session.bootOptions,
      log: session.log,
      otherBoot: session.other?.bootOptions.boot ?? null,
    };
    sendMessage(message)
      // The channel may close under way; the loop in runSimulatorProcess ends the process then.
      .catch(() => {})
      .finally(() => {
        this.sending = false;
        if (this.isBehind) this.publish();
      });
  }
}
