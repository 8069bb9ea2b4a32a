/**
 * Invalidation through CCMD and IOTLB_REG, where a unit has no queue: `drivers/iommu/intel/iommu.c`,
 * `__iommu_flush_context` and `__iommu_flush_iotlb`.
 */

import { Granularity } from '../../vtd/formats/invalidation-descriptor.ts';
import type { Iommu } from '../../vtd/unit/iommu.ts';
import { contextCommand, invalidateAddress, iotlbCommand, Offset } from '../../vtd/unit/registers.ts';
import type { Invalidation } from './invalidation.ts';
import type { PageRange } from './queued-invalidation.ts';

const { ICC } = contextCommand.fields;
const { IAIG, IVT } = iotlbCommand.fields;

export class RegisterInvalidation implements Invalidation {
  private readonly unit: Iommu;
  private readonly say: (text: string) => void;

  constructor(unit: Iommu, say: (text: string) => void) {
    this.unit = unit;
    this.say = say;
  }

  contextGlobal(): void {
    this.context({ CIRG: Granularity.GLOBAL });
  }

  contextDevice(sourceId: number, did: number): void {
    this.context({ CIRG: Granularity.SELECTIVE, DID: did, SID: sourceId });
  }

  iotlbGlobal(): void {
    this.iotlb({ IIRG: Granularity.GLOBAL });
  }

  iotlbDomain(did: number): void {
    this.iotlb({ IIRG: Granularity.DOMAIN, DID: did });
  }

  /** Unlike the queue's descriptors, IVA was given the hint (IH) by every version. */
  iotlbPages(did: number, { address, mask }: PageRange, leafOnly: boolean): void {
    const { pageSelective, maxAddressMask, invalidateOffset } = this.unit.capabilities;
    if (!pageSelective || mask > maxAddressMask) return this.iotlbDomain(did);
    const [low, high] = invalidateAddress.encode({ AM: mask, IH: leafOnly ? 1 : 0, ADDR: address });
    this.unit.write64(invalidateOffset, high, low);
    this.iotlb({ IIRG: Granularity.SELECTIVE, DID: did });
  }

  /** Each command is waited for. */
  beginBatch(): void {}

  endBatch(): void {}

  private context(values: Parameters<typeof contextCommand.encode>[0]): void {
    const [low, high] = contextCommand.encode({ ...values, ICC: 1 });
    this.command(Offset.CCMD, high, low, ICC.mask << ICC.shift);
  }

  private iotlb(values: Parameters<typeof iotlbCommand.encode>[0]): void {
    const { writeDraining, invalidateOffset } = this.unit.capabilities;
    // Reads are not drained, unlike by the queue.
    const [low, high] = iotlbCommand.encode({ ...values, DW: writeDraining ? 1 : 0, IVT: 1 });
    const done = this.command(invalidateOffset + 8, high, low, IVT.mask << IVT.shift);
    if (((done >>> IAIG.shift) & IAIG.mask) === 0) this.say('DMAR: Flush IOTLB failed');
  }

  /** Write a command and wait until its busy bit is clear. Returns the upper half of the register then. */
  private command(offset: number, high: number, low: number, busy: number): number {
    this.unit.write64(offset, high, low);
    const done = this.unit.read32(offset + 4);
    if ((done & busy) !== 0)
      throw new Error(`the unit did not carry out a command at 0x${offset.toString(16)}`);
    return done;
  }
}
