/** The demos that come with the program: all that they expect is so, and all that they say can be read. */
import { describe, expect, test } from 'vitest';
import { Session } from '../../source/commands/session.ts';
import { builtInDemo, builtInNames } from '../../source/demo/built-in.ts';
import { checkDemo, failuresOf } from '../../source/demo/check-demo.ts';
import { Performance } from '../../source/demo/performance.ts';
import { toAscii } from '../../source/ui/glyphs.ts';
import { captionLines } from '../../source/ui/parts/caption.ts';
import { jsonOf, memoryHash } from '../support/session.ts';

const machine = { boot: 'intel_iommu=on iommu=pt', seed: 42 };

describe.each(builtInNames)('%s', (name) => {
  const demo = builtInDemo(name);

  test('everything that it expects is so', () => {
    const scenes = checkDemo(demo, machine);
    expect(failuresOf(demo, scenes)).toEqual([]);
    for (const { scene, results } of scenes) expect(results.length, scene.heading).toBeGreaterThan(0);
  });

  test('every caption is two rows of 100 columns or three of 80, and can be read with ASCII alone', () => {
    for (const { heading, caption } of demo.scenes) {
      expect(captionLines(caption, 80).length, heading).toBeGreaterThan(0);
      expect(captionLines(caption, 80).length, heading).toBeLessThanOrEqual(3);
      expect(captionLines(caption, 100).length, heading).toBeLessThanOrEqual(2);
      expect(heading.length, heading).toBeLessThanOrEqual(74);
      for (const text of [heading, ...caption]) {
        expect(toAscii(text).replaceAll('?', '')).toBe(toAscii(text.replaceAll('?', '')));
      }
    }
  });
});

describe('the claims', () => {
  const { scenes } = builtInDemo('claims');

  test('each of the eight has its verdict in the headline of its first scene', () => {
    const verdicts = scenes.flatMap(
      ({ heading }) => /^Claim (\d) is ([a-z, ]+): ".+"$/.exec(heading)?.slice(1) ?? [],
    );
    expect(verdicts).toEqual([
      ...['1', 'false', '2', 'imprecise', '3', 'true', '4', 'true', '5', 'true, with nuance'],
      ...['6', 'imprecise', '7', 'true, but secondary', '8', 'imprecise'],
    ]);
  });

  test('every scene says which claim it is about, and has something to say', () => {
    for (const { heading, notes } of scenes) {
      expect(heading).toMatch(/^Claim [1-8][. ]/);
      expect(
        notes.some(({ kind }) => kind === 'say'),
        heading,
      ).toBe(true);
    }
  });
});

/** What can be told of a machine: its report and its memory. */
const told = (session: Session) => [jsonOf(session), memoryHash(session)];

test.each(['claims', 'lazy'])(
  'every scene of %s is the same, whichever way it is come to',
  (name) => {
    const demo = builtInDemo(name);
    const forwards = new Session(machine);
    const played = new Performance(demo, forwards, machine);
    // Some of them, and the last one.
    const isCompared = (i: number) => i % 5 === demo.scenes.length % 5;
    const states = demo.scenes.map((_, i) => {
      played.go(i + 1);
      return { told: isCompared(i + 1) ? told(forwards) : null, results: played.results };
    });
    const anyhow = new Session(machine);
    const jumping = new Performance(demo, anyhow, machine);
    for (let i = demo.scenes.length; i >= 1; i -= 5) {
      jumping.go(i);
      expect(told(anyhow), demo.scenes[i - 1].heading).toEqual(states[i - 1].told);
      // What people do in between leaves no trace.
      anyhow.apply({ name: 'device', device: 'nic0', to: 'flip' });
      anyhow.apply({ name: 'dma', device: 'usb0', type: 'write', address: '0x1000000', bytes: 64 });
      anyhow.advance(anyhow.simulation.now + 1e5);
    }
    for (const { results } of states)
      for (const { holds, expression } of results) expect(holds, expression).toBe(true);
  },
  120_000,
);

test('behind the last scene the machine goes on as it is', () => {
  const demo = builtInDemo('lazy');
  const session = new Session(machine);
  const played = new Performance(demo, session, machine);
  played.go(demo.scenes.length);
  const before = told(session);
  played.go(demo.scenes.length + 5);
  expect(told(session)).toEqual(before);
  expect(played.state()).toMatchObject({
    scene: demo.scenes.length + 1,
    next: null,
    heading: 'Explore on your own.',
  });
  played.go(0);
  expect(played.state().scene).toBe(1);
});
