/** One line about the chosen device: what its state means, and the key that changes it. */
import type { DeviceState } from '../simulation/snapshot.ts';
import { isRefused } from './fate.ts';
import { exactly } from './format.ts';

/** `352 pages: `, where it is known how many. */
const pagesOf = ({ reach }: DeviceState): string =>
  reach === null ? '' : `${exactly(reach.mapped + reach.stale)} pages: `;

export function hint(device: DeviceState, canChange: boolean): string {
  const { name } = device;
  const key = (text: string) => (canChange ? ` ${text}` : '');
  if (device.emulated) {
    return `${device.owner} sees an emulated stand-in for ${name}: without an IOMMU no device can be given away.`;
  }
  switch (device.lane) {
    case 'off':
      if (device.owner === 'process')
        return `A process drives ${name} by physical addresses, and nothing holds it back.${key('o takes it back.')}`;
      return `${name} can write any physical address: the IOMMU is off.${key('b edits the boot line.')}`;
    case 'passthrough':
      if (isRefused(device))
        return `${name} has an identity domain, but its entry in the tables is not valid: every request is refused.${key('2 shows it.')}`;
      return `${name} is in passthrough: it can write any physical address.${key('t puts it behind the IOMMU.')}`;
    case 'blocked':
      return `${name} has no domain: every request is refused.${key('t attaches one.')}`;
    case 'guest':
      if (device.virtualIommu === 'nested')
        return `${name} reaches what ${device.owner} maps for it: the guest's tables, nested in the host's.${key('o takes it back.')}`;
      if (device.virtualIommu === 'shadow')
        return `${name} reaches what ${device.owner} maps for it; the host keeps a shadow of those tables.${key('o takes it back.')}`;
      if (device.owner === 'process')
        return `A process drives ${name}: it reaches the memory of that process.${key('o takes it back.')}`;
      return `${name} belongs to ${device.owner}: translated with and without iommu=pt.${key('o takes it back.')}`;
    case 'translated':
      if (device.untrusted && isRefused(device)) {
        return `${name} is untrusted: never PT. Nothing it asks for is mapped, so every request is refused.`;
      }
      if (device.untrusted)
        return `${name} sits behind an external port: always translated, and always strict.`;
      return device.attachedDomain === 'DMA-FQ'
        ? `${name} reaches ${pagesOf(device)}what is mapped for it, and for up to 10 ms more what was unmapped.${key('S makes it strict.')}`
        : `${name} reaches ${pagesOf(device)}only what is mapped for it, and each unmap takes effect at once.${key('S makes it lazy.')}`;
  }
}
