/**
 * The IOMMU that a guest sees before its device, as a hypervisor such as QEMU emulates it (`hw/i386/intel_iommu.c`),
 * and the guest's own driver of it. The guest keeps page tables in its memory, for the addresses that it hands out.
 *
 * Where the unit can nest, the guest's first-stage tables are used by the unit itself, over the second stage that maps
 * the guest's memory; the guest's invalidations are passed down. Where it cannot, the emulated unit is in caching mode,
 * so that the guest invalidates at each map as well, and the hypervisor keeps a shadow of the guest's tables: the
 * addresses of the guest, mapped straight to host memory.
 */
import type { Clock } from '../../linux/clock.ts';
import { CpuMeter, defaultCpuCost } from '../../linux/dma-api/cpu-cost.ts';
import { type Direction, DmaApi, type Mapping } from '../../linux/dma-api/dma-api.ts';
import { FlushQueue } from '../../linux/dma-api/flush-queue.ts';
import { IovaAllocator, iovaTuningOf } from '../../linux/dma-api/iova.ts';
import type { DeviceRecord } from '../../linux/domains/device-table.ts';
import type { NestedDomain, PagingDomain } from '../../linux/domains/domain.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { PAGE, PageFrames } from '../../linux/page-frames.ts';
import { FirstStageTable } from '../../linux/page-tables/first-stage-table.ts';
import { SecondStageTable } from '../../linux/page-tables/second-stage-table.ts';
import type { Invalidates } from '../../linux/unit/translation-mode.ts';
import { DEFAULT_VERSION } from '../../linux/version.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import type { GuestModel } from './guest.ts';
import { GuestMemory } from './guest-memory.ts';

const MiB = 2 ** 20;
/** Where in its memory a guest keeps its page tables. */
const GUEST_TABLES = [MiB, 2 * MiB] as const;
/** Where its drivers take pages from; the stride is a prime, so that they scatter as on a busy machine. */
const GUEST_DATA = [2 * MiB, 128 * MiB, 7919] as const;
/** QEMU's emulated unit translates 48 bits, in four levels, with pages of up to 2 MiB. */
const LEVELS = 4;
const LARGEST_LEAF = 2;
const APERTURE = 2 ** 47 - 1;
const MSI_WINDOW = { start: 0xfee0_0000, end: 0xfef0_0000 };

export type VirtualIommu = {
  readonly kind: 'nested' | 'shadow';
  /** The guest's tables, in its memory. */
  readonly table: PagingDomain['table'];
  /** Pages of the guest for its drivers, guest-physical. */
  readonly dataFrames: PageFrames;
  /** CPU cycles spent in the guest's IOMMU code. */
  readonly cycles: number;
  /** How often the guest had to wait for its hypervisor to carry an invalidation out. */
  readonly exits: number;
  /** The guest's dma_map: its memory made reachable for its device. */
  map(address: number, bytes: number, direction: Direction): Mapping;
  unmap(mapping: Mapping): void;
  /** The guest is gone, or its device: nothing waits for a flush any more. */
  close(): void;
};

/** What the hypervisor has of the host for the device: its address space, and how a guest's first stage gets onto it. */
export type Below = {
  readonly owned: PagingDomain;
  /** @param root guest-physical address of the guest's top table; null where the hypervisor keeps a shadow */
  readonly nest: ((root: number, levels: number) => NestedDomain) | null;
};

/** Let a guest see an IOMMU before a device that its hypervisor has. */
export function attachVirtualIommu(
  kernel: Kernel,
  memory: PhysicalMemory,
  clock: Clock,
  sourceId: number,
  guest: GuestModel,
  { owned, nest }: Below,
): VirtualIommu {
  const inside = new GuestMemory(memory, guest);
  const frames = new PageFrames(...GUEST_TABLES);
  const table =
    nest === null
      ? new SecondStageTable(inside, frames, LEVELS, LARGEST_LEAF, kernel.version)
      : new FirstStageTable(inside, frames, LEVELS, LARGEST_LEAF);
  const host =
    nest === null ? new Shadowing(kernel, owned, inside) : new PassingDown(kernel, nest(table.root, LEVELS));
  return new GuestDriver(kernel.device(sourceId), table, host, clock);
}

/** What a hypervisor does when its guest invalidates. */
type Hypervisor = Invalidates & {
  readonly kind: VirtualIommu['kind'];
  readonly exits: number;
};

/** The unit itself walks the guest's tables: an invalidation of the guest's is one of the host's. */
class PassingDown implements Hypervisor {
  readonly kind = 'nested';
  exits = 0;
  readonly mode: Invalidates['mode'];

