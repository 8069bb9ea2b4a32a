/**
 * What Linux does when the invalidation queue stops or a device does not answer: `drivers/iommu/intel/dmar.c`,
 * qi_check_fault and qi_dump_fault.
 */
import { DescriptorType } from '../../vtd/formats/invalidation-descriptor.ts';
import type { Iommu } from '../../vtd/unit/iommu.ts';
import { faultStatus, Offset, queueError } from '../../vtd/unit/registers.ts';
import { isSince, type KernelVersion } from '../version.ts';

/** The world around the queue. */
export type QueueHost = {
  readonly version: KernelVersion;
  say(text: string): void;
  /**
   * A CPU spins: let devices that do not answer be silent until their time is over.
   *
   * @returns nanoseconds that took; 0 where no answer is outstanding
   */
  waitForDevices(): number;
  /** Whether a device answers configuration reads (pci_device_is_present). */
  isPresent(sourceId: number): boolean;
  /** A CPU waits for a device that will never answer, and does not come back. */
  stuck(sourceId: number): void;
};

/** Where the queue lies and how it is read. */
export type QueueSlots = {
  readonly slots: number;
  readonly slotBytes: number;
  /** The four 32-bit words of a descriptor that every version prints. */
  wordsAt(slot: number): Int32Array;
  /** Put the wait descriptor of a submission in the place of another one. */
  replaceByWait(slot: number, waitSlot: number): void;
};

/** What becomes of a submission: it goes on waiting, is submitted again (EAGAIN) or is given up (EINVAL, ETIMEDOUT). */
export type Verdict = 'goes on' | 'again' | 'given up';

/** Errors of a kind since boot, and what was printed of the last one. */
export type QueueErrorCounts = {
  readonly IQE: number;
  readonly ITE: number;
  readonly ICE: number;
  readonly last: string | null;
};

const bitOf = ({ mask, shift }: { mask: number; shift: number }): number => mask << shift;
const IQE = bitOf(faultStatus.fields.IQE);
const ITE = bitOf(faultStatus.fields.ITE);
const ICE = bitOf(faultStatus.fields.ICE);

const typeNames: Readonly<Record<number, string>> = {
  [DescriptorType.CONTEXT]: 'Context-cache Invalidation',
  [DescriptorType.IOTLB]: 'IOTLB Invalidation',
  [DescriptorType.DEVICE_TLB]: 'Device-TLB Invalidation',
  [DescriptorType.INTERRUPT_ENTRY]: 'Interrupt Entry Cache Invalidation',
  [DescriptorType.WAIT]: 'Invalidation Wait',
  [DescriptorType.PASID_IOTLB]: 'PASID-based IOTLB Invalidation',
  [DescriptorType.PASID_CACHE]: 'PASID-cache Invalidation',
  [DescriptorType.PASID_DEVICE_TLB]: 'PASID-based Device-TLB Invalidation',
  [DescriptorType.PAGE_RESPONSE]: 'Page Group Response',
};

export class QueueErrors {
  private readonly unit: Iommu;
  private readonly queue: QueueSlots;
  private readonly host: QueueHost;
  private readonly counted = { IQE: 0, ITE: 0, ICE: 0 };
  private last: string | null = null;

  constructor(unit: Iommu, queue: QueueSlots, host: QueueHost) {
    this.unit = unit;
    this.queue = queue;
    this.host = host;
  }

  get counts(): QueueErrorCounts {
    return { ...this.counted, last: this.last };
  }

