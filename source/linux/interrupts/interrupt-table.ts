/** The interrupt-remapping table of a unit and its entries: `drivers/iommu/intel/irq_remapping.c`. */
import { DescriptorType, interruptEntryDescriptor } from '../../vtd/formats/invalidation-descriptor.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import type { QueuedInvalidation } from '../unit/queued-invalidation.ts';

/** IRTA.S = 15: 65,536 entries, as Linux asks for. */
export const TABLE_SIZE = 15;
export const TABLE_ENTRIES = 2 << TABLE_SIZE;
const ENTRY_BYTES = 16;
export const TABLE_BYTES = TABLE_ENTRIES * ENTRY_BYTES;

export class InterruptTable {
  /** IRTA.EIME: destinations are x2APIC ids. */
  readonly isX2apic: boolean;
  readonly base: number;
  private readonly memory: PhysicalMemory;
  private readonly queue: QueuedInvalidation;
  private readonly used: boolean[] = [];

  constructor(memory: PhysicalMemory, queue: QueuedInvalidation, base: number, isX2apic: boolean) {
    this.memory = memory;
    this.queue = queue;
    this.base = base;
    this.isX2apic = isX2apic;
  }

  /** The lowest free index: bitmap_find_free_region of alloc_irte. */
  allocate(): number {
    let index = this.used.indexOf(false);
    if (index < 0) index = this.used.length;
    if (index >= TABLE_ENTRIES)
      throw new Error(`all ${TABLE_ENTRIES} interrupt-remapping entries are in use`);
    this.used[index] = true;
    return index;
  }

  /** Write an entry, and let the unit forget the old one: modify_irte, qi_flush_iec. */
  write(index: number, entry: ArrayLike<number>): void {
    this.memory.writeWords(this.base + ENTRY_BYTES * index, entry);
    this.queue.submit(
      interruptEntryDescriptor.encode({ type: DescriptorType.INTERRUPT_ENTRY, G: 1, IIDX: index }),
    );
  }

  /** Clear an entry and give its index back: clear_entries. */
  free(index: number): void {
    this.write(index, [0, 0, 0, 0]);
    this.used[index] = false;
  }

  /** IRTE_DEST: a processor in the form of the mode. */
  destination(processor: number): number {
    return this.isX2apic ? processor : processor << 8;
  }
}
