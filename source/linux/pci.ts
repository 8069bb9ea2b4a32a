/** PCI functions as the kernel enumerates them, and the groups that the IOMMU can isolate. */

/** A range of memory that firmware says a device keeps using: an RMRR of the ACPI DMAR table. */
export type ReservedRegion = {
  readonly start: number;
  /** Last byte, as in the table. */
  readonly end: number;
  /** USB and graphics regions may be given up for assignment: `direct-relaxable`. */
  readonly relaxable: boolean;
};

export type PciFunction = {
  readonly sourceId: number;
  /** Source id of the bridge above, or null on the root bus. */
  readonly bridge: number | null;
  readonly multifunction: boolean;
  /** Access control services: the function, or a bridge's ports, can be isolated. */
  readonly acs: boolean;
  /** Behind an external-facing port: Linux sets `untrusted`. */
  readonly untrusted: boolean;
  /** Can keep translations of its own: PCIe Address Translation Services. */
  readonly ats: boolean;
  /** Highest address the device can send. */
  readonly dmaMask: number;
  readonly reserved: readonly ReservedRegion[];
  /** The driver that a Linux host binds, or null. */
  readonly driver: string | null;
};

/**
 * Group numbers in order of enumeration: `drivers/iommu/iommu.c`, pci_device_group. Functions of one slot
 * without ACS share a group, and so does everything below a bridge without ACS.
 *
 * @returns source id → group number
 */
export function formGroups(functions: readonly PciFunction[]): Map<number, number> {
  const bySourceId = new Map(functions.map((fn) => [fn.sourceId, fn]));
  const numberOf = new Map<string, number>();
  const groups = new Map<number, number>();
  for (const fn of functions) {
    const key = isolationKey(fn, bySourceId);
    let number = numberOf.get(key);
    if (number === undefined) {
      number = numberOf.size;
      numberOf.set(key, number);
    }
    groups.set(fn.sourceId, number);
  }
  return groups;
}

/** What a function cannot be told apart from: the highest bridge without ACS above it, its slot, or itself. */
function isolationKey(fn: PciFunction, bySourceId: ReadonlyMap<number, PciFunction>): string {
  let shared: PciFunction = fn;
  for (let at = fn; at.bridge !== null; ) {
    const above = bySourceId.get(at.bridge);
    if (above === undefined) break;
    if (!above.acs) shared = above;
    at = above;
  }
  const slotShared = shared.multifunction && !shared.acs;
  return slotShared ? `slot ${shared.sourceId & ~7}` : `function ${shared.sourceId}`;
}
