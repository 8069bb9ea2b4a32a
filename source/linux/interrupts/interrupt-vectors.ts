/** Interrupt vectors of the processors: `arch/x86/kernel/apic/vector.c`, `kernel/irq/matrix.c`. */

/** Processors of the machine; their APIC ids are 0 and up. */
export const PROCESSORS = 4;

/** The vector that Linux gives fault events of the unit, on processor 0: the first free one. */
export const FAULT_VECTOR = 0x21;
/** POSTED_INTR_VECTOR of `arch/x86/include/asm/irq_vectors.h`. */
export const POSTED_VECTOR = 0xf2;
/** ISA_IRQ_VECTOR(0): the sixteen vectors of ISA interrupts, all on processor 0. */
export const ISA_VECTOR = 0x30;
const FIRST = 0x22;
const ISA_END = 0x40;
/** FIRST_SYSTEM_VECTOR is 0xec or above; 0x80 is the system call's. */
const END = 0xec;
const SYSCALL = 0x80;

export type Vector = { readonly vector: number; readonly processor: number };

export class InterruptVectors {
  private readonly taken: readonly Set<number>[] = Array.from({ length: PROCESSORS }, () => new Set());

  /** The lowest free vector of the processor that has given out the fewest. */
  allocate(): Vector {
    const counts = this.taken.map(({ size }) => size);
    const processor = counts.indexOf(Math.min(...counts));
    const taken = this.taken[processor];
    for (let vector = FIRST; vector < END; vector++) {
      const isFixed = vector === SYSCALL || (vector >= ISA_VECTOR && vector < ISA_END);
      if (isFixed || taken.has(vector)) continue;
      taken.add(vector);
      return { vector, processor };
    }
    throw new Error('all interrupt vectors are in use');
  }

  free({ vector, processor }: Vector): void {
    this.taken[processor].delete(vector);
  }
}