  /**
   * Look whether something went wrong while a CPU waits for a submission.
   *
   * @param slot of the descriptor that was submitted; its wait stands behind it
   */
  check(slot: number, waitSlot: number): Verdict {
    const { unit, queue, host } = this;
    const status = unit.read32(Offset.FSTS) & (IQE | ITE | ICE);
    if (status === 0) return 'goes on';
    const tells = isSince(host.version, '5.13');
    if (tells) this.dump(status);
    if ((status & IQE) !== 0) {
      this.counted.IQE++;
      const head = unit.read32(Offset.IQH) / queue.slotBytes;
      if (head === slot) {
        if (!tells) this.sayInvalid(head);
        queue.replaceByWait(head, waitSlot);
        unit.write32(Offset.FSTS, IQE);
        if (tells) host.say('DMAR: Invalidation Queue Error (IQE) cleared');
        return 'given up';
      }
    }
    if ((status & ITE) !== 0) {
      this.counted.ITE++;
      const sourceId = this.errorDevice('ITESID');
      unit.write32(Offset.FSTS, ITE);
      if (tells) host.say('DMAR: Invalidation Time-out Error (ITE) cleared');
      // Since 6.9 Linux asks whether there still is somebody who could answer; 0 is a unit that does not tell.
      const isGone = sourceId !== 0 && !host.isPresent(sourceId);
      return isGone && isSince(host.version, '6.9') ? 'given up' : 'again';
    }
    if ((status & ICE) !== 0) {
      this.counted.ICE++;
      unit.write32(Offset.FSTS, ICE);
      if (tells) host.say('DMAR: Invalidation Completion Error (ICE) cleared');
    }
    return 'goes on';
  }

  private dump(status: number): void {
    const { unit, queue, host } = this;
    const say = (text: string): void => {
      this.last = text;
      host.say(text);
    };
    const hex = (value: number) => value.toString(16);
    if ((status & IQE) !== 0)
      say(`DMAR: VT-d detected Invalidation Queue Error: Reason ${hex(unit.read32(Offset.IQERCD) & 0xf)}`);
    if ((status & ITE) !== 0)
      say(`DMAR: VT-d detected Invalidation Time-out Error: SID ${hex(this.errorDevice('ITESID'))}`);
    if ((status & ICE) !== 0)
      say(`DMAR: VT-d detected Invalidation Completion Error: SID ${hex(this.errorDevice('ICESID'))}`);
    const head = unit.read32(Offset.IQH) / queue.slotBytes;
    this.sayDescriptor('HEAD', head);
    this.sayDescriptor('PRIOR', (head + queue.slots - 1) % queue.slots);
  }

  private sayDescriptor(name: string, slot: number): void {
    const words = this.queue.wordsAt(slot);
    const type = typeNames[words[0] & 15] ?? 'UNKNOWN';
    const [low, high] = quadwords(words);
    this.host.say(`DMAR: QI ${name}: ${type} qw0 = 0x${low}, qw1 = 0x${high}`);
  }

  /** The one line of versions before 5.13, which say nothing of the other errors. */
  private sayInvalid(slot: number): void {
    const [low, high] = quadwords(this.queue.wordsAt(slot));
    this.last = `DMAR: VT-d detected invalid descriptor: qw0 = ${low}, qw1 = ${high}`;
    this.host.say(this.last);
  }

  private errorDevice(name: 'ITESID' | 'ICESID'): number {
    const { mask, shift } = queueError.fields[name];
    return (this.unit.read32(Offset.IQERCD + 4) >>> shift) & mask;
  }
}

/** Both halves of a descriptor in hexadecimal. */
const quadwords = (words: Int32Array): [low: string, high: string] => {
  const half = (at: number) => ((BigInt(words[at + 1] >>> 0) << 32n) | BigInt(words[at] >>> 0)).toString(16);
  return [half(0), half(2)];
};

/** What the watchdog prints of a CPU that spins with interrupts off: `kernel/watchdog.c` and `watchdog_hld.c`. */
export function lockupMessage(version: KernelVersion): string {
  if (!isSince(version, '6.4')) return 'NMI watchdog: Watchdog detected hard LOCKUP on cpu 0';
  const who = isSince(version, '6.14') ? 'CPU0: ' : '';
  return `watchdog: ${who}Watchdog detected hard LOCKUP on cpu 0`;
}
