/** A guest's memory as the guest sees it: addresses from 0, which lie somewhere in the memory of the host. */
import type { TableMemory } from '../../linux/page-tables/page-table.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import type { GuestModel } from './guest.ts';

export class GuestMemory implements TableMemory {
  private readonly memory: PhysicalMemory;
  private readonly guest: GuestModel;

  constructor(memory: PhysicalMemory, guest: GuestModel) {
    this.memory = memory;
    this.guest = guest;
  }

  read64(address: number): [lo: number, hi: number] {
    return this.memory.read64(this.inHost(address));
  }

  write64(address: number, hi: number, lo: number): void {
    this.memory.write64(this.inHost(address), hi, lo);
  }

  clearPage(address: number): void {
    this.memory.clearPage(this.inHost(address));
  }

  /** Host-physical address of a guest-physical one. */
  inHost(address: number): number {
    const { base, bytes, name } = this.guest;
    if (address >= bytes) throw new RangeError(`guest ${name} has no memory at 0x${address.toString(16)}`);
    return base + address;
  }
}
