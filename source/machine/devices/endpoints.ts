/** The device TLBs of the endpoints, and how they answer the unit: VT-d chapter 4, from the other side. */
import type { PciFunction } from '../../linux/pci.ts';
import { DeviceTlb } from '../../vtd/ats/device-tlb.ts';
import type { EndpointLink, InvalidateMessage } from '../../vtd/ats/endpoint-link.ts';
import type { Iommu } from '../../vtd/unit/iommu.ts';

/** Translations that a device with ATS keeps; our choice, as makers do not tell. */
const DEVICE_TLB_ENTRIES = 64;

/** What a device does with invalidations of its TLB: `gone` is one that was pulled out of its slot. */
export type Answering = 'answers' | 'silent' | 'gone';

export class Endpoints {
  /** Devices do as they are told, at once, but for those that were told to keep silent. */
  readonly link: EndpointLink = {
    invalidate: (message) => this.invalidate(message),
    respond: () => {},
  };
  private readonly tlbs: ReadonlyMap<number, DeviceTlb>;
  private readonly quiet = new Map<number, 'silent' | 'gone'>();
  /** Tags of invalidations that nobody will answer. */
  private unanswered: number[] = [];
  private readonly unit: () => Iommu;
  private readonly timeoutNs: number;

  /**
   * @param unit whom they answer; asked for when the first message comes
   * @param timeoutNs until an answer that does not come is given up
   */
  constructor(functions: readonly PciFunction[], unit: () => Iommu, timeoutNs: number) {
    const withAts = functions.filter(({ ats }) => ats);
    this.tlbs = new Map(withAts.map(({ sourceId }) => [sourceId, new DeviceTlb(DEVICE_TLB_ENTRIES)]));
    this.unit = unit;
    this.timeoutNs = timeoutNs;
  }

  tlbOf(sourceId: number): DeviceTlb | null {
    return this.tlbs.get(sourceId) ?? null;
  }

  /** Null for a device without a device TLB. */
  answering(sourceId: number): Answering | null {
    return this.tlbs.has(sourceId) ? (this.quiet.get(sourceId) ?? 'answers') : null;
  }

  setAnswering(sourceId: number, to: Answering): void {
    if (to === 'answers') this.quiet.delete(sourceId);
    else this.quiet.set(sourceId, to);
  }

  isPresent(sourceId: number): boolean {
    return this.quiet.get(sourceId) !== 'gone';
  }

  /** A device says that it carried out an invalidation which nobody sent. */
  completeUnasked(sourceId: number): void {
    this.unit().invalidationCompleted(sourceId, 0);
  }

  /** The time for the answers that are outstanding is over; nanoseconds that took, 0 without any. */
  timeOut(): number {
    const tags = this.unanswered;
    this.unanswered = [];
    for (const tag of tags) this.unit().invalidationTimedOut(tag);
    return tags.length === 0 ? 0 : this.timeoutNs;
  }

  private invalidate(message: InvalidateMessage): void {
    const { sourceId, tag } = message;
    if (this.quiet.has(sourceId)) {
      this.unanswered.push(tag);
      return;
    }
    this.tlbs.get(sourceId)?.invalidate(message);
    this.unit().invalidationCompleted(sourceId, tag);
  }
}
