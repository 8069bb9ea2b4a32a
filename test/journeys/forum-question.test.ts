/** The question that dmascope was made for, asked on a real terminal: which devices are translated, when? */
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { badgeOf, badges, boot, openDashboard } from './journey.ts';

const guestsTranslated = { gpu0: 'VM', hba1: 'VM' };
const allOff = { nic0: '─', nvme0: '─', gpu0: '─', hba1: '─', usb0: '─', tb0: '─' };

test('each boot line shows which devices are translated, and guests always are while the IOMMU is on', async () => {
  await using terminal = await openDashboard(['--boot', 'intel_iommu=on']);
  const shows = (wanted: Record<string, string>) => () => isDeepStrictEqual(badges(terminal), wanted);
  const host = (badge: string) => ({ nic0: badge, nvme0: badge, usb0: badge });
  await terminal.waitFor(shows({ ...host('DMA'), ...guestsTranslated, tb0: 'DMA' }));

  await boot(terminal, 'intel_iommu=on iommu=pt');
  await terminal.waitFor(() => badgeOf(terminal, 'nic0') === 'PT');
  await terminal.waitFor(shows({ ...host('PT'), ...guestsTranslated, tb0: 'DMA' }));

  await boot(terminal, 'iommu=on');
  await terminal.waitFor(() => badgeOf(terminal, 'nic0') === '─');
  await terminal.waitFor(shows(allOff));
  await terminal.waitFor('emulated');

  await boot(terminal, 'iommu=pt');
  await terminal.waitFor(shows(allOff));
});

test('the boot prompt says that Linux ignores iommu=on, and what was meant', async () => {
  await using terminal = await openDashboard(['--boot', '']);
  terminal.press('b');
  await terminal.waitFor('enter reboots');
  terminal.type('iommu=on');
  await terminal.waitFor(/ignored silently/);
  await terminal.waitFor('intel_iommu=on');
  terminal.press('escape');
  await terminal.waitFor(() => !terminal.text().includes('enter reboots'));
});

test('a stray write lands in passthrough and faults once the device is flipped', async () => {
  await using terminal = await openDashboard(['--boot', 'intel_iommu=on iommu=pt', '--paused']);
  terminal.press('x');
  await terminal.waitFor(/stray write landed at 0x1000000 \(kernel text\)/);
  await terminal.waitFor('1 corrupted page');

  terminal.press('t');
  await terminal.waitFor(() => badgeOf(terminal, 'nic0') === 'DMA');
  await terminal.waitFor('echo DMA-FQ > /sys/kernel/iommu_groups/14/type');

  terminal.press('x');
  await terminal.waitFor(/Blocked: fault 0x05/);
  await terminal.waitFor('1 corrupted page');

  terminal.press('4');
  await terminal.waitFor(/nic0 .*write +0x01000000 +0x05/);
  const message =
    'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x1000000 [fault reason 0x05] PTE Write access is not set';
  await terminal.waitFor(() => terminal.text().replace(/\s+/g, ' ').includes(message));
});

test('a device is given to a guest and taken back', async () => {
  await using terminal = await openDashboard(['--boot', 'intel_iommu=on iommu=pt']);
  terminal.press('o');
  await terminal.waitFor(() => badgeOf(terminal, 'nic0') === 'VM');
  terminal.press('t');
  await terminal.waitFor(/VFIO always translates/);
  terminal.press('o');
  await terminal.waitFor(() => badgeOf(terminal, 'nic0') === 'PT');
});

test('an untrusted device refuses passthrough, with the reason', async () => {
  await using terminal = await openDashboard(['--device', 'tb0']);
  terminal.press('t');
  await terminal.waitFor(/untrusted/);
  expect(badgeOf(terminal, 'tb0')).toBe('DMA');
});