  constructor(kernel: Kernel, domain: NestedDomain) {
    this.mode = {
      flushDomain: () => {
        this.exits++;
        kernel.invalidateNested(domain, null);
      },
      flushPages: (_, iova, pages, leafOnly) => {
        this.exits++;
        kernel.invalidateNested(domain, { iova, pages, leafOnly });
      },
    };
  }

  /** A first stage is never cached as not present, in caching mode either. */
  mapped(): void {}
}

/** The unit walks tables of the host's, which follow the guest's at each of its invalidations. */
class Shadowing implements Hypervisor {
  readonly kind = 'shadow';
  exits = 0;
  readonly mode: Invalidates['mode'];
  private readonly kernel: Kernel;
  private readonly shadow: PagingDomain;
  private readonly inside: GuestMemory;

  constructor(kernel: Kernel, shadow: PagingDomain, inside: GuestMemory) {
    this.kernel = kernel;
    this.shadow = shadow;
    this.inside = inside;
    this.mode = {
      flushDomain: () => {
        throw new RangeError('in caching mode nothing is flushed by the domain: each unmap is');
      },
      flushPages: (domain, iova, pages) => {
        if (domain.type !== 'nested') this.follow(domain, iova, pages);
      },
    };
  }

  /** In caching mode the guest invalidates what it mapped, too. */
  mapped(domain: PagingDomain, iova: number, pages: number): void {
    this.mode.flushPages(domain, iova, pages, true);
  }

  /** Read the guest's tables over a range again, and map or unmap what they say: vtd_page_walk of QEMU. */
  private follow({ table }: PagingDomain, first: number, pages: number): void {
    this.exits++;
    const { kernel, shadow } = this;
    const end = first + pages * PAGE;
    for (let iova = first; iova < end; ) {
      const found = table.lookUp(iova);
      const bytes = found === null || found.level === 1 ? PAGE : PAGE * 512;
      const isShadowed = shadow.table.lookUp(iova) !== null;
      if (found === null) {
        if (isShadowed) kernel.unmapForOwner(shadow, iova, bytes);
      } else if (!isShadowed) {
        const piece = { physical: this.inside.inHost(found.physical), bytes };
        kernel.mapForOwner(shadow, iova, [piece], found.permissions);
      }
      iova += bytes;
    }
  }
}

/** The guest's kernel: the same DMA API as the host's, with tables in its own memory. */
class GuestDriver implements VirtualIommu {
  readonly kind: VirtualIommu['kind'];
  readonly table: PagingDomain['table'];
  readonly dataFrames = new PageFrames(...GUEST_DATA);
  private readonly meter = new CpuMeter(defaultCpuCost);
  private readonly host: Hypervisor;
  private readonly domain: PagingDomain;
  private readonly record: DeviceRecord;
  private readonly api: DmaApi;

  constructor(record: DeviceRecord, table: PagingDomain['table'], host: Hypervisor, clock: Clock) {
    this.kind = host.kind;
    this.table = table;
    this.host = host;
    const tuning = { ...iovaTuningOf(DEFAULT_VERSION), cpus: 1, clock };
    const iova = new IovaAllocator([MSI_WINDOW], APERTURE, tuning);
    // In caching mode Linux does not batch: "IOMMU batching disallowed due to virtualization".
    const type = host.kind === 'nested' ? 'DMA-FQ' : 'DMA';
    this.domain = { type, did: 0, users: 1, table, iova, flushQueue: null };
    if (type === 'DMA-FQ') {
      this.domain.flushQueue = new FlushQueue(clock, 1, {
        flushDomain: () => {
          host.mode.flushDomain(this.domain);
          this.meter.charge('invalidate');
        },
        release: (address, pages, tables) => {
          table.release(tables);
          iova.free(address, pages, 0);
        },
      });
    }
    this.record = { ...record, attached: this.domain, claimed: false };
    this.api = new DmaApi({ driver: host, meter: this.meter, version: DEFAULT_VERSION, say: () => {} });
  }

  get cycles(): number {
    return this.meter.cycles;
  }

  get exits(): number {
    return this.host.exits;
  }

  map(address: number, bytes: number, direction: Direction): Mapping {
    const mapping = this.api.map(this.record, address, bytes, direction, 0);
    if (this.kind === 'shadow') this.meter.charge('invalidate');
    return mapping;
  }

  unmap(mapping: Mapping): void {
    this.api.unmap(mapping, 0);
  }

  close(): void {
    this.domain.flushQueue?.drain();
  }
}
