/** Nested translation on a real terminal: a guest gets a device behind an IOMMU of its own, and the screen follows. */
import { test } from 'vitest';
import { openDashboard, SIZES } from './journey.ts';

const server = ['--unit', 'server', '--boot', 'intel_iommu=on', '--device', 'hba1', '--paused'];

test.each(SIZES)('at $columns x $rows a walk through both stages is followed read by read', async (size) => {
  await using terminal = await openDashboard(server, size);
  terminal.press(':');
  terminal.type('device hba1 guest B viommu');
  terminal.press('enter');
  await terminal.waitFor(/nested/);
  terminal.press(':');
  terminal.type('map hba1 1');
  terminal.press('enter');
  await terminal.waitFor(/0xfffff000/);
  terminal.press(':');
  terminal.type('dma hba1 write buffer 64');
  terminal.press('enter');
  await terminal.waitFor(/guest B RAM/);

  terminal.press('3');
  await terminal.waitFor(/second stage +0x00200000/);
  terminal.press('left');
  // The last read of the second stage: the guest's page.
  await terminal.waitFor(() =>
    terminal.text().replace(/\s+/g, ' ').includes('This finds the page at guest-physical 0x00200000'),
  );
  terminal.press('enter');
  await terminal.waitFor(/PT at guest 0x00103000, host 0x08a103000/);
  terminal.press('enter');
  await terminal.waitFor(/second stage of guest 0x00200000/);
  await terminal.waitFor(/host-physical 0x08a200000/);
  terminal.press('escape');
  await terminal.waitFor(() => {
    const text = terminal.text();
    return !text.includes('second stage of guest') && text.includes('PT at guest 0x00103000');
  });
});

test('a unit that cannot nest keeps a shadow, and says so', async () => {
  await using terminal = await openDashboard(['--boot', 'intel_iommu=on', '--device', 'hba1', '--paused']);
  terminal.press(':');
  terminal.type('device hba1 guest B viommu');
  terminal.press('enter');
  await terminal.waitFor(/the unit cannot nest/);
  await terminal.waitFor(/caching-mode=on/);
});
