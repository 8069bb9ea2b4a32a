/** One device of the machine: who it belongs to, what it is doing, and how much. */
import type { Latencies } from '../../timing/latencies.ts';
import type { DeviceTlb } from '../../vtd/ats/device-tlb.ts';
import type { Counts } from '../../vtd/performance/counters.ts';
import type { GuestModel } from '../guests/guest.ts';
import type { LentBuffers } from '../guests/lent-buffers.ts';
import type { VirtualIommu } from '../guests/virtual-iommu.ts';
import type { OwnerId } from '../memory-map.ts';
import type { ProcessMemory } from '../programs/process.ts';
import type { VfioProgram } from '../programs/vfio-program.ts';
import type { DeviceModel } from '../topology.ts';
import type { DevicePort } from './device-port.ts';
import type { Workload } from './workloads.ts';

export type Device = {
  readonly model: DeviceModel;
  /** Whose its buffers are in the memory map. */
  readonly buffers: OwnerId;
  /** The translations it keeps, if it has ATS. */
  readonly tlb: DeviceTlb | null;
  /** Its requests under way. */
  readonly port: DevicePort;
  /** What its requests come with: its own source id, or that of the bridge above its PCI bus. */
  readonly requesterId: number;
  /** What the unit counted for it. */
  readonly counts: Counts;
  guest: GuestModel | null;
  /** A process of the host drives it, with this memory. */
  process: ProcessMemory | null;
  /** Who has it through VFIO; null where nobody has. */
  heldBy: VfioProgram | null;
  /** The IOMMU that the guest sees before this device; null where it sees none. */
  virtualIommu: VirtualIommu | null;
  /** A guest works through an emulated stand-in, whose DMA this device does. */
  emulated: boolean;
  /** Null while it is stopped. */
  workload: Workload | null;
  /** Buffers that its driver mapped on request; null if it was never asked. */
  lent: LentBuffers | null;
  /** Counts up at every start, so that a wake-up meant for an earlier run is recognised. */
  runs: number;
  requests: number;
  bytes: number;
  /** How long its requests take; older ones count less and less. */
  readonly latencies: Latencies;
};
