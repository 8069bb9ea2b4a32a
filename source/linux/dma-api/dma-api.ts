/** The DMA API: memory made reachable for a device, and taken back. `drivers/iommu/dma-iommu.c`. */
import { READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import { bdf } from '../../vtd/source-id.ts';
import { type DeviceRecord, pciAddress } from '../domains/device-table.ts';
import type { DefaultDomain, PagingDomain } from '../domains/domain.ts';
import { mapRange, unmapRange } from '../domains/mapping.ts';
import { PAGE } from '../page-frames.ts';
import { KernelRefusal } from '../refusal.ts';
import type { Invalidates } from '../unit/translation-mode.ts';
import type { KernelVersion } from '../version.ts';
import { holds } from '../version-rules.ts';
import { BounceBuffers, type Bounced } from './bounce-buffers.ts';
import type { CpuMeter } from './cpu-cost.ts';

const PERMISSIONS = { toDevice: READ, fromDevice: WRITE, both: READ | WRITE } as const;

const HIGHEST_32_BIT = 0xffff_ffff;

/** Which way the data goes: DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL. */
export type Direction = keyof typeof PERMISSIONS;

/** One buffer mapped for a device. */
export type Mapping = {
  /** What the device is told: an iova, or the physical address. */
  readonly address: number;
  readonly bytes: number;
  readonly bounced?: Bounced;
  readonly domain: DefaultDomain | null;
};

/** A piece of physical memory. */
export type Segment = { readonly physical: number; readonly bytes: number };

export type DmaApiParts = {
  readonly driver: Invalidates;
  readonly meter: CpuMeter;
  readonly version: KernelVersion;
  say(text: string): void;
  /** For untrusted devices; `inactive` without a pool, left out where no device is bounced. */
  readonly bounce?: BounceBuffers | 'inactive';
  /** For what nothing translates: the pool, or null without one; forced with `swiotlb=force`. Left out, none needs it. */
  /** What a device writes it can read, too, as a unit without CAP.ZLR needs in old kernels. */
  readonly readsWhatIsWritten?: boolean;
  readonly direct?: { readonly pool: BounceBuffers | null; readonly isForced: boolean };
};

export class DmaApi {
  private readonly driver: Invalidates;
  private readonly meter: CpuMeter;
  private readonly say: (text: string) => void;
  private readonly bounce: DmaApiParts['bounce'];
  private readonly direct: DmaApiParts['direct'];
  private readonly permissions: Readonly<Record<Direction, number>>;
  private saidInactive = false;
  /** Since 6.6 a device that once finds no address below 4 GiB does not look there again. */
  private readonly givesUp32Bit: boolean;

  constructor({ driver, meter, version, say, bounce, direct, readsWhatIsWritten = false }: DmaApiParts) {
    this.driver = driver;
    this.meter = meter;
    this.say = say;
    this.bounce = bounce;
    this.direct = direct;
    this.permissions = readsWhatIsWritten ? { ...PERMISSIONS, fromDevice: READ | WRITE } : PERMISSIONS;
    this.givesUp32Bit = holds('givesUp32Bit', version);
  }

  /**
   * Map memory (dma_map_page). The granule is a page: the rest of the first and the last page becomes reachable too.
   *
   * @param physical first byte; need not be page-aligned
   * @param cpu whose magazines the address comes from
   * @throws KernelRefusal if VFIO owns the device, or no address is left
   */
  map(record: DeviceRecord, physical: number, bytes: number, direction: Direction, cpu: number): Mapping {
    const domain = ownDomain(record);
    if (domain === null || domain.type === 'identity')
      return this.mapDirect(record, domain, { physical, bytes }, direction, cpu);
    const offset = physical % PAGE;
    const isWhole = offset === 0 && bytes % PAGE === 0;
    if (record.fn.untrusted && !isWhole && this.bounce !== undefined) {
      return this.mapBounced(record, domain, { physical, bytes }, direction, cpu);
    }
    const pages = pagesAround(offset, bytes);
    const iova = this.allocate(record, domain, pages, cpu);
    mapRange(domain, iova, physical - offset, pages * PAGE, this.permissions[direction], this.driver);
    this.meter.charge('map', cpu);
    return { address: iova + offset, bytes, domain };
  }

  /**
   * Map pieces of memory that lie anywhere as one range of addresses (dma_map_sg). Inside it no piece may begin or
   * end within a page: such a list of blocks or packets is for a device that takes one address and a length.
   *
   * @throws KernelRefusal as map does; RangeError for pieces that would leave a gap
   */
  mapList(
    record: DeviceRecord,
    segments: readonly Segment[],
    direction: Direction,
    cpu: number,
  ): readonly Mapping[] {
    const domain = ownDomain(record);
    if (domain === null || domain.type === 'identity') {
      return segments.map((segment) => this.mapDirect(record, domain, segment, direction, cpu));
    }
    // Each piece may need pages of its own (iommu_dma_map_sg_swiotlb).
    if (record.fn.untrusted) {
      return segments.map(({ physical, bytes }) => this.map(record, physical, bytes, direction, cpu));
    }
    const offset = segments[0].physical % PAGE;
    let bytes = 0;
    segments.forEach((segment, i) => {
      const starts = i === 0 || segment.physical % PAGE === 0;
      const ends = i === segments.length - 1 || (segment.physical + segment.bytes) % PAGE === 0;
      if (!starts || !ends) throw new RangeError(`piece ${i} begins or ends within a page`);
      bytes += segment.bytes;
    });
    const iova = this.allocate(record, domain, pagesAround(offset, bytes), cpu);
    let at = iova;
    for (const segment of segments) {
      const first = segment.physical - (segment.physical % PAGE);
      const length = pagesAround(segment.physical % PAGE, segment.bytes) * PAGE;
      mapRange(domain, at, first, length, this.permissions[direction], this.driver);
      at += length;
    }
    this.meter.charge('map', cpu);
    return [{ address: iova + offset, bytes, domain }];
  }

  /** Unmap: at once in strict mode, later in lazy mode. Returns which, or null if nothing was mapped. */
  unmap(mapping: Mapping, cpu: number): 'strict' | 'lazy' | null {
    const { address, bytes, domain, bounced } = mapping;
    if (domain === null || domain.type === 'identity') {
      if (bounced !== undefined) this.giveBack(bounced, this.direct?.pool, cpu);
      return null;
    }
    const offset = address % PAGE;
    const pages = pagesAround(offset, bytes);
    const iova = address - offset;
    this.meter.charge('unmap', cpu);
    if (domain.flushQueue !== null) {
      const tables = domain.table.unmap(iova, pages * PAGE);
      this.meter.charge('defer', cpu);
      domain.flushQueue.add(iova, pages, tables, cpu);
      // Even where the device could still write: its group was made lazy by hand.
      if (bounced !== undefined) this.giveBack(bounced, this.bounce, cpu);
      return 'lazy';
    }
    unmapRange(domain, iova, pages * PAGE, this.driver);
    this.meter.charge('invalidate', cpu);
    domain.iova?.free(iova, pages, cpu);
    if (bounced !== undefined) this.giveBack(bounced, this.bounce, cpu);
    return 'strict';
  }

  /**
   * What nothing translates has its physical address; above the device's mask a copy stands in (dma_direct_map_page).
   *
   * @throws KernelRefusal without a pool, or where it has no room that the device reaches
   */
  private mapDirect(
    { fn }: DeviceRecord,
    domain: DefaultDomain | null,
    buffer: Segment,
    direction: Direction,
    cpu: number,
  ): Mapping {
    const { direct } = this;
    const { physical, bytes } = buffer;
    const isReached = physical + bytes - 1 <= fn.dmaMask;
    if (direct === undefined || (isReached && !direct.isForced)) return { address: physical, bytes, domain };
    const { pool } = direct;
    if (pool === null) throw outOfReach(fn.sourceId, physical, fn.dmaMask);
    const bounced = pool.takeRun(buffer, direction);
    const address = bounced.pages[0] + (physical % PAGE);
    if (address + bytes - 1 > fn.dmaMask) {
      pool.giveBack(bounced);
      throw outOfReach(fn.sourceId, address, fn.dmaMask);
    }
    this.meter.chargeCopy(bytes, cpu);
    return { address, bytes, domain, bounced };
  }

  private giveBack(bounced: Bounced, pool: BounceBuffers | 'inactive' | null | undefined, cpu: number): void {
    if (!(pool instanceof BounceBuffers)) return;
    if (bounced.direction !== 'toDevice') this.meter.chargeCopy(bounced.original.bytes, cpu);
    pool.giveBack(bounced);
  }

  /** Map pages that stand in for a buffer, one by one. */
  private mapBounced(
    record: DeviceRecord,
    domain: PagingDomain,
    buffer: Segment,
    direction: Direction,
    cpu: number,
  ): Mapping {
    const { bounce } = this;
    if (bounce === undefined || bounce === 'inactive') {
      const name = `${record.driver ?? 'pci'} ${pciAddress(record.fn.sourceId)}`;
      const text = 'DMA bounce buffers are inactive, unable to map unaligned transaction.';
      if (!this.saidInactive) this.say(`${name}: ${text}`);
      this.saidInactive = true;
      throw new KernelRefusal('ENOMEM', `${bdf(record.fn.sourceId)}: ${text}`);
    }
    const offset = buffer.physical % PAGE;
    const iova = this.allocate(record, domain, pagesAround(offset, buffer.bytes), cpu);
    const bounced = bounce.take(buffer, direction);
    this.meter.chargeCopy(buffer.bytes, cpu);
    bounced.pages.forEach((page, i) => {
      mapRange(domain, iova + i * PAGE, page, PAGE, this.permissions[direction], this.driver);
    });
    this.meter.charge('map', cpu);
    return { address: iova + offset, bytes: buffer.bytes, domain, bounced };
  }

  /** An address for so many pages (iommu_dma_alloc_iova): below 4 GiB first, for a device that could send more. */
  private allocate(record: DeviceRecord, domain: PagingDomain, pages: number, cpu: number): number {
    const { iova } = domain;
    const { fn } = record;
    if (iova === null) throw notOurs(record);
    const limit = Math.min(fn.dmaMask, iova.aperture);
    if (record.tries32Bit && limit > HIGHEST_32_BIT) {
      const low = iova.allocate(pages, HIGHEST_32_BIT, false, cpu);
      if (low !== null) return low;
      if (this.givesUp32Bit) {
        record.tries32Bit = false;
        const bits = Math.ceil(Math.log2(limit + 1));
        this.say(`${record.driver ?? 'pci'} ${pciAddress(fn.sourceId)}: Using ${bits}-bit DMA addresses`);
      }
    }
    const address = iova.allocate(pages, limit, true, cpu);
    if (address !== null) return address;
    throw new KernelRefusal('ENOMEM', `${bdf(fn.sourceId)}: no iova left for ${pages} pages`);
  }
}

/** The domain of a device that the kernel itself drives. */
function ownDomain(record: DeviceRecord): DefaultDomain | null {
  if (record.attached?.type === 'nested') throw notOurs(record);
  return record.attached;
}

const outOfReach = (sourceId: number, address: number, mask: number): KernelRefusal =>
  new KernelRefusal(
    'EIO',
    `${bdf(sourceId)}: DMA address 0x${address.toString(16)} is above its mask 0x${mask.toString(16)}`,
  );

const notOurs = ({ fn }: DeviceRecord): KernelRefusal =>
  new KernelRefusal('EBUSY', `${bdf(fn.sourceId)} belongs to VFIO, not to the DMA API`);

/** Whole pages around so many bytes from an offset in a page on. */
const pagesAround = (offset: number, bytes: number): number => Math.ceil((offset + bytes) / PAGE);
