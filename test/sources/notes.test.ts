/** The socket between a demo and the notes beside it. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Snapshot } from '../../source/simulation/snapshot.ts';
import { NotesFollower } from '../../source/sources/notes/follow-notes.ts';
import { NotPrivate, runtimeDirectory } from '../../source/sources/notes/runtime-directory.ts';
import { serveNotes } from '../../source/sources/notes/serve-notes.ts';
import type { Source } from '../../source/sources/source.ts';
import { playing } from '../ui/fixture.ts';

let runtime = '';
beforeEach(() => {
  runtime = mkdtempSync(path.join(tmpdir(), 'dmascope-run-'));
  vi.stubEnv('XDG_RUNTIME_DIR', runtime);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(runtime, { recursive: true, force: true });
});

const folder = () => path.join(runtime, 'dmascope');

/** A source whose snapshot is put in by hand. */
function sourceOf(first: Snapshot) {
  let now = first;
  const listeners = new Set<() => void>();
  const source = {
    current: () => now,
    subscribe(listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  } as unknown as Source;
  const show = (next: Snapshot) => {
    now = next;
    for (const listener of listeners) listener();
  };
  return { source, show };
}

const scene = (number: number): Snapshot => ({
  ...playing,
  demo: { ...playing.demo!, scene: number, entered: number },
});

async function until(follower: NotesFollower, isSo: (scene: number | null) => boolean): Promise<void> {
  const sceneOf = () => follower.current().message?.demo?.scene ?? null;
  if (isSo(sceneOf())) return;
  await new Promise<void>((resolve) => {
    const stop = follower.subscribe(() => {
      if (!isSo(sceneOf())) return;
      stop();
      resolve();
    });
  });
}

test('the folder is private, and one that others could reach is refused', async () => {
  expect(await runtimeDirectory()).toBe(folder());
  expect(lstatSync(folder()).mode & 0o777).toBe(0o700);
  chmodSync(folder(), 0o755);
  await expect(runtimeDirectory()).rejects.toThrow(NotPrivate);
});

test('a link, or a file in its place, is refused', async () => {
  mkdirSync(path.join(runtime, 'elsewhere'), { mode: 0o700 });
  symlinkSync(path.join(runtime, 'elsewhere'), folder());
  await expect(runtimeDirectory()).rejects.toThrow(NotPrivate);
  rmSync(folder());
  writeFileSync(folder(), '');
  await expect(runtimeDirectory()).rejects.toThrow(NotPrivate);
});

test('a dashboard without a demo leaves nothing in the folder', async () => {
  const { source } = sourceOf({ ...playing, demo: null });
  const stop = serveNotes(source);
  await stop();
  expect(readdirSync(runtime)).toEqual([]);
});

test('notes follow each scene, whoever was there first', async () => {
  const follower = await NotesFollower.start();
  expect(follower.current().message).toBeNull();
  const { source, show } = sourceOf(scene(1));
  const stop = serveNotes(source);
  await until(follower, (at) => at === 1);
  show(scene(2));
  await until(follower, (at) => at === 2);
  const later = await NotesFollower.start();
  expect(later.current().message?.demo?.scene).toBe(2);
  await stop();
  await until(follower, (at) => at === null);
  expect(readdirSync(folder())).toEqual([]);
  follower.stop();
  later.stop();
});

test('what a dead process left behind is passed over and taken away', async () => {
  await runtimeDirectory();
  writeFileSync(path.join(folder(), 'demo-1.sock'), '');
  const { source } = sourceOf(scene(3));
  const stop = serveNotes(source);
  const follower = await NotesFollower.start();
  await until(follower, (at) => at === 3);
  follower.stop();
  await stop();
});

test('who tells something else than notes is not listened to', async () => {
  await runtimeDirectory();
  const strange = createServer((client) => client.end('no JSON at all\n'));
  await new Promise<void>((resolve) => strange.listen(path.join(folder(), 'demo-2.sock'), resolve));
  const follower = await NotesFollower.start();
  expect(follower.current().message).toBeNull();
  follower.stop();
  await new Promise((resolve) => strange.close(resolve));
});
