/** Plays the scenes of a demo on a session. */
import type { CommandName } from '../commands/command.ts';
import type { Expectation } from '../commands/expect/check.ts';
import type { Session } from '../commands/session.ts';
import type { MachineOptions } from '../machine/machine.ts';
import type { DemoState, Focus } from '../simulation/snapshot.ts';
import type { Demo, Scene } from './demo.ts';

/** An expectation of a scene, or a command that was refused though nobody expected it. */
export type SceneResult = Expectation & { readonly line: number };

const lasting: readonly CommandName[] = ['unit', 'kernel', 'compare', 'speed'];

const bootsFirst = ({ commands }: Scene): boolean =>
  ['boot', 'unit', 'kernel'].includes(commands[0]?.command.name ?? '');

const OVERVIEW: Focus = { view: 'overview', device: null, address: null };

export class Performance {
  readonly demo: Demo;
  /** Counted from 1. One more than there are: the demo is over, and people explore on their own. */
  scene = 0;
  /** Of the scene. */
  results: readonly SceneResult[] = [];
  private entered = 0;
  /** What the scene looks at. */
  private focus: Focus = OVERVIEW;
  private readonly session: Session;
  private readonly options: MachineOptions;

  /** @param options the machine that the first scene finds */
  constructor(demo: Demo, session: Session, options: MachineOptions) {
    this.demo = demo;
    this.session = session;
    this.options = options;
  }

  /**
   * Go to a scene: boot anew and carry out all scenes up to it, so that the machine is as the script has it, whatever
   * was done in between. A scene that boots needs nothing of those before it. Behind the last one the machine stays as it is.
   */
  go(scene: number): void {
    const { session, demo } = this;
    const isOver = scene > demo.scenes.length;
    this.scene = Math.max(1, Math.min(scene, demo.scenes.length + 1));
    this.entered++;
    if (isOver) {
      this.results = [];
      session.measured = [];
      session.apply({ name: 'run', forNs: null });
    } else {
      session.restart(this.options);
      const played = demo.scenes.slice(0, this.scene);
      const first = Math.max(0, played.findLastIndex(bootsFirst));
      // Of what was done before a boot only this lasts, and of each only the last.
      const before = played.slice(0, first).flatMap(({ commands }) => commands.map(({ command }) => command));
      for (const name of lasting) {
        const last = before.findLast((command) => command.name === name);
        if (last !== undefined) session.apply(last);
      }
      for (const each of played.slice(first)) {
        session.focus = OVERVIEW;
        this.results = perform(session, each);
      }
      const paused = played.reduce((before, each) => endsPaused(each, before), false);
      session.apply(paused ? { name: 'pause' } : { name: 'run', forNs: null });
    }
    session.notice = null;
    this.focus = session.focus;
  }

  /** The performance as a screen shows it. */
  state(): DemoState {
    const { demo, session, scene, results, entered, focus } = this;
    const now = demo.scenes[scene - 1];
    const next = demo.scenes[scene];
    return {
      name: demo.name,
      title: demo.title,
      minutes: demo.minutes,
      scene,
      scenes: demo.scenes.length,
      heading: now?.heading ?? 'Explore on your own.',
      caption: now?.caption ?? [
        'The machine goes on from here. Each key works: t flips the device, x sends a stray DMA, b edits the boot line.',
      ],
      notes: now?.notes ?? [],
      commands: now?.commands.map(({ text }) => text) ?? [],
      measured: session.measured.slice(),
      results: results.map(({ expression, holds, got }) => ({ expression, holds, got })),
      next: next === undefined ? null : { heading: next.heading, notes: next.notes },
      entered,
      focus,
    };
  }
}

/** Carry out one scene; what was expected in it, and what was refused. */
export function perform(session: Session, { commands }: Scene): SceneResult[] {
  const results: SceneResult[] = [];
  session.expectations = [];
  session.measured = [];
  session.apply({ name: 'mark' });
  commands.forEach(({ command, text, line }, i) => {
    const notice = session.apply(command);
    if (command.name === 'expect') {
      const met = session.expectations.at(-1);
      if (met !== undefined) results.push({ ...met, line });
      return;
    }
    // A refusal may be what the scene shows.
    const next = commands[i + 1]?.command;
    const isExpected = next?.name === 'expect' && next.expression.startsWith('refused');
    if (!notice.ok && !isExpected) results.push({ expression: text, holds: false, got: notice.text, line });
    if (command.name === 'run' && command.forNs !== null && session.runUntil !== null) {
      session.advance(session.runUntil);
    }
  });
  return results;
}

function endsPaused({ commands }: Scene, before: boolean): boolean {
  const last = commands.findLast(
    ({ command }) => command.name === 'pause' || (command.name === 'run' && command.forNs === null),
  );
  return last === undefined ? before : last.command.name === 'pause';
}
