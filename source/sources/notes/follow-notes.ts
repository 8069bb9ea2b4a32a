/** Follows the newest demo of the same user; waits while there is none, and comes back when it starts again. */
import { readdir, rm, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { NotesMessage } from './message.ts';
import { isSocketName, runtimeDirectory } from './runtime-directory.ts';

const LOOK_MS = 500;
/** A line longer than this is none of ours. */
const LONGEST_LINE = 1_000_000;

export type Followed = {
  /** Null: no demo runs. */
  readonly message: NotesMessage | null;
  /** When it came, as performance.now() counts. */
  readonly at: number;
};

export class NotesFollower {
  private followed: Followed = { message: null, at: 0 };
  private readonly listeners = new Set<() => void>();
  private readonly folder: string;
  private socket: Socket | null = null;
  private followedPath: string | null = null;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** @throws NotPrivate */
  static async start(): Promise<NotesFollower> {
    const follower = new NotesFollower(await runtimeDirectory());
    await follower.look();
    return follower;
  }

  readonly current = (): Followed => this.followed;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.socket?.destroy();
  }

  /** Look for a demo newer than the one that is followed, now and then. */
  private async look(): Promise<void> {
    for (const candidate of await this.newestFirst()) {
      if (candidate === this.followedPath) break;
      if (await this.follow(candidate)) break;
    }
    if (!this.stopped) this.timer = setTimeout(() => void this.look(), LOOK_MS);
  }

  private async newestFirst(): Promise<string[]> {
    const names = await readdir(this.folder).catch(() => []);
    const found = await Promise.all(
      names.filter(isSocketName).map(async (name) => {
        const at = path.join(this.folder, name);
        const times = await stat(at).catch(() => null);
        return times === null ? [] : [{ at, born: times.mtimeMs }];
      }),
    );
    return found
      .flat()
      .sort((a, b) => b.born - a.born)
      .map(({ at }) => at);
  }

  /** Resolves with whether somebody tells something there, after the first line. */
  private follow(at: string): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(at);
      socket.on('error', (error: NodeJS.ErrnoException) => {
        // Nobody listens any more: its process is gone, and left this behind.
        if (error.code === 'ECONNREFUSED') void rm(at, { force: true });
      });
      socket.on('close', () => {
        resolve(false);
        if (this.socket !== socket) return;
        this.socket = null;
        this.followedPath = null;
        this.show(null);
      });
      const lines = createInterface({ input: socket });
      // Its input's errors are dealt with above.
      lines.on('error', () => {});
      lines.on('line', (line) => {
        const message = read(line);
        if (message === null || this.stopped) return void socket.destroy();
        if (this.socket !== socket) {
          const before = this.socket;
          this.socket = socket;
          this.followedPath = at;
          before?.destroy();
        }
        this.show(message);
        resolve(true);
      });
    });
  }

  private show(message: NotesMessage | null): void {
    this.followed = { message, at: performance.now() };
    for (const listener of this.listeners) listener();
  }
}

function read(line: string): NotesMessage | null {
  if (line.length > LONGEST_LINE) return null;
  try {
    const message = JSON.parse(line) as NotesMessage;
    return typeof message.elapsedMs === 'number' ? message : null;
  } catch {
    return null;
  }
}
