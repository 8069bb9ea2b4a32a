import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** From the bottom up. A layer may import itself and every layer above it in this table, and nothing below. */
const layers = [
  { name: 'vtd', deterministic: true }, //        the chip
  { name: 'conformance', deterministic: true }, // cases run on the chip, and the answers they should give
  { name: 'linux', deterministic: true }, //      a kernel's policy
  { name: 'parameters', deterministic: true }, // what can be set, by name
  { name: 'timing', deterministic: true }, //     how long the chip, the link and a device take
  { name: 'machine', deterministic: true }, //    devices and memory
  { name: 'experiments', deterministic: true }, // published measurements, and what the model makes of them
  { name: 'simulation', deterministic: true }, // time
  { name: 'commands', deterministic: true }, //   the only way to change anything
  { name: 'oracle', deterministic: false }, //    QEMU, as another unit to run the same cases on
  { name: 'demo', deterministic: true }, //       scripts of commands, and what they expect
  { name: 'sources', deterministic: false }, //   where the shown states come from
  { name: 'output', deterministic: false }, //    ways out without a screen
  { name: 'sweep', deterministic: false }, //     many runs, on many cores and machines
  { name: 'ui', deterministic: false }, //        the screen
  { name: 'cli', deterministic: false }, //       the subcommands and their options
  { name: 'cli.tsx', deterministic: false },
];

/** Packages that belong to some layers only. */
const reserved: Record<string, string[]> = {
  ink: ['ui'],
  'ink-table': ['ui'],
  react: ['ui'],
  execa: ['oracle', 'sources', 'sweep'],
  commander: ['cli'],
};

/** The same seed and commands give the same machine, so the layers up to the commands ask nobody else. */
const nondeterministic = [
  ...['Date.now', 'new Date', 'performance.now', 'Math.random', 'process.env', 'process.hrtime'],
  ...['setTimeout', 'setInterval', 'setImmediate'],
];

const root = fileURLToPath(new URL('..', import.meta.url));

test('imports go one way, and the simulated machine depends on nothing but its seed', () => {
  const violations = sourceFiles().flatMap((file) =>
    violationsIn(file, readFileSync(path.join(root, file), 'utf8')),
  );

  expect(violations).toEqual([]);
});

test.each([
  ['source/vtd/walk.ts', "import { boot } from '../linux/boot.ts';", 'vtd may not import linux'],
  ['source/linux/boot.ts', "\nexport * from '../ui/app.tsx';", 'linux may not import ui'],
  ['source/output/text.ts', "const ui = await import('../ui/app.tsx');", 'output may not import ui'],
  ['source/ui/app.tsx', "import '../../cli.tsx';", 'ui may not import cli.tsx'],
  ['source/ui/app.tsx', "import '../../test/support/keys.ts';", 'ui may not import test'],
  ['source/new/idea.ts', 'export {};', 'source/new is missing in the table of layers'],
  ['source/output/svg.ts', "import { Text } from 'ink';", 'only ui may import ink'],
  [
    'source/ui/app.tsx',
    "import { execa } from 'execa';",
    'only oracle and sources and sweep may import execa',
  ],
  ['source/ui/row.tsx', "import { jsx } from 'react/jsx-runtime';", 'allowed'],
  ['source/output/row.ts', "import 'react/jsx-runtime';", 'only ui may import react'],
  ['source/machine/disk.ts', "import type { Stats } from 'node:fs';", 'machine may not import node:fs'],
  ['source/machine/disk.ts', "import fs from 'fs';", 'machine may not import fs'],
  ['source/simulation/clock.ts', 'const now = Date.now();', 'simulation may not use Date.now'],
  ['source/vtd/iotlb.ts', 'setTimeout(flush, 10);', 'vtd may not use setTimeout'],
  ['source/vtd/iotlb.ts', '// unlike setTimeout\n/* or Date.now */', 'allowed'],
  ['source/sources/clock.ts', "import 'node:fs';\nDate.now(); performance.now();", 'allowed'],
  [
    'source/output/text.ts',
    "import cited from '../../fixtures/cited.json' with { type: 'json' };",
    'allowed',
  ],
  ['source/ui/app.tsx', "import {\n  Text,\n} from 'ink';\nimport '../output/text.ts';", 'allowed'],
  ['cli.tsx', "import { buildProgram } from './source/cli/program.ts';", 'allowed'],
  ['source/cli/run.ts', "import '../ui/report.tsx';\nimport { Option } from 'commander';", 'allowed'],
  ['source/ui/app.tsx', "import '../cli/run.ts';", 'ui may not import cli'],
])('%s with %j: %s', (file, text, rule) => {
  const line = text.startsWith('\n') ? 2 : 1;

  expect(violationsIn(file, text)).toEqual(rule === 'allowed' ? [] : [`${file}:${line}: ${rule}`]);
});

