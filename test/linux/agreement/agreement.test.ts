/**
 * Figures of the recorded runs, counted in the recordings, beside what the simulated kernel makes of the same work.
 * docs/agreement.md has the tables of them; `npx vitest run test/linux/agreement -u` writes them anew.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { bdf } from '../../../source/vtd/source-id.ts';
import { type RunName, recordedRun } from '../../support/recording/recorded-run.ts';
import { boot } from './boot.ts';
import { dma, flushTimes, followAll } from './dma.ts';
import { departureOf, departuresOf, tableOf } from './figure.ts';
import { lending } from './lending.ts';
import { tables } from './tables.ts';

const PAGE = path.resolve(import.meta.dirname, '../../../docs/agreement.md');

const followed = followAll();
const chapters = [boot(), dma(followed), ...lending(), tables()];
const times = flushTimes(followed);

for (const chapter of chapters) {
  describe(chapter.title, () => {
    for (const figure of chapter.figures) {
      const { run, phase, device, name, recorded, simulated } = figure;
      const departure = departureOf(chapter, figure);
      const what = [run, phase, device, name].filter((word) => word !== '').join(', ');
      if (departure === undefined) test(`${what}: as recorded`, () => expect(simulated).toBe(recorded));
      else test(`${what}: not as recorded`, () => expect(simulated).not.toBe(recorded));
    }
  });
}

describe('when a lazy domain is flushed', () => {
  for (const { run, flushes, inTick } of times) {
    test(`${run}: most flushes come in the tick that the timer of the flush queue asks for`, () => {
      expect(flushes).toBeGreaterThan(20);
      expect(inTick / flushes).toBeGreaterThan(0.75);
    });
  }
});

test('every phase in which a device did DMA is compared', () => {
  const compared = new Set(
    chapters.flatMap(({ figures }) => figures.map(({ run, phase }) => `${run} ${phase}`)),
  );
  const runs: readonly RunName[] = ['default', 'on', 'on-strict', 'on-pt', 'sm-on', 'off'];
  const missing = runs.flatMap((run) =>
    recordedRun(run).phases.flatMap(({ name, entries }) => {
      const devices = new Set(
        entries.flatMap(({ event }) => (event.kind === 'lookup' ? [bdf(event.sourceId)] : [])),
      );
      return devices.size > 0 && !compared.has(`${run} ${name}`)
        ? [`${run} ${name}: ${[...devices].join(' ')}`]
        : [];
    }),
  );
  expect(missing).toEqual([]);
});

test('what does not agree is a figure', () => {
  for (const chapter of chapters) {
    for (const departure of chapter.departures) {
      expect(chapter.figures.filter((figure) => departureOf(chapter, figure) === departure)).not.toEqual([]);
    }
  }
});

test('the page about the agreement has the figures', async () => {
  const [introduction, rest] = readFileSync(PAGE, 'utf8').split(/^(?=## Boot$)/m);
  const after = /^## Where the work had to be arranged$.*/ms.exec(rest)?.[0] ?? '';
  const text = [
    introduction.trimEnd(),
    ...chapters.map((chapter) => `## ${chapter.title}\n\n${tableOf(chapter)}`),
    `## When a lazy domain is flushed\n\n${TIMES}\n\n${timesTable()}`,
    `## What does not agree\n\n${departuresOf(chapters)}`,
    after.trimEnd(),
  ];
  await expect(`${text.join('\n\n')}\n`).toMatchFileSnapshot(PAGE);
});

/** About the table of times. */
const TIMES = `Flushes came at ticks of 4 ms, 12 to 16 ms after the first unmap. The simulated timer starts when the device is done with the
first buffer that is then unmapped. Where the driver came to unmap it only after the next tick, as on the busy CPU of \`sm-on\`,
the recorded flush is a tick later.`;

function timesTable(): string {
  const lines = times.map(({ run, flushes, inTick, nextTick }) =>
    ['', run, flushes, inTick, nextTick, flushes - inTick - nextTick, ''].join(' | ').trim(),
  );
  return [
    '| run | flushes by a timer | in the tick of the simulated one | one tick later | others |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
