/** Makes and frees domains: `drivers/iommu/intel/iommu.c` (paging_domain_alloc), `drivers/iommu/dma-iommu.c`. */
import type { Iommu } from '../vtd/iommu.ts';
import type { PhysicalMemory } from '../vtd/memory.ts';
import { READ, WRITE } from '../vtd/paging-entry.ts';
import type { BootSettings } from './boot-line.ts';
import type { CpuMeter } from './cpu-cost.ts';
import { type Domain, identityDomain, type PagingDomain } from './domain.ts';
import { FlushQueue } from './flush-queue.ts';
import { IovaAllocator, type IovaTuning, type Reserved } from './iova.ts';
import type { PageFrames } from './page-frames.ts';
import type { PciFunction } from './pci.ts';
import type { DefaultType } from './policy.ts';
import { KernelRefusal } from './refusal.ts';
import { SecondStageTable } from './second-stage-table.ts';
import type { UnitDriver } from './unit-driver.ts';

/** MSI window, never handed out as an address. */
const MSI_WINDOW = { start: 0xfee0_0000, end: 0xfef0_0000 };

export type FactoryParts = {
  readonly unit: Iommu;
  readonly memory: PhysicalMemory;
  readonly frames: PageFrames;
  readonly driver: UnitDriver;
  readonly settings: BootSettings;
  /** Memory windows of the host bridge: addresses there would reach other devices, not memory. */
  readonly windows: readonly Reserved[];
  readonly iovaTuning: IovaTuning;
  readonly meter: CpuMeter;
};

export class DomainFactory {
  private readonly parts: FactoryParts;

  constructor(parts: FactoryParts) {
    this.parts = parts;
  }

  /** The level of the largest pages that the unit and the command line allow: 1, 2 or 3. */
  get largestLeaf(): number {
    const { settings, unit } = this.parts;
    if (!settings.superpages) return 1;
    const { sslps } = unit.capabilities;
    return (sslps & 2) !== 0 ? 3 : (sslps & 1) !== 0 ? 2 : 1;
  }

  /** A domain for the DMA API, with what firmware keeps using mapped 1:1 before any device is attached. */
  newDefault(fn: PciFunction, type: DefaultType): Domain {
    if (type === 'identity') {
      if (this.parts.unit.capabilities.passThrough) return identityDomain;
      throw new KernelRefusal('EOPNOTSUPP', 'the unit lacks ECAP.PT, so there is no identity domain');
    }
    const regions = fn.reserved.map(({ start, end }) => ({ start, end: end + 1 }));
    const { unit, windows, iovaTuning } = this.parts;
    const aperture = 2 ** unit.capabilities.guestAddressWidth - 1;
    const iova = new IovaAllocator([...windows, MSI_WINDOW, ...regions], aperture, iovaTuning);
    const domain = this.newPaging(type, iova, this.largestLeaf);
    for (const { start, end } of regions) domain.table.map(start, start, end - start, READ | WRITE);
    if (type === 'DMA-FQ') this.goLazy(domain);
    return domain;
  }

  /** A domain whose owner chooses the addresses. */
  newUnmanaged(largestLeaf: number): PagingDomain {
    return this.newPaging('unmanaged', null, Math.min(largestLeaf, this.largestLeaf));
  }

  /** Let a domain collect its invalidations from now on. */
  goLazy(domain: PagingDomain): void {
    const { driver, iovaTuning, meter } = this.parts;
    domain.type = 'DMA-FQ';
    domain.flushQueue ??= new FlushQueue(iovaTuning.clock, iovaTuning.cpus, {
      flushDomain: () => {
        // Nobody is left whose translations could be cached.
        if (domain.users === 0) return;
        driver.flushDomain(domain.did);
        meter.charge('invalidate');
      },
      release: (iova, pages, tables, cpu) => {
        domain.table.release(tables);
        domain.iova?.free(iova, pages, cpu);
      },
    });
  }

  /** Give back a domain's tables. No device may be attached to it any more. */
  free(domain: Domain): void {
    if (domain.type === 'identity') return;
    domain.flushQueue?.drain();
    domain.table.free();
  }

  private newPaging(
    type: PagingDomain['type'],
    iova: IovaAllocator | null,
    largestLeaf: number,
  ): PagingDomain {
    const { unit, memory, frames } = this.parts;
    const levels = unit.capabilities.largestAw + 2;
    return {
      type,
      did: 0,
      users: 0,
      table: new SecondStageTable(memory, frames, levels, largestLeaf),
      iova,
      flushQueue: null,
    };
  }
}
