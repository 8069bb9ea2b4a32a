/** A demo on a real terminal: forwards and back, improvised upon, with the speaker's notes in a second one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { builtInDemo } from '../../source/demo/built-in.ts';
import { bundle, openDmascope } from '../support/dmascope.ts';
import { childrenOf } from '../support/processes.ts';
import { badgeOf, SIZES } from './journey.ts';

const claims = builtInDemo('claims');
const count = claims.scenes.length;
const headline = (scene: number) => claims.scenes[scene - 1].heading.slice(0, 50);

let runtime = '';
beforeAll(() => {
  runtime = mkdtempSync(path.join(tmpdir(), 'dmascope-run-'));
});
afterAll(() => rmSync(runtime, { recursive: true, force: true }));

const inRuntime = (columns = 100, rows = 30) => ({ columns, rows, env: { XDG_RUNTIME_DIR: runtime } });

test('the claims play forwards to the end and back, and every check is met on the way', async () => {
  await using terminal = await openDmascope(['demo', 'claims'], inRuntime());
  // All in one look: a frame may come in two pieces.
  const isMet = (scene: number) => {
    const text = terminal.text();
    return (
      text.includes(`${scene} of ${count} `) && text.includes(headline(scene)) && /✓ (\d+) of \1 /.test(text)
    );
  };
  for (let scene = 1; scene <= count; scene++) {
    await terminal.waitFor(() => isMet(scene));
    terminal.press(']');
  }
  await terminal.waitFor('Explore on your own.');
  for (let scene = count; scene > count - 4; scene--) {
    terminal.press('[');
    await terminal.waitFor(() => isMet(scene));
  }
});

test.each(SIZES)('a caption can be read whole at $columns x $rows', async ({ columns, rows }) => {
  const longest = claims.scenes.reduce((a, b) => (b.caption.join().length > a.caption.join().length ? b : a));
  const scene = String(claims.scenes.indexOf(longest) + 1);
  await using terminal = await openDmascope(['demo', 'claims', '--scene', scene], inRuntime(columns, rows));
  await terminal.waitFor(longest.heading);
  const shown = terminal.text().replace(/\s+/g, ' ');
  for (const paragraph of longest.caption) expect(shown).toContain(paragraph);
});

test('who plays freely comes back to the script exactly, and esc leaves it', async () => {
  await using terminal = await openDmascope(['demo', 'tour', '--paused'], inRuntime());
  await terminal.waitFor('Six devices and their way to memory');
  terminal.press('t');
  await terminal.waitFor(() => badgeOf(terminal, 'nic0') === 'DMA');
  await terminal.waitFor('echo DMA-FQ');
  terminal.press(']');
  await terminal.waitFor('a stray write lands');
  await terminal.waitFor(() => badgeOf(terminal, 'nic0') === 'PT');
  terminal.press('[');
  await terminal.waitFor('Six devices and their way to memory');
  terminal.press('escape');
  await terminal.waitFor(() => !terminal.text().includes('Six devices and their way to memory'));
  terminal.press(']');
  await terminal.waitFor('no demo plays');
  terminal.press(':');
  terminal.type('demo lazy');
  terminal.press('enter');
  await terminal.waitFor('A buffer, mapped and used');
});

test('a demo survives the death of the simulator, at the scene where it was', async () => {
  await using terminal = await openDmascope(['demo', 'lazy', '--scene', '3'], inRuntime());
  await terminal.waitFor('Use after unmap: the write lands');
  const dashboards = childrenOf(process.pid, bundle);
  const [simulator] = dashboards.flatMap((pid) => childrenOf(pid, 'simulator-process'));
  process.kill(simulator, 'SIGKILL');
  await terminal.waitFor(/died \(signal SIGKILL\)/);
  await terminal.waitFor(
    () => terminal.text().includes('Use after unmap: the write lands') && /✓ 3 of 3/.test(terminal.text()),
  );
  terminal.press(']');
  await terminal.waitFor('Ten milliseconds later');
});

test('the notes are in step with the demo, wait for it, and follow the next one', async () => {
  await using notes = await openDmascope(['notes'], inRuntime());
  await notes.waitFor('No demo runs.');
  {
    await using terminal = await openDmascope(['demo', 'claims'], inRuntime());
    await terminal.waitFor(headline(1));
    await notes.waitFor(`scene 1 of ${count}`);
    await notes.waitFor(claims.scenes[0].notes[0].text.slice(0, 40));
    await notes.waitFor(headline(2));
    terminal.press(']');
    await notes.waitFor(`scene 2 of ${count}`);
    terminal.press('[');
    await notes.waitFor(`scene 1 of ${count}`);
    terminal.press('[');
    await terminal.waitFor('this is the first scene');
  }
  // Killed, not left: its socket stays behind.
  await notes.waitFor('No demo runs.');
  await using again = await openDmascope(['demo', 'tour'], inRuntime());
  await notes.waitFor('scene 1 of 6');
  again.press('q');
  expect(await again.exited).toMatchObject({ exitCode: 0 });
  await notes.waitFor('No demo runs.');
  notes.press('q');
  expect(await notes.exited).toMatchObject({ exitCode: 0 });
});
