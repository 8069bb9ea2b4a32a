/** Commands one after the other, without a screen and without waiting for anybody. */
import type { Command } from './command.ts';
import type { Session } from './session.ts';

export type Done = {
  /** Why commands were refused, in order. */
  readonly refusals: readonly string[];
  /** Expectations that were not met, in order. */
  readonly failures: readonly string[];
  /** Simulated time that commands since the last boot asked for. A refused DMA takes a moment more. */
  readonly askedNs: number;
};

/** Carry out commands in order; `run 5ms` lets that time pass before the next one. */
export function carryOutAll(session: Session, commands: readonly Command[]): Done {
  const refusals: string[] = [];
  const failures: string[] = [];
  // A refused DMA lets the kernel take its interrupt, which must not add up.
  let askedNs = 0;
  for (const command of commands) {
    const notice = session.apply(command);
    if (!notice.ok) (command.name === 'expect' ? failures : refusals).push(notice.text);
    if (command.name === 'boot') askedNs = 0;
    if (command.name === 'run' && command.forNs !== null) {
      askedNs += command.forNs;
      session.advance(Math.max(askedNs, session.simulation.now));
    }
  }
  return { refusals, failures, askedNs };
}
