/** The forum's question once more, asked of recordings of a real Linux. */
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { bundle, openDmascope } from '../support/dmascope.ts';
import type { TestTerminal } from '../support/terminal.ts';

const size = { columns: 100, rows: 30 };

/** A recording, played as fast as it goes to where Linux shuts down. */
async function played(name: string): Promise<TestTerminal> {
  const terminal = await openDmascope(['replay', `fixtures/traces/${name}.trace.gz`, '--speed', 'max'], size);
  await terminal.waitFor('Here Linux shuts down');
  return terminal;
}

test('the recording of intel_iommu=on shows the disk translated, with hits and walks', async () => {
  await using terminal = await played('on');
  await terminal.waitFor(/nvme +00:03\.0 .* host +DMA lazy .*◆.*%/);
  await terminal.waitFor('intel_iommu=on');
});

test('the recording of iommu=pt shows the disk in passthrough, without a hit rate', async () => {
  await using terminal = await played('on-pt');
  await terminal.waitFor(/nvme +00:03\.0 .* host +PT +identity .*╋.* ─ +─/);
});

test('the fault after the unmap is there with the kernel message', async () => {
  await using terminal = await played('on');
  terminal.press('4');
  await terminal.waitFor(/edu .*write +0x00102000 +0x05/);
  const message =
    '[DMA Write NO_PASID] Request device [00:08.0] fault addr 0x102000 [fault reason 0x05] PTE Write access is not set';
  await terminal.waitFor(() => terminal.text().replace(/\s+/g, ' ').includes(message));
});

test('a recording cannot be changed, and says so', async () => {
  await using terminal = await played('on');
  terminal.press('t');
  await terminal.waitFor(/a recording cannot be changed/);
});

test.each([
  ['a file that is no trace', 'LICENSE', /LICENSE: line \d+: expected/],
  ['a folder', 'docs', /docs: expected a trace, got a directory/],
  ['a missing file', 'no-such.trace', /no-such\.trace: no such file/],
])('%s gets one clear line and exit code 2', async (_, file, message) => {
  const { stdout, stderr, exitCode } = await execa(
    process.execPath,
    [bundle, 'replay', file, '--format', 'json'],
    {
      reject: false,
    },
  );
  expect(exitCode).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(message);
  expect(stderr.split('\n')).toHaveLength(1);
});
