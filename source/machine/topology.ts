/** The PCI functions of the simulated PC in order of enumeration, and the devices that do the work. */
import { FULL_ACS, type PciFunction } from '../linux/pci.ts';
import { sourceId } from '../vtd/source-id.ts';
import { USB_REGION } from './memory-map.ts';

const fn = (
  [bus, device, func]: readonly [number, number, number],
  bridge: readonly [number, number, number] | null,
  options: Partial<PciFunction> = {},
): PciFunction => ({
  sourceId: sourceId(bus, device, func),
  bridge: bridge === null ? null : sourceId(...bridge),
  multifunction: false,
  kind: 'function',
  acs: FULL_ACS,
  untrusted: false,
  ats: false,
  dmaMask: 2 ** 48 - 1,
  reserved: [],
  driver: null,
  ...options,
});

const sharedSlot = { multifunction: true, acs: 0 } as const;
const rootPort = { kind: 'port', driver: 'pcieport' } as const;

export const functions: readonly PciFunction[] = [
  fn([0, 0x00, 0], null),
  fn([0, 0x01, 0], null, rootPort),
  fn([0, 0x07, 0], null, rootPort),
  fn([0, 0x12, 0], null),
  fn([0, 0x14, 0], null, { ...sharedSlot, driver: 'xhci_hcd', reserved: [USB_REGION] }),
  fn([0, 0x14, 2], null, sharedSlot),
  fn([0, 0x16, 0], null, { driver: 'mei_me' }),
  fn([0, 0x17, 0], null, { driver: 'ahci' }),
  fn([0, 0x1b, 0], null, rootPort),
  fn([0, 0x1c, 0], null, rootPort),
  fn([0, 0x1c, 4], null, rootPort),
  fn([0, 0x1d, 0], null, rootPort),
  fn([0, 0x1f, 0], null, { ...sharedSlot, pciClass: 'ISA bridge' }),
  fn([0, 0x1f, 3], null, sharedSlot),
  fn([1, 0x00, 0], [0, 0x01, 0], { driver: 'amdgpu', ats: true, pciClass: 'display' }),
  fn([2, 0x00, 0], [0, 0x1b, 0], { driver: 'rtsx_pci' }),
  fn([3, 0x00, 0], [0, 0x1c, 0], { driver: 'ixgbe' }),
  fn([4, 0x00, 0], [0, 0x1c, 4], { driver: 'nvme' }),
  fn([5, 0x00, 0], [0, 0x1d, 0], { driver: 'mpt3sas' }),
  fn([6, 0x00, 0], [0, 0x07, 0], { driver: 'pcieport', untrusted: true }),
  fn([7, 0x00, 0], [6, 0x00, 0], { untrusted: true, ats: true }),
];

export type WorkloadName = 'network ring' | 'block I/O' | 'USB' | 'stream' | 'stranger' | 'sound';

export type DeviceModel = {
  readonly name: string;
  readonly sourceId: number;
  readonly description: string;
  readonly workload: WorkloadName;
  /** The guest it is given to at boot, and by default. */
  readonly guest: 'A' | 'B' | null;
};

/** Devices with a name, in the order in which the dashboard lists them. */
export const deviceModels: readonly DeviceModel[] = [
  {
    name: 'nic0',
    sourceId: sourceId(3, 0, 0),
    description: '10 Gb/s network card',
    workload: 'network ring',
    guest: null,
  },
  {
    name: 'nvme0',
    sourceId: sourceId(4, 0, 0),
    description: 'NVMe disk',
    workload: 'block I/O',
    guest: null,
  },
  { name: 'gpu0', sourceId: sourceId(1, 0, 0), description: 'graphics card', workload: 'stream', guest: 'A' },
  {
    name: 'hba1',
    sourceId: sourceId(5, 0, 0),
    description: 'disk controller',
    workload: 'block I/O',
    guest: 'B',
  },
  {
    name: 'usb0',
    sourceId: sourceId(0, 0x14, 0),
    description: 'USB controller with a firmware region',
    workload: 'USB',
    guest: null,
  },
  {
    name: 'tb0',
    sourceId: sourceId(7, 0, 0),
    description: 'stranger on the Thunderbolt port',
    workload: 'stranger',
    guest: null,
  },
];

/** A machine's functions in order of enumeration, and those with a name in the order of the dashboard. */
export type Topology = {
  readonly functions: readonly PciFunction[];
  readonly devices: readonly DeviceModel[];
};

const pc: Topology = { functions, devices: deviceModels };

/** The port that a PCI bus is below, behind a bridge. */
const pciPort = fn([0, 0x1c, 5], null, rootPort);

/** The same PC with a PCI bus: a sound card that reaches 256 MiB, and a card beside it that nobody drives. */
const pcWithPciBus: Topology = {
  functions: [
    ...functions.filter((each) => each.sourceId < pciPort.sourceId),
    pciPort,
    ...functions.filter((each) => each.sourceId > pciPort.sourceId),
    fn([8, 0x00, 0], [0, 0x1c, 5], { kind: 'PCIe-to-PCI bridge', acs: 0 }),
    fn([9, 0x01, 0], [8, 0x00, 0], { driver: 'snd_es1968', acs: 0, dmaMask: 2 ** 28 - 1 }),
    fn([9, 0x02, 0], [8, 0x00, 0], { acs: 0, dmaMask: 2 ** 32 - 1 }),
  ],
  devices: [
    ...deviceModels,
    {
      name: 'snd0',
      sourceId: sourceId(9, 1, 0),
      description: 'sound card on a PCI bus, 28-bit',
      workload: 'sound',
      guest: null,
    },
  ],
};

export const topologyOf = (hasPciBus: boolean): Topology => (hasPciBus ? pcWithPciBus : pc);

/** Devices that some machine has. */
export const knownDevices: readonly DeviceModel[] = pcWithPciBus.devices;
