/** `/sys/kernel/iommu_groups`: `drivers/iommu/iommu.c`. */
import { type DeviceRecord, type DeviceTable, pciAddress } from '../domains/device-table.ts';
import { shownType } from '../domains/group-type.ts';
import { directRegions, type ReservedRegion } from '../pci.ts';
import type { KernelVersion } from '../version.ts';
import type { FileTree } from './file-tree.ts';

const GROUPS = '/sys/kernel/iommu_groups';

/** The window of interrupt messages, which every device of an Intel unit has reserved. */
const MSI = { start: 0xfee0_0000, end: 0xfeef_ffff };

/** @param writeType what a word written to the type of a device's group does */
export function addGroups(
  tree: FileTree,
  devices: DeviceTable,
  version: KernelVersion,
  writeType: (record: DeviceRecord, text: string) => void,
): void {
  tree.addFolder(GROUPS);
  for (const record of devices.all()) {
    if (record.group === null) continue;
    const folder = `${GROUPS}/${record.group}`;
    const name = pciAddress(record.fn.sourceId);
    tree.addLink(`${folder}/devices/${name}`, `../../../../${devicePath(record, devices)}`);
    if (devices.groupOf(record)[0] !== record) continue;
    tree.add(`${folder}/reserved_regions`, () => reservedRegions(devices.groupOf(record)));
    const { defaultType } = record;
    if (defaultType === null) continue;
    tree.add(
      `${folder}/type`,
      () => `${shownType(defaultType, version)}\n`,
      (text) => writeType(record, text),
    );
  }
}

/** `devices/pci0000:00/0000:00:1c.0/0000:03:00.0`: the way through the bridges. */
function devicePath({ fn }: DeviceRecord, devices: DeviceTable): string {
  const names: string[] = [];
  for (let at: typeof fn | null = fn; at !== null; ) {
    names.unshift(pciAddress(at.sourceId));
    at = at.bridge === null ? null : devices.of(at.bridge).fn;
  }
  return `devices/pci0000:00/${names.join('/')}`;
}

/** Regions by start, those of a kind that touch as one (iommu_insert_resv_region). */
function reservedRegions(members: readonly DeviceRecord[]): string {
  const regions = [
    ...members.flatMap(({ fn }) => directRegions(fn).map((region) => ({ ...region, type: typeOf(region) }))),
    { ...MSI, type: 'msi' },
  ].sort((a, b) => a.start - b.start);
  const merged: { start: number; end: number; type: string }[] = [];
  for (const { start, end, type } of regions) {
    const same = merged.find((other) => other.type === type && start <= other.end + 1);
    if (same === undefined) merged.push({ start, end, type });
    else same.end = Math.max(same.end, end);
  }
  return merged.map(({ start, end, type }) => `0x${hex16(start)} 0x${hex16(end)} ${type}\n`).join('');
}

const typeOf = ({ relaxable }: ReservedRegion): string => (relaxable ? 'direct-relaxable' : 'direct');

const hex16 = (value: number): string => value.toString(16).padStart(16, '0');
