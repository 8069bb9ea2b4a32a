import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isSupported, minimumNode } from './node-version.js';
import { fingerprint, root, unlessStamped } from './stamp.js';

export async function installIfStale() {
  // Of package.json only what npm installs by: a new script is no reason to install again.
  const { dependencies, devDependencies, optionalDependencies, overrides, workspaces } = read('package.json');
  const wanted = { dependencies, devDependencies, optionalDependencies, overrides, workspaces };
  const manifests = ['package-lock.json', 'development/node/package.json'];
  const current = fingerprint(manifests, [JSON.stringify(wanted), process.platform, process.arch]);

  await unlessStamped('node_modules/.stamp', current, async () => {
    requireSomeNode();
    console.log('Installing the development packages (about 400 MB on disk, up to a minute) …');
    await npmCi();
  });
}

function requireSomeNode() {
  if (hasPinnedNode() || isSupported(process.versions.node)) return;

  throw new Error(
    `dmascope needs Node.js ${minimumNode} or newer and found ${process.version}; ` +
      `npm carries no Node.js for ${process.platform}-${process.arch}, so please install one.`,
  );
}

function hasPinnedNode() {
  return (
    `node-${process.platform}-${process.arch}` in read('development/node/package.json').optionalDependencies
  );
}

/** @param {string} file */
function read(file) {
  return JSON.parse(readFileSync(path.join(root, file), 'utf8'));
}

async function npmCi() {
  // npm on the pinned Node.js would delete the program it runs on, so this one gets the machine's own. Its engine
  // warnings are about that Node.js and not about the one the project runs on: hence errors only. No package here
  // needs its install script.
  const npm = spawn('npm', ['ci', '--ignore-scripts', '--loglevel=error'], {
    cwd: root,
    env: { ...process.env, PATH: pathOfTheMachine() },
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });

  // npm may work on for a while after ctrl-c, and would be in the way of the next attempt.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => npm.kill('SIGKILL'));

  const [code, signal] = await once(npm, 'exit');
  if (code !== 0) throw new Error(`npm ci did not finish: ${signal ? 'interrupted' : `exit code ${code}`}`);
}

function pathOfTheMachine() {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .filter((folder) => !folder.includes('node_modules'))
    .join(path.delimiter);
}
