/** A source that a test drives: it shows what it is given and remembers what it was asked. */
import type { Command } from '../../source/commands/command.ts';
import type { Focus, Snapshot } from '../../source/simulation/snapshot.ts';
import type { Source } from '../../source/sources/source.ts';

export class MemorySource implements Source {
  readonly sent: Command[] = [];
  readonly looked: Focus[] = [];
  stopped = false;
  private readonly listeners = new Set<() => void>();
  private snapshot: Snapshot;

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
  }

  /** Show something else. */
  show(change: Partial<Snapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of this.listeners) listener();
  }

  current(): Snapshot {
    return this.snapshot;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  send(command: Command): void {
    this.sent.push(command);
    if (command.name === 'pause') this.show({ state: 'paused' });
    if (command.name === 'run') this.show({ state: 'running' });
  }

  look(focus: Focus): void {
    this.looked.push(focus);
  }

  refusal(): string | null {
    return null;
  }

  trouble(): string | null {
    return null;
  }

  async stop(): Promise<void> {
    this.stopped = true;
  }
}
