/** PCI functions as the kernel enumerates them, and the groups that the IOMMU can isolate. */

/** A range of memory that firmware says a device keeps using: an RMRR of the ACPI DMAR table. */
export type ReservedRegion = {
  readonly start: number;
  /** Last byte, as in the table. */
  readonly end: number;
  /** USB and graphics regions may be given up for assignment: `direct-relaxable`. */
  readonly relaxable: boolean;
};

/** What DMA of an ISA bridge, such as a floppy controller's, may reach: the lowest 16 MiB (intel_iommu_get_resv_regions). */
const ISA_REGION: ReservedRegion = { start: 0, end: 0xff_ffff, relaxable: true };

/** Regions that Linux maps 1:1 for a function in a translated domain: firmware's, and those of ISA bridges. */
export const directRegions = ({ reserved, pciClass }: PciFunction): readonly ReservedRegion[] =>
  pciClass === 'ISA bridge' ? [ISA_REGION, ...reserved] : reserved;

/** Bits of the ACS Control register: source validation, request and completion redirect, upstream forwarding. */
export const Acs = { SV: 1, RR: 4, CR: 8, UF: 16 } as const;

/** What Linux enables, and asks for before it calls something isolated: REQ_ACS_FLAGS. */
export const FULL_ACS = Acs.SV | Acs.RR | Acs.CR | Acs.UF;

export type PciFunction = {
  readonly sourceId: number;
  /** Source id of the bridge above, or null on the root bus. */
  readonly bridge: number | null;
  readonly multifunction: boolean;
  /**
   * A root port, or a downstream port of a switch, is a `port`; an upstream port counts as a function. A bridge to a PCI
   * bus is a PCI function itself, or one of PCI Express.
   */
  readonly kind: 'function' | 'port' | 'PCI bridge' | 'PCIe-to-PCI bridge';
  /** Access control services that are enabled, of Acs. */
  readonly acs: number;
  /** Behind an external-facing port: Linux sets `untrusted`. */
  readonly untrusted: boolean;
  /** Can keep translations of its own: PCIe Address Translation Services. */
  readonly ats: boolean;
  /** Highest address the device can send. */
  readonly dmaMask: number;
  readonly reserved: readonly ReservedRegion[];
  /** The driver that a Linux host binds, or null. */
  readonly driver: string | null;
  /** Its PCI class, where Linux treats it by that; left out for all others. */
  readonly pciClass?: 'display' | 'ISA bridge';
};

/**
 * Group numbers in order of enumeration: `drivers/iommu/iommu.c`, pci_device_group. Functions of one slot
 * without ACS share a group, and so does everything below a port without ACS or a PCI bridge, which has none.
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
    if (!isolates(above)) shared = above;
    at = above;
  }
  const slotShared = shared.multifunction && !isolates(shared);
  return slotShared ? `slot ${shared.sourceId & ~7}` : `function ${shared.sourceId}`;
}

/** pci_acs_enabled: whether what is behind a function, or beside it in its slot, is kept apart from the rest. */
function isolates({ kind, acs, multifunction }: PciFunction): boolean {
  if (isToPci(kind)) return false;
  return (kind === 'function' && !multifunction) || (acs & FULL_ACS) === FULL_ACS;
}

/**
 * Whether a request for the registers of a peer is routed to it on the way up, before any remapping unit. PCI Express
 * routes by address: a slot among its functions, a switch among its downstream ports, unless request redirect (ACS RR)
 * is on where the request comes in; a PCI bus has no such thing. The root complex sends everything to the unit.
 */
export function isRoutedToPeer(functions: readonly PciFunction[], from: number, to: number): boolean {
  const above = pathUp(functions, from);
  const below = pathUp(functions, to);
  // Where the two ways part: what the request comes in by, and what it would leave by.
  while (above.length > 0 && above.at(-1) === below.at(-1)) {
    above.pop();
    below.pop();
  }
  const [entry, exit] = [above.at(-1), below.at(-1)];
  if (entry === undefined || exit === undefined) return false;
  const bridge = functions.find(({ sourceId }) => sourceId === entry.bridge);
  if (bridge !== undefined && isToPci(bridge.kind)) return true;
  const isSameSlot = entry.multifunction && entry.sourceId >>> 3 === exit.sourceId >>> 3;
  const isInSwitch = entry.kind === 'port' && bridge !== undefined;
  return (isSameSlot || isInSwitch) && (entry.acs & Acs.RR) === 0;
}

const isToPci = (kind: PciFunction['kind']): boolean =>
  kind === 'PCI bridge' || kind === 'PCIe-to-PCI bridge';

/**
 * The source ids under which the DMA of a function can reach the root complex, its own first: pci_for_each_dma_alias.
 * A PCI bus has no such ids, so that the bridge above it sends all requests as its own. A bridge of PCI Express takes
 * device 0, function 0 of the bus below it for that, another one its own id.
 */
export function dmaAliases(functions: readonly PciFunction[], sourceId: number): number[] {
  const [fn, ...above] = pathUp(functions, sourceId);
  const aliases = [fn.sourceId];
  let below = fn;
  for (const bridge of above) {
    if (bridge.kind === 'PCIe-to-PCI bridge') aliases.push(below.sourceId & 0xff00);
    if (bridge.kind === 'PCI bridge') aliases.push(bridge.sourceId);
    below = bridge;
  }
  return aliases;
}

/** The source id that the requests of a function come with: that of the bridge nearest to the root, if there is one. */
export const requesterIdOf = (functions: readonly PciFunction[], sourceId: number): number =>
  dmaAliases(functions, sourceId).at(-1) ?? sourceId;

/** A function and the bridges above it, up to the root bus. */
function pathUp(functions: readonly PciFunction[], sourceId: number): PciFunction[] {
  const path: PciFunction[] = [];
  for (let at: number | null = sourceId; at !== null; ) {
    const fn = functions.find((each) => each.sourceId === at);
    if (fn === undefined) break;
    path.push(fn);
    at = fn.bridge;
  }
  return path;
}
