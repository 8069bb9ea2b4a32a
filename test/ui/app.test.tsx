import { stripVTControlCharacters } from 'node:util';
import { render } from 'ink-testing-library';
import { afterEach, expect, test, vi } from 'vitest';
import { App } from '../../source/ui/app.tsx';
import { firstSelection } from '../../source/ui/selection.ts';
import { examining, running } from './fixture.ts';
import { MemorySource } from './memory-source.ts';

const started: { unmount(): void }[] = [];

afterEach(() => {
  for (const each of started.splice(0)) each.unmount();
});

function open(snapshot = running, selection = {}) {
  const source = new MemorySource(snapshot);
  const quit = vi.fn();
  const crash = vi.fn();
  const app = render(
    <App
      source={source}
      first={{ ...firstSelection, ...selection }}
      depth={1}
      onQuit={quit}
      onCrash={crash}
    />,
  );
  started.push(app);
  const text = () => stripVTControlCharacters(app.lastFrame() ?? '');
  return { source, quit, crash, ...app, text };
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 5000, interval: 10 });

test('a key sends its command to the source', async () => {
  const { stdin, source } = open();

  stdin.write('t');
  await until(() => expect(source.sent).toEqual([{ name: 'device', device: 'nic0', to: 'flip' }]));
});

test('keys that come in one piece are several keys', async () => {
  const { stdin, source } = open();

  stdin.write('jjx');
  await until(() => expect(source.sent).toMatchObject([{ name: 'dma', device: 'gpu0' }]));
});

test('a line typed at once ends with its enter', async () => {
  const { stdin, source } = open();

  stdin.write(':');
  stdin.write('step 3\r');
  await until(() => expect(source.sent).toEqual([{ name: 'step', count: 3 }]));
});

test('the source is told what the screen looks at', async () => {
  const { stdin, source } = open();
  await until(() =>
    expect(source.looked.at(-1)).toEqual({ view: 'overview', device: 'nic0', address: null, below: null }),
  );

  stdin.write('\x1b[B');
  stdin.write('3');
  await until(() =>
    expect(source.looked.at(-1)).toEqual({ view: 'dma', device: 'nvme0', address: null, below: null }),
  );
});

test('a newer snapshot is drawn without a key', async () => {
  const { source, text } = open();

  source.show({ timeNs: 77_000_000 });
  await until(() => expect(text()).toContain('77.000 ms'));
});

test('many snapshots at once are drawn once', async () => {
  const { source, frames } = open();
  await until(() => expect(frames.length).toBeGreaterThan(0));
  const before = frames.length;

  for (let i = 0; i < 500; i++) source.show({ timeNs: 20_000_000 + i * 1000 });
  await until(() => expect(frames.at(-1)).toContain('20.499 ms'));
  expect(frames.length - before).toBeLessThan(5);
});

test('the shown request stands still while the machine runs on', async () => {
  const { source, text } = open({ ...examining, state: 'running' }, { view: 'dma', device: 'hba1' });
  await until(() => expect(text()).toContain('at 0x00204a40'));

  const newer = { ...examining.transactions[1], id: 99_999, address: '0x777000' };
  source.show({ transactions: [newer, ...examining.transactions], timeNs: 13_000_000 });
  await until(() => expect(text()).toContain('13.000 ms'));
  expect(text()).toContain('at 0x00204a40');
});

test('q asks to leave, Q leaves the last frame', async () => {
  const first = open();
  first.stdin.write('q');
  await until(() => expect(first.quit).toHaveBeenCalledWith(null));

  const second = open();
  second.stdin.write('Q');
  await until(() => expect(second.quit.mock.calls[0]?.[0]?.join('\n')).toContain('Overview'));
});

test('an error of the source in the middle of a key is a crash, not a dead screen', async () => {
  const { stdin, source, crash } = open();
  source.send = () => {
    throw new Error('no such simulator');
  };

  stdin.write('t');
  await until(() => expect(crash).toHaveBeenCalledWith(new Error('no such simulator')));
});

test('text pasted into the boot prompt is not taken for keys', async () => {
  const { stdin, source, text } = open();

  stdin.write('b');
  await until(() => expect(text()).toContain('Boot line'));
  stdin.write('\x1b[200~ quiet q t\nx\x1b[201~');
  await until(() => expect(text()).toContain('quiet q t x'));
  expect(source.sent).toEqual([]);
});
