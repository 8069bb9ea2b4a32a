import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * One hash over names and contents. Times are left out: a checkout changes them without changing a byte.
 *
 * @param {string[]} entries files and folders, relative to the project; missing ones count as missing
 * @param {string[]} [facts] whatever else the result depends on
 */
export function fingerprint(entries, facts = []) {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(facts));

  for (const file of entries.flatMap(filesIn)) {
    const content = readFileSync(path.join(root, file));
    hash.update(`\n${file} ${content.length}\n`);
    hash.update(content);
  }

  return hash.digest('hex');
}

/** @param {string} entry @returns {string[]} */
function filesIn(entry) {
  const stat = statSync(path.join(root, entry), { throwIfNoEntry: false });

  if (!stat) return [];
  if (!stat.isDirectory()) return [entry];

  return readdirSync(path.join(root, entry))
    .sort()
    .flatMap((name) => filesIn(`${entry}/${name}`));
}

/**
 * Does the work only if the stamp of the last finished work says something else. The stamp goes first and comes
 * back last, so that work which was interrupted is done again.
 *
 * @param {string} stamp file that remembers the fingerprint, relative to the project
 * @param {string} current
 * @param {() => void | Promise<void>} work
 */
export async function unlessStamped(stamp, current, work) {
  const file = path.join(root, stamp);

  if (read(file) === current) return;

  rmSync(file, { force: true });
  await work();
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, current);
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
