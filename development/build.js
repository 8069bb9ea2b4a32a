import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { licencesOf } from './licences.js';
import { minimumNode } from './node-version.js';
import { fingerprint, root, unlessStamped } from './stamp.js';

const inputs = ['cli.tsx', 'source', 'development', 'tsconfig.json', 'package.json', 'package-lock.json'];

export async function buildIfStale() {
  await unlessStamped('dist/.stamp', fingerprint(inputs), async () => {
    console.log('Building dist/cli.js …');
    await build();
  });
}

/**
 * One file with every library in it: it starts in less than half the time of the same modules loaded one by one, and
 * whoever installs the package installs nothing else.
 */
async function build() {
  const esbuild = await import('esbuild');
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

  const { metafile, outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ['cli.tsx'],
    outfile: 'dist/cli.js',
    write: false,
    bundle: true,
    minify: true,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    // A regular expression that an old Node.js cannot parse would end it before it can say why.
    supported: { 'regexp-set-notation': false },
    jsx: 'automatic',
    legalComments: 'none',
    loader: { '.md': 'text' },
    logLevel: 'warning',
    define: {
      'process.env.NODE_ENV': '"production"',
      'process.env.DMASCOPE_VERSION': JSON.stringify(version),
    },
    banner: { js: banner },
    plugins: [noDevtools, lateBuiltins],
  });

  mkdirSync(path.join(root, 'dist'), { recursive: true });
  replace('dist/licences.txt', licencesOf(Object.keys(metafile.inputs)));
  replace('dist/cli.js', outputFiles[0].contents, 0o755);
}

/**
 * In one step, since a dashboard may start from the old file at this moment.
 *
 * @param {string} file
 * @param {string | Uint8Array} content
 */
function replace(file, content, mode = 0o644) {
  const target = path.join(root, file);
  const unfinished = `${target}.${process.pid}`;

  writeFileSync(unfinished, content, { mode });
  renameSync(unfinished, target);
}

const [minimumMajor, minimumMinor = 0] = minimumNode.split('.').map(Number);

/** Runs before any library. The libraries inside that are CommonJS ask for `require`. */
const banner = `#!/usr/bin/env node
import { createRequire as createRequireForBundle } from 'node:module';
{
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < ${minimumMajor} || (major === ${minimumMajor} && minor < ${minimumMinor})) {
    process.stderr.write('dmascope needs Node.js ${minimumNode} or newer and found ' + process.version + '\\n');
    process.exit(2);
  }
}
const require = createRequireForBundle(import.meta.url);`;

/**
 * Node.js resolves the imports of a module before its first line runs, and refuses the whole file if a name is new to
 * it. As `require` calls they come after the check above.
 *
 * @type {import('esbuild').Plugin}
 */
const lateBuiltins = {
  name: 'late builtins',
  setup(build) {
    build.onResolve({ filter: /^[a-z]/ }, ({ path: name, kind }) =>
      isBuiltin(name) && kind === 'import-statement' ? { path: name, namespace: 'builtin' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path: name }) => ({
      contents: `module.exports = require(${JSON.stringify(name)})`,
    }));
  },
};

/**
 * Ink mentions the developer tools of React, which are not installed.
 *
 * @type {import('esbuild').Plugin}
 */
const noDevtools = {
  name: 'no devtools',
  setup(build) {
    build.onResolve({ filter: /^react-devtools-core$/ }, ({ path: name }) => ({
      path: name,
      namespace: 'none',
    }));
    build.onLoad({ filter: /.*/, namespace: 'none' }, () => ({ contents: 'export default {}' }));
  },
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await build();
