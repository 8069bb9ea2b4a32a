import { expect, test } from 'vitest';
import { openDmascope } from '../support/dmascope.ts';

test('a long run shows on a terminal how far it is; ctrl-c ends it with a report, and the bar is gone', async () => {
  await using terminal = await openDmascope(['run', '--time', '1000s'], { columns: 150, rows: 60 });
  await terminal.waitFor(/run \[\.+\] \d+ of 1000000 ms/);
  terminal.press('ctrl-c');
  const { exitCode } = await terminal.exited;

  expect(exitCode).toBe(130);
  expect(terminal.text()).toMatch(/stopped at [\d.]+ of 1000000\.000 ms/);
  expect(terminal.text()).toMatch(/^boot +intel_iommu=on iommu=pt$/m);
  expect(terminal.text()).toMatch(/^│ nic0 /m);
  expect(terminal.text()).not.toMatch(/run \[/);
});

test('where rules do not fit, a terminal gets plain columns', async () => {
  await using terminal = await openDmascope(['run', '--time', '1us'], { columns: 120, rows: 60 });
  await terminal.exited;

  expect(terminal.text()).toMatch(/^nic0 +03:00\.0 /m);
});
