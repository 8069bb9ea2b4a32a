import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { counterMeanings } from '../../source/vtd/performance/counters.ts';
import { performanceEvents } from '../../source/vtd/performance/performance-events.ts';

/** The table is written anew by `npx vitest run test/docs/counters.test.ts -u`. */
const PAGE = path.resolve(import.meta.dirname, '../../docs/counters.md');

test('the page about the counters has every event and every other count', async () => {
  const introduction = readFileSync(PAGE, 'utf8').split('\n## ')[0].trimEnd();

  await expect([introduction, ...events(), ...others(), ''].join('\n')).toMatchFileSnapshot(PAGE);
});

function events(): string[] {
  return [
    '\n## Events\n',
    '| event | group | code | what it counts |',
    '|---|---|---|---|',
    ...performanceEvents.map(({ name, group, code, counter }) => {
      const meaning = counter === null ? 'not advertised' : counterMeanings[counter];
      return `| \`${name}\` | ${group} | 0x${code.toString(16).padStart(3, '0')} | ${meaning} |`;
    }),
  ];
}

function others(): string[] {
  const names = performanceEvents.map(({ name }) => name);
  return [
    '\n## Counts without an event\n',
    'Linux has no name for these; the report has them.\n',
    '| count | what it counts |',
    '|---|---|',
    ...Object.entries(counterMeanings)
      .filter(([name]) => !names.includes(name))
      .map(([name, meaning]) => `| \`${name}\` | ${meaning} |`),
  ];
}
