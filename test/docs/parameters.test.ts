import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { Parameter } from '../../source/parameters/declaration.ts';
import { type Preset, presets } from '../../source/parameters/presets.ts';
import { parameterGroups } from '../../source/parameters/registry.ts';

/** Written anew by `npx vitest run test/docs/parameters.test.ts -u`. */
const PAGE = path.resolve(import.meta.dirname, '../../docs/parameters.md');

test('the page about the parameters is what the registry says', async () => {
  const introduction = readFileSync(PAGE, 'utf8').split('\n## ')[0].trimEnd();

  await expect([introduction, ...presetTable(), ...tables()].join('\n')).toMatchFileSnapshot(PAGE);
});

function presetTable(): string[] {
  return [
    '\n## Presets\n',
    '| name | what it fits | what it sets | source |',
    '|---|---|---|---|',
    ...Object.entries<Preset>(presets).map(([name, { meaning, source, values }]) => {
      const settings = Object.entries(values).map(([parameter, value]) => `\`${parameter}=${value}\``);
      return `| \`${name}\` | ${meaning} | ${settings.join(' ')} | ${source} |`;
    }),
  ];
}

function tables(): string[] {
  return Object.entries(parameterGroups).flatMap(([title, group]) => [
    `\n## ${title}\n`,
    '| name | meaning | default | values | source |',
    '|---|---|---|---|---|',
    ...Object.entries<Parameter>(group).map(
      ([name, parameter]) =>
        `| \`${name}\` | ${parameter.meaning} | ${withUnit(parameter)} | ${range(parameter)} | ${parameter.source} |`,
    ),
    ...(title === Object.keys(parameterGroups).at(-1) ? [''] : []),
  ]);
}

const withUnit = (parameter: Parameter): string =>
  parameter.kind === 'number' && parameter.unit !== ''
    ? `${parameter.default} ${parameter.unit}`
    : `${parameter.default ?? "the unit's"}`;

const range = (parameter: Parameter): string =>
  parameter.kind === 'choice'
    ? parameter.choices.join(', ')
    : parameter.kind === 'field'
      ? `0 … ${parameter.most}`
      : `${parameter.least} … ${parameter.most}${parameter.isWhole ? ', whole' : ''}`;
