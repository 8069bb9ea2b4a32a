/** The folder in which demos of one user leave their sockets: private, and of nobody else. */
import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const PRIVATE = 0o700;
const OF_OTHERS = 0o077;

/** The folder cannot be trusted, or cannot be made. */
export class NotPrivate extends Error {}

/**
 * The folder, made if it was not there: below XDG_RUNTIME_DIR, or in the folder for temporary files.
 *
 * @throws NotPrivate if somebody else could read or replace what lies in it
 */
export async function runtimeDirectory(): Promise<string> {
  const { XDG_RUNTIME_DIR: runtime } = process.env;
  const folder =
    runtime === undefined || runtime === ''
      ? path.join(tmpdir(), `dmascope-${process.getuid?.() ?? 0}`)
      : path.join(runtime, 'dmascope');
  try {
    await mkdir(folder, { recursive: true, mode: PRIVATE });
  } catch (error) {
    throw new NotPrivate(`${folder} cannot be made: ${(error as NodeJS.ErrnoException).code}`);
  }
  // Not what a link leads to: the link itself must be a folder of ours.
  const found = await lstat(folder);
  const isOurs = process.getuid === undefined || found.uid === process.getuid();
  if (!found.isDirectory() || !isOurs || (found.mode & OF_OTHERS) !== 0) {
    throw new NotPrivate(`${folder} is not a folder of yours alone (expected mode 0700)`);
  }
  return folder;
}

/** Where the demo of a process listens. */
export const socketOf = (folder: string, pid: number): string => path.join(folder, `demo-${pid}.sock`);

export const isSocketName = (name: string): boolean => /^demo-\d+\.sock$/.test(name);
