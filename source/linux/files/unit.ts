/** `/sys/class/iommu/dmar0`: `drivers/iommu/intel/iommu.c`, intel_iommu_groups. */
import type { Capabilities } from '../../vtd/unit/capabilities.ts';
import { type DeviceTable, pciAddress } from '../domains/device-table.ts';
import type { FileTree } from './file-tree.ts';

const CLASS = '/sys/class/iommu';

/** @param isUsed the unit translates; only then is it registered */
export function addUnit(
  tree: FileTree,
  unit: Capabilities,
  unitBase: number,
  devices: DeviceTable,
  isUsed: boolean,
): void {
  tree.addFolder(CLASS);
  if (!isUsed) return;
  const folder = `${CLASS}/dmar0`;
  for (const { fn, group } of devices.all()) {
    const name = pciAddress(fn.sourceId);
    if (group !== null)
      tree.addLink(`${folder}/devices/${name}`, `../../../../kernel/iommu_groups/${group}/devices/${name}`);
  }
  const add = (name: string, text: () => string) =>
    tree.add(`${folder}/intel-iommu/${name}`, () => `${text()}\n`);
  add('address', () => unitBase.toString(16));
  add('cap', () => unit.cap.toString(16));
  add('domains_supported', () => `${unit.domains}`);
  add('domains_used', () => `${devices.domainsUsed}`);
  add('ecap', () => unit.ecap.toString(16));
  add('version', () => `${unit.version >>> 4}:${unit.version & 15}`);
}
