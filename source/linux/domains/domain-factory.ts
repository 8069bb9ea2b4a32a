/** Makes and frees domains: `drivers/iommu/intel/iommu.c` (paging_domain_alloc), `drivers/iommu/dma-iommu.c`. */

import { READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import type { Iommu } from '../../vtd/unit/iommu.ts';
import type { BootSettings } from '../boot/boot-line.ts';
import type { DefaultType } from '../boot/policy.ts';
import type { CpuMeter } from '../dma-api/cpu-cost.ts';
import { FlushQueue } from '../dma-api/flush-queue.ts';
import { IovaAllocator, type IovaTuning, type Reserved } from '../dma-api/iova.ts';
import type { PageFrames } from '../page-frames.ts';
import { FirstStageTable } from '../page-tables/first-stage-table.ts';
import type { PageTable } from '../page-tables/page-table.ts';
import { SecondStageTable } from '../page-tables/second-stage-table.ts';
import { directRegions, type PciFunction } from '../pci.ts';
import { KernelRefusal } from '../refusal.ts';
import type { UnitDriver } from '../unit/unit-driver.ts';
import type { KernelVersion } from '../version.ts';
import { holds } from '../version-rules.ts';
import { adjustedWidth } from './address-width.ts';
import {
  type DefaultDomain,
  type Domain,
  IDENTITY_DID,
  type IdentityDomain,
  type PagingDomain,
} from './domain.ts';

/** MSI window, never handed out as an address; end exclusive. */
export const MSI_WINDOW = { start: 0xfee0_0000, end: 0xfef0_0000 };

export type FactoryParts = {
  readonly unit: Iommu;
  readonly memory: PhysicalMemory;
  readonly frames: PageFrames;
  readonly driver: UnitDriver;
  readonly settings: BootSettings;
  readonly isScalable: boolean;
  readonly version: KernelVersion;
  /** Memory windows of the host bridge: addresses there would reach other devices, not memory. */
  readonly windows: readonly Reserved[];
  readonly iovaTuning: IovaTuning;
  /** See FlushQueue. */
  readonly tickNs: number;
  readonly meter: CpuMeter;
};

export class DomainFactory {
  private readonly parts: FactoryParts;
  private identity: IdentityDomain | null = null;

  constructor(parts: FactoryParts) {
    this.parts = parts;
  }

  /**
   * A domain for the DMA API, with what firmware keeps using mapped 1:1 before any device is attached.
   *
   * @param group the functions that are to share it
   */
  newDefault(group: readonly PciFunction[], type: DefaultType): DefaultDomain {
    if (type === 'identity') return this.identityDomain();
    const regions = group.flatMap((fn) =>
      directRegions(fn).map(({ start, end }) => ({ start, end: end + 1 })),
    );
    const { windows, iovaTuning, version } = this.parts;
    const stage = this.stageOf(type);
    const iova = new IovaAllocator([...windows, MSI_WINDOW, ...regions], this.aperture(stage), iovaTuning);
    const snoops = holds('snoopsForDmaApi', version);
    const domain = this.newPaging(type, stage, iova, this.largestLeaf(stage), snoops);
    for (const { start, end } of regions) domain.table.map(start, start, end - start, READ | WRITE);
    if (type === 'DMA-FQ') this.goLazy(domain);
    return domain;
  }

  /** The one identity domain. */
  private identityDomain(): IdentityDomain {
    const { unit, memory, version, isScalable } = this.parts;
    const { passThrough } = unit.capabilities;
    const isOld = holds('hasSoftwareIdentity', version);
    if (!passThrough && !isOld) {
      throw new KernelRefusal('EOPNOTSUPP', 'the unit lacks ECAP.PT, so there is no identity domain');
    }
    if (this.identity !== null) return this.identity;
    const hasFixedId = !isOld || (isScalable && passThrough);
    let table: PageTable | null = null;
    if (!passThrough) {
      table = this.newTable('second', this.largestLeaf('second'), false);
      table.map(0, 0, memory.size, READ | WRITE);
    }
    this.identity = { type: 'identity', did: hasFixedId ? IDENTITY_DID : 0, users: 0, hasFixedId, table };
    return this.identity;
  }

  /**
   * A domain whose owner chooses the addresses.
   *
   * @param nests a guest's first stage is to lie on it, so that it has to be a second one (IOMMU_HWPT_ALLOC_NEST_PARENT)
   */
  newUnmanaged(largestLeaf: number, nests: boolean): PagingDomain {
    const stage = nests ? 'second' : this.stageOf('unmanaged');
    return this.newPaging('unmanaged', stage, null, Math.min(largestLeaf, this.largestLeaf(stage)), true);
  }

  /** The last address of a domain. */
  lastAddress({ table }: PagingDomain): number {
    return this.aperture(table.stage);
  }

  /** Let a domain collect its invalidations from now on. */
  goLazy(domain: PagingDomain): void {
    const { driver, iovaTuning, meter } = this.parts;
    domain.type = 'DMA-FQ';
    domain.flushQueue ??= new FlushQueue(
      iovaTuning.clock,
      iovaTuning.cpus,
      {
        flushDomain: (cpu) => {
          // Nobody is left whose translations could be cached.
          if (domain.users === 0) return;
          driver.mode.flushDomain(domain);
          meter.charge('invalidate', cpu);
        },
        release: (iova, pages, tables, cpu) => {
          domain.table.release(tables);
          domain.iova?.free(iova, pages, cpu);
        },
      },
      this.parts.tickNs,
    );
  }

  /** Give back a domain's tables. No device may be attached to it any more. */
  free(domain: Domain): void {
    if (domain.type === 'identity') return;
    if (domain.type === 'nested') return this.free(domain.parent);
    domain.flushQueue?.drain();
    domain.table.free();
  }

  /**
   * Which stage a domain's tables are for: first_level_by_default. Where both are there, the kernel's own domains get
   * the first; what those of VFIO get depends on the version.
   */
  private stageOf(type: PagingDomain['type']): PageTable['stage'] {
    const { isScalable, unit, version } = this.parts;
    const { firstStage, secondStage } = unit.capabilities;
    if (!isScalable || !firstStage || !holds('usesFirstStage', version)) return 'second';
    const isForOwner = type === 'unmanaged' && holds('keepsSecondStageForOwners', version);
    return secondStage && isForOwner ? 'second' : 'first';
  }

  /** The level of the largest pages that the unit and the command line allow: 1, 2 or 3. */
  private largestLeaf(stage: PageTable['stage']): number {
    const { settings, unit } = this.parts;
    if (!settings.superpages) return 1;
    const { sslps, FS1GP } = unit.capabilities;
    if (stage === 'first') return FS1GP ? 3 : 2;
    return (sslps & 2) !== 0 ? 3 : (sslps & 1) !== 0 ? 2 : 1;
  }

  /** The last address of a domain; of a first stage only the lower half, whose addresses are canonical as they are. */
  private aperture(stage: PageTable['stage']): number {
    const { guestAddressWidth } = this.parts.unit.capabilities;
    const width = Math.min(guestAddressWidth, 12 + 9 * this.levels);
    return 2 ** (stage === 'first' ? width - 1 : width) - 1;
  }

  private get levels(): number {
    return adjustedWidth(this.parts.unit.capabilities, this.parts.isScalable) + 2;
  }

  private newPaging(
    type: PagingDomain['type'],
    stage: PageTable['stage'],
    iova: IovaAllocator | null,
    largestLeaf: number,
    snoops: boolean,
  ): PagingDomain {
    const table = this.newTable(stage, largestLeaf, snoops);
    return { type, did: 0, users: 0, table, iova, flushQueue: null };
  }

  /** @param snoops entries force snooping, where the unit can (IOMMU_CACHE, enforce_cache_coherency) */
  private newTable(stage: PageTable['stage'], largestLeaf: number, snoops: boolean): PageTable {
    const { memory, frames, version, unit } = this.parts;
    return stage === 'first'
      ? new FirstStageTable(memory, frames, this.levels, largestLeaf, holds('forbidsExecution', version))
      : new SecondStageTable(
          memory,
          frames,
          this.levels,
          largestLeaf,
          version,
          snoops && unit.capabilities.SC,
        );
  }
}
