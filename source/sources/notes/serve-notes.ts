/** Tells whoever shows the speaker's notes how the demo stands, over a socket in a private folder. */
import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { Source } from '../source.ts';
import type { NotesMessage } from './message.ts';
import { runtimeDirectory, socketOf } from './runtime-directory.ts';

/** Serve the notes of the demos that a source plays, from the first one on. Returns the way to stop. */
export function serveNotes(source: Source): () => Promise<void> {
  const notes = new NotesServer(source);
  const unsubscribe = source.subscribe(() => notes.look());
  notes.look();
  return async () => {
    unsubscribe();
    await notes.stop();
  };
}

class NotesServer {
  private readonly source: Source;
  private readonly clients = new Set<Socket>();
  private server: Server | null = null;
  private starting: Promise<void> | null = null;
  private last = '';
  private startedAt = 0;
  private first = 1;

  constructor(source: Source) {
    this.source = source;
  }

  /** Tell what is new, if anything is. */
  look(): void {
    const { demo = null } = this.source.current();
    const state = demo === null ? '' : `${demo.name} ${demo.entered}`;
    if (state === this.last) return;
    if (this.last === '') {
      this.startedAt = performance.now();
      this.first = demo?.scene ?? 1;
    }
    this.last = state;
    // Without notes the demo goes on; dmascope notes says what is wrong with the folder.
    this.starting ??= this.start().catch(() => {});
    for (const client of this.clients) client.write(this.line());
  }

  async stop(): Promise<void> {
    await this.starting;
    for (const client of this.clients) client.destroy();
    const { server } = this;
    if (server === null) return;
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  private async start(): Promise<void> {
    const at = socketOf(await runtimeDirectory(), process.pid);
    // Left behind by an earlier process of the same number.
    await rm(at, { force: true });
    const server = createServer((client) => {
      this.clients.add(client);
      client.on('close', () => this.clients.delete(client));
      client.on('error', () => client.destroy());
      client.resume();
      client.write(this.line());
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(at, resolve);
    });
    // Nobody waits for the notes.
    server.unref();
    this.server = server;
  }

  private line(): string {
    const { demo = null } = this.source.current();
    const message: NotesMessage = {
      demo,
      elapsedMs: performance.now() - this.startedAt,
      first: this.first,
    };
    return `${JSON.stringify(message)}\n`;
  }
}
