/**
 * Interrupts of devices: a vector on a processor for each, an entry of the remapping table where interrupts are
 * remapped, and the message that the device is told to send. `drivers/iommu/intel/irq_remapping.c`,
 * `arch/x86/kernel/apic/{vector,msi}.c`, `arch/x86/kvm/vmx/posted_intr.c`.
 */
import {
  compatibilityMessageFor,
  type InterruptMessage,
  messageFor,
} from '../../vtd/formats/interrupt-message.ts';
import {
  postedEntry,
  remappedEntry,
  SourceValidation,
  xapicRemappedEntry,
} from '../../vtd/formats/interrupt-remapping-entry.ts';
import { postedInterruptDescriptor } from '../../vtd/formats/posted-interrupt-descriptor.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import type { PageFrames } from '../page-frames.ts';
import type { InterruptTable } from './interrupt-table.ts';
import { InterruptVectors, ISA_VECTOR, POSTED_VECTOR, PROCESSORS, type Vector } from './interrupt-vectors.ts';

/** MANAGED_IRQ_SHUTDOWN_VECTOR: what an entry holds from its allocation until a driver asks for the interrupt. */
const SHUTDOWN_VECTOR = 0xef;
/** Pins of the IOAPIC that get entries at boot, in order: 1 to 15. */
const ISA_PINS = 15;
/** Of them, those whose entries are written then: the timer at pin 2, and ACPI at pin 9. */
const ISA_USED = [
  { pin: 2, irq: 0 },
  { pin: 9, irq: 9 },
];
/** Vectors that a driver asks for; one where it is not listed. */
const vectorsOfDriver: Readonly<Record<string, number>> = { ixgbe: 2, nvme: 2, e1000e: 3, snd_es1968: 0 };
/** An entry of no interrupt. */
const NOT_PRESENT = new Int32Array(4);
/** The first vector that a guest gives a device of its own. */
const GUEST_VECTOR = 0x41;

/** One interrupt of a device, as the host set it up. */
export type DeviceInterrupt = {
  readonly sourceId: number;
  /** Entry of the remapping table, or null where interrupts are not remapped. */
  readonly index: number | null;
  readonly at: Vector;
  readonly message: InterruptMessage;
  /** The unit posts it into the descriptor of this guest, without the host. */
  guest: string | null;
};

/** A virtual processor that interrupts are posted for. */
type PostedTarget = { readonly descriptor: number; readonly processor: number };

export class Interrupts {
  /** Interrupts that a handler took, and those that nobody had asked for. */
  handled = 0;
  unexpected = 0;
  /** Interrupts that a guest got without its host. */
  posted = 0;
  private readonly memory: PhysicalMemory;
  private readonly frames: PageFrames;
  private readonly table: InterruptTable | null;
  private readonly checksSource: boolean;
  private readonly vectors = new InterruptVectors();
  private readonly byDevice = new Map<number, DeviceInterrupt[]>();
  private readonly targets = new Map<string, PostedTarget>();

  /**
   * @param table the table of the unit, or null where interrupts are not remapped
   * @param checksSource false with `intremap=nosid`
   */
  constructor(
    memory: PhysicalMemory,
    frames: PageFrames,
    table: InterruptTable | null,
    checksSource: boolean,
  ) {
    this.memory = memory;
    this.frames = frames;
    this.table = table;
    this.checksSource = checksSource;
  }

  /** Entries for the pins of the IOAPIC, which has a source id of its own in the ACPI DMAR table. */
  setUpIoApic(sourceId: number): void {
    const { table } = this;
    if (table === null) return;
    const indices = Array.from({ length: ISA_PINS }, () => table.allocate());
    for (const { pin, irq } of ISA_USED) {
      const entry = this.remapped({ vector: ISA_VECTOR + irq, processor: 0 }, sourceId);
      // Once when the pin is set up, and again when its handler asks for it.
      for (let turn = 0; turn < 2; turn++) table.write(indices[pin - 1], entry);
    }
  }

  /** A driver was bound: it asks for its vectors. */
  setUp(sourceId: number, driver: string): void {
    this.tearDown(sourceId);
    const count = vectorsOfDriver[driver] ?? 1;
    const allocated = Array.from({ length: count }, () => this.allocate(sourceId));
    for (const { index, at } of allocated) {
      // When the interrupt is activated, and again when its processor is chosen (irq_startup).
      for (let turn = 0; index !== null && turn < 2; turn++)
        this.table?.write(index, this.remapped(at, sourceId));
    }
    this.byDevice.set(sourceId, allocated);
  }

