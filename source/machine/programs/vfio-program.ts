/**
 * A program that takes devices through VFIO: QEMU for a guest, or a process with a driver of its own such as DPDK's. The
 * devices that are to reach all of its memory share one address space.
 */
import type { NestedDomain } from '../../linux/domains/domain.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { KernelRefusal } from '../../linux/refusal.ts';
import { type MadeCall, makeCalls } from './vfio-calls.ts';
import { ContainerTaking, type OpenContainer } from './vfio-container.ts';
import { IommufdTaking, type OpenIommufd } from './vfio-iommufd.ts';
import type { Program, ProgramMemory, Purpose, TakenDevice, Taking } from './vfio-taking.ts';

/** The two ways to an address space. */
export const vfioInterfaces = ['container', 'iommufd'] as const;
export type VfioInterface = (typeof vfioInterfaces)[number];

export type ProgramModel = Pick<
  Program,
  'comm' | 'pid' | 'lockLimit' | 'largestLeaf' | 'memory' | 'knowsNoIommu'
> & {
  /** What people call it: `qemu A`. */
  readonly name: string;
};

const FIRST_FD = 10;

export class VfioProgram implements Program {
  readonly kernel: Kernel;
  readonly name: string;
  readonly comm: string;
  readonly pid: number;
  readonly lockLimit: number;
  readonly largestLeaf: number;
  readonly memory: readonly ProgramMemory[];
  readonly knowsNoIommu: boolean;
  locked = 0;
  /** Every call since it started, as strace prints it, what it did in a line of its own. */
  readonly trace: string[] = [];
  private readonly told: (made: MadeCall) => void;
  private readonly taken = new Map<number, Taking>();
  /** What the devices share that are to reach all its memory. */
  private container: OpenContainer | null = null;
  private iommufd: OpenIommufd | null = null;
  private nextFd = FIRST_FD;

  /** @param told gets each call as it is made */
  constructor(kernel: Kernel, model: ProgramModel, told: (made: MadeCall) => void) {
    this.kernel = kernel;
    this.name = model.name;
    this.comm = model.comm;
    this.pid = model.pid;
    this.lockLimit = model.lockLimit;
    this.largestLeaf = model.largestLeaf;
    this.memory = model.memory;
    this.knowsNoIommu = model.knowsNoIommu;
    this.told = (made) => {
      this.trace.push(made.text);
      if (made.effect !== '') this.trace.push(`    # ${made.effect}`);
      told(made);
    };
  }

  newFd(): number {
    return this.nextFd++;
  }

  /**
   * Take a device that vfio-pci has.
   *
   * @throws KernelRefusal of the call that was refused; what was open is then closed
   */
  take(device: TakenDevice, purpose: Purpose, by: VfioInterface): Taking {
    const isShared = purpose === 'memory';
    const taking =
      by === 'container'
        ? new ContainerTaking(this, device, purpose, isShared ? this.container : null)
        : new IommufdTaking(this, device, purpose, isShared ? this.iommufd : null);
    try {
      makeCalls(this.name, device.name, taking.opening(), this.told);
    } catch (error) {
      if (error instanceof KernelRefusal) taking.abandon();
      throw error;
    }
    this.taken.set(device.sourceId, taking);
    if (isShared && taking instanceof ContainerTaking) this.container = taking.shared;
    if (isShared && taking instanceof IommufdTaking) this.iommufd = taking.shared;
    return taking;
  }

  /** Put a guest's first stage on the second one of a device taken for that. See Taking.nesting. */
  nest(device: TakenDevice, taking: Taking, root: number, levels: number): NestedDomain {
    let nested: NestedDomain | null = null;
    const calls = taking.nesting(root, levels, (domain) => {
      nested = domain;
    });
    makeCalls(this.name, device.name, calls, this.told);
    if (nested === null) throw new RangeError('nothing was nested');
    return nested;
  }

  /** Give a device back, if the program has it. */
  giveBack(device: TakenDevice): void {
    const taking = this.taken.get(device.sourceId);
    if (taking === undefined) return;
    this.taken.delete(device.sourceId);
    makeCalls(this.name, device.name, taking.closing(), this.told);
    if (this.container?.container.size === 0) this.container = null;
    if (this.iommufd?.space.devices.length === 0) this.iommufd = null;
  }
}
