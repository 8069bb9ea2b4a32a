/** The programs of the host that take devices: a QEMU for each guest, and one with drivers of its own. */
import type { Kernel } from '../../linux/kernel.ts';
import type { ContiguousZone } from '../devices/buffers.ts';
import { type GuestModel, guestModels, ramOf } from '../guests/guest.ts';
import type { MemoryMap } from '../memory-map.ts';
import { HUGE_PAGES_BYTES, HUGE_PAGES_VIRTUAL, type ProcessMemory } from './process.ts';
import type { MadeCall } from './vfio-calls.ts';
import { type ProgramModel, VfioProgram } from './vfio-program.ts';

const MiB = 2 ** 20;

/** A process with drivers, and the memory that its devices reach. */
type Drivers = { readonly program: VfioProgram; readonly memory: ProcessMemory };

export class Programs {
  /** Claims groups and does nothing with them. */
  readonly claimer: VfioProgram;
  private readonly qemus = new Map<GuestModel, VfioProgram>();
  private testpmd: Drivers | null = null;
  private readonly kernel: Kernel;
  private readonly map: MemoryMap;
  private readonly zone: ContiguousZone;
  private readonly lockLimit: number;
  private readonly told: (made: MadeCall) => void;

  /**
   * @param zone where huge pages come from
   * @param memlockMiB RLIMIT_MEMLOCK of each
   * @param told gets each call as it is made
   */
  constructor(
    kernel: Kernel,
    map: MemoryMap,
    zone: ContiguousZone,
    memlockMiB: number,
    told: (made: MadeCall) => void,
  ) {
    this.kernel = kernel;
    this.map = map;
    this.zone = zone;
    this.lockLimit = memlockMiB * MiB;
    this.told = told;
    this.claimer = this.start({
      name: 'vfio user',
      comm: 'vfio-user',
      pid: 3001,
      largestLeaf: 1,
      memory: [],
    });
  }

  /** The QEMU of a guest; started when it gets the first device. */
  qemuOf(guest: GuestModel): VfioProgram {
    let qemu = this.qemus.get(guest);
    if (qemu === undefined) {
      const { name, largestLeaf } = guest;
      const memory = ramOf(guest).map(({ address, ...piece }) => ({ iova: address, ...piece }));
      const pid = 2001 + guestModels.indexOf(guest);
      qemu = this.start({ name: `qemu ${name}`, comm: 'qemu-system-x86', pid, largestLeaf, memory });
      this.qemus.set(guest, qemu);
    }
    return qemu;
  }

  /** DPDK's testpmd, with huge pages of its own; started likewise. */
  withDrivers(): Drivers {
    if (this.testpmd === null) {
      const physical = this.zone.allocate(HUGE_PAGES_BYTES);
      const owner = this.map.addOwner('testpmd huge pages');
      this.map.give(physical, HUGE_PAGES_BYTES, owner);
      const iova = this.kernel.policy.translation ? HUGE_PAGES_VIRTUAL : physical;
      const memory = [{ iova, physical, bytes: HUGE_PAGES_BYTES }];
      const model = { name: 'testpmd', comm: 'dpdk-testpmd', pid: 2101, largestLeaf: 2, memory };
      this.testpmd = { program: this.start(model, true), memory: { iova, owner } };
    }
    return this.testpmd;
  }

  /** Those that can be given devices, as far as they have been started. */
  get started(): readonly VfioProgram[] {
    return [...this.qemus.values(), ...(this.testpmd === null ? [] : [this.testpmd.program])];
  }

  private start(model: Omit<ProgramModel, 'knowsNoIommu' | 'lockLimit'>, knowsNoIommu = false): VfioProgram {
    return new VfioProgram(this.kernel, { ...model, knowsNoIommu, lockLimit: this.lockLimit }, this.told);
  }
}