  /** A driver is gone: its vectors and entries are free. */
  tearDown(sourceId: number): void {
    const requested = this.byDevice.get(sourceId) ?? [];
    // Its handler is taken away (intel_irq_remapping_deactivate), and then the vectors are freed.
    for (const { index } of requested) if (index !== null) this.table?.write(index, NOT_PRESENT);
    for (const { index, at } of requested) {
      if (index !== null) this.table?.free(index);
      this.vectors.free(at);
    }
    this.byDevice.delete(sourceId);
  }

  /**
   * VFIO sets up the interrupt of a device for a guest.
   *
   * @param posts the unit notes them for the guest by itself: CAP.PI, and no `intremap=nopost`
   */
  lend(sourceId: number, guest: string, posts: boolean): void {
    this.setUp(sourceId, 'vfio-pci');
    if (!posts || this.table === null) return;
    const target = this.targetOf(guest);
    for (const interrupt of this.of(sourceId)) {
      if (interrupt.index === null) continue;
      interrupt.guest = guest;
      this.table.write(
        interrupt.index,
        postedEntry.encode({
          P: 1,
          IM: 1,
          VV: GUEST_VECTOR,
          PDAL: Math.floor(target.descriptor / 64) % 2 ** 26,
          PDAH: Math.floor(target.descriptor / 2 ** 32),
          ...this.sender(sourceId),
        }),
      );
    }
  }

  /** The interrupts of a device; none while no driver has asked for any. */
  of(sourceId: number): readonly DeviceInterrupt[] {
    return this.byDevice.get(sourceId) ?? [];
  }

  /**
   * A processor took an interrupt.
   *
   * @returns whose it is, `posted` for a notification, or null if nobody asked for that vector
   */
  handle({ vector, processor }: Vector): DeviceInterrupt | 'posted' | null {
    if (vector === POSTED_VECTOR) {
      this.takePosted(processor);
      return 'posted';
    }
    for (const interrupts of this.byDevice.values()) {
      const found = interrupts.find(({ at }) => at.vector === vector && at.processor === processor);
      if (found === undefined) continue;
      this.handled++;
      return found;
    }
    const isIsa = processor === 0 && ISA_USED.some(({ irq }) => vector === ISA_VECTOR + irq);
    if (!isIsa) this.unexpected++;
    return null;
  }

  /** A vector, and an entry that holds one which goes nowhere until the driver asks for the interrupt. */
  private allocate(sourceId: number): DeviceInterrupt {
    const at = this.vectors.allocate();
    const { table } = this;
    if (table === null) {
      const message = compatibilityMessageFor(at.vector, at.processor);
      return { sourceId, index: null, at, message, guest: null };
    }
    const index = table.allocate();
    table.write(index, this.remapped({ vector: SHUTDOWN_VECTOR, processor: at.processor }, sourceId));
    return { sourceId, index, at, message: messageFor(index, 0), guest: null };
  }

  private remapped({ vector, processor }: Vector, sourceId: number): Int32Array {
    const values = { P: 1, RH: 1, V: vector, ...this.sender(sourceId) };
    return this.table?.isX2apic
      ? remappedEntry.encode({ ...values, DST: processor })
      : xapicRemappedEntry.encode({ ...values, DST: processor });
  }

  private sender(sourceId: number): { SID: number; SVT: number } {
    return this.checksSource
      ? { SID: sourceId, SVT: SourceValidation.SOURCE_ID }
      : { SID: 0, SVT: SourceValidation.NONE };
  }

  /** The descriptor of a guest's processor, made when it is first needed. */
  private targetOf(guest: string): PostedTarget {
    let target = this.targets.get(guest);
    if (target === undefined) {
      const descriptor = this.frames.allocateCleared(this.memory);
      const processor = PROCESSORS - 1 - (this.targets.size % PROCESSORS);
      target = { descriptor, processor };
      this.targets.set(guest, target);
      const NDST = this.table?.destination(processor) ?? processor;
      this.memory.writeWords(descriptor, postedInterruptDescriptor.encode({ NV: POSTED_VECTOR, NDST }));
    }
    return target;
  }

  /** A notification came: the processor takes over what is noted in the descriptors of its guests, and clears ON. */
  private takePosted(processor: number): void {
    const { ON } = postedInterruptDescriptor.fields;
    for (const { descriptor, processor: own } of this.targets.values()) {
      if (own !== processor) continue;
      const control = descriptor + 4 * ON.word;
      this.memory.write32(control, this.memory.read32(control) & ~(1 << ON.shift));
      for (let word = 0; word < 8; word++) {
        const requests = this.memory.read32(descriptor + 4 * word);
        if (requests === 0) continue;
        this.memory.write32(descriptor + 4 * word, 0);
        for (let left = requests >>> 0; left !== 0; left &= left - 1) this.posted++;
      }
    }
  }
}