function violationsIn(file: string, text: string): string[] {
  const layer = layerOf(file);
  const rank = layers.findIndex(({ name }) => name === layer);
  if (rank < 0) return [`${file}:1: source/${layer} is missing in the table of layers`];

  const code = withoutComments(text);
  const found: { at: number; rule: string }[] = [];

  for (const { at, name } of importsIn(code)) {
    const rule = importRule(file, layer, rank, name);
    if (rule) found.push({ at, rule });
  }

  if (layers[rank].deterministic) {
    for (const { index, 0: word } of code.matchAll(anyOf(nondeterministic))) {
      found.push({ at: index, rule: `${layer} may not use ${word}` });
    }
  }

  return found.map(({ at, rule }) => `${file}:${code.slice(0, at).split('\n').length}: ${rule}`);
}

/** What is wrong with an import, if anything. */
function importRule(file: string, layer: string, rank: number, name: string): string | undefined {
  if (name.startsWith('.')) {
    const resolved = path.posix.join(path.posix.dirname(file), name);
    if (resolved.startsWith('fixtures/') && resolved.endsWith('.json')) return undefined;
    const target = layerOf(resolved);
    const targetRank = layers.findIndex((other) => other.name === target);
    return targetRank < 0 || targetRank > rank ? `${layer} may not import ${target}` : undefined;
  }

  if (layers[rank].deterministic && isBuiltin(name)) return `${layer} may not import ${name}`;

  const packageName = name.startsWith('@') ? name.split('/', 2).join('/') : name.split('/', 1)[0];
  const allowed = reserved[packageName] ?? [layer];
  return allowed.includes(layer) ? undefined : `only ${allowed.join(' and ')} may import ${packageName}`;
}

/** The folder below source/, or what else stands at the top of the project. */
function layerOf(file: string): string {
  const [top, next] = file.split('/');
  return top === 'source' ? next : top;
}

function importsIn(code: string): { at: number; name: string }[] {
  const statement =
    /(?<![\w.])(?:(?:import|export)\b[^'"`;]*?\bfrom\s*|import\s*\(?\s*|require\s*\(\s*)(['"`])(.+?)\1/g;
  return [...code.matchAll(statement)].map(({ index, 2: name }) => ({ at: index, name }));
}

/** Blanks the comments and keeps the lines; strings are matched too, as they may hold what looks like a comment. */
function withoutComments(text: string): string {
  const token = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\/.*|\/\*[\s\S]*?\*\//g;
  return text.replace(token, (found) => (found.startsWith('/') ? found.replace(/[^\n]/g, ' ') : found));
}

function anyOf(words: string[]): RegExp {
  const escaped = words.map((word) => word.replaceAll('.', '\\.').replace(/\w$/, '$&\\b'));
  return new RegExp(`(?<![\\w.])(?:${escaped.join('|')})`, 'g');
}

function sourceFiles(): string[] {
  const inSource = readdirSync(path.join(root, 'source'), { recursive: true, encoding: 'utf8' });
  const files = inSource.map((file) => `source/${file.replaceAll(path.sep, '/')}`);
  return [...files, 'cli.tsx'].filter((file) => /\.tsx?$/.test(file));
}
