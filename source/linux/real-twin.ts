/** What one would type on a real machine, as root, to do what a command did here. */
import { bdf } from '../vtd/source-id.ts';

const full = (sourceId: number): string => `0000:${bdf(sourceId)}`;

/** Change the type of a device's group; every driver that must be unbound for it is bound again after. */
export function typeChange(sourceId: number, group: number, driver: string | null, type: string): string[] {
  const write = `echo ${type} > /sys/kernel/iommu_groups/${group}/type`;
  if (driver === null) return [write];
  const at = `/sys/bus/pci/drivers/${driver}`;
  return [`echo ${full(sourceId)} > ${at}/unbind`, write, `echo ${full(sourceId)} > ${at}/bind`];
}

/** Give a device to a guest, which may see an IOMMU before it: nested in the host's, or in caching mode. */
export function assignment(
  sourceId: number,
  guest: string,
  iommu: 'nested' | 'shadow' | null,
  byIommufd: boolean,
): string[] {
  const override = `driverctl set-override ${full(sourceId)} vfio-pci`;
  const host = `host=${bdf(sourceId)}`;
  const [object, property] = byIommufd ? ['-object iommufd,id=fd0 ', ',iommufd=fd0'] : ['', ''];
  const devices = {
    none: `${object}-device vfio-pci,${host}${property}`,
    shadow: `${object}-device intel-iommu,caching-mode=on -device vfio-pci,${host}${property}`,
    nested: `-object iommufd,id=fd0 -device intel-iommu,x-scalable-mode=on,x-flts=on -device vfio-pci,${host},iommufd=fd0`,
  };
  return [override, `qemu-system-x86_64 … ${devices[iommu ?? 'none']}    # guest ${guest}`];
}

/** Let a process drive a device from user space, by addresses of its own or, without an IOMMU, by physical ones. */
export const userDriver = (sourceId: number, isTranslated: boolean): string[] => [
  `driverctl set-override ${full(sourceId)} vfio-pci`,
  `dpdk-testpmd -a ${full(sourceId)} --iova-mode=${isTranslated ? 'va' : 'pa'}`,
];

/** Take a device back from a guest. */
export const takingBack = (sourceId: number): string[] => [`driverctl unset-override ${full(sourceId)}`];

/** Hold a device in the blocking domain: claimed through VFIO, with nothing mapped. */
export const blocking = (sourceId: number): string[] => [`driverctl set-override ${full(sourceId)} vfio-pci`];

/** A stray DMA: nothing that anybody types makes a device do that. */
export const strayDma: readonly string[] = [
  '# no command does this: a broken or hostile device does it by itself',
];

/** Boot with another command line. */
export const rebooting = (line: string): string[] => [
  `grubby --update-kernel=DEFAULT --args="${line}" && reboot    # or GRUB_CMDLINE_LINUX and update-grub`,
];
