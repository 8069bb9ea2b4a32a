/**
 * Scalable mode: a context entry for each device leads to its PASID directory, and the PASID table entry names the
 * domain. Requests without PASID use PASID 0. `drivers/iommu/intel/pasid.c`, `cache.c`.
 */

import {
  DescriptorType,
  Granularity,
  PasidGranularity,
  pasidCacheDescriptor,
  pasidIotlbDescriptor,
} from '../../vtd/formats/invalidation-descriptor.ts';
import { pasidDirectoryEntry } from '../../vtd/formats/pasid-directory-entry.ts';
import { PageTableType, pasidTableEntry } from '../../vtd/formats/pasid-table-entry.ts';
import { scalableContextEntry } from '../../vtd/formats/scalable-context-entry.ts';
import { scalableRootEntry } from '../../vtd/formats/scalable-root-entry.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import { TableMode } from '../../vtd/translation/walker.ts';
import type { Capabilities } from '../../vtd/unit/capabilities.ts';
import { adjustedWidth, FIVE_LEVELS } from '../domains/address-width.ts';
import type { Domain, NestedDomain, PagingDomain } from '../domains/domain.ts';
import type { PageFrames } from '../page-frames.ts';
import type { AtsDevices } from './ats-devices.ts';
import { alignedRange, type PageRange, type QueuedInvalidation } from './queued-invalidation.ts';
import { type TranslationMode, writePresentLast } from './translation-mode.ts';

/** IOMMU_NO_PASID: what requests without PASID use. */
const NO_PASID = 0;
/** A directory of one page: 512 entries, 32,768 PASIDs; what devices without PASIDs get. */
const ONE_PAGE_DIRECTORY = 2;

type EntryValues = Parameters<typeof pasidTableEntry.encode>[0];

export class ScalableMode implements TranslationMode {
  readonly tableMode = TableMode.SCALABLE;
  private readonly capabilities: Capabilities;
  private readonly memory: PhysicalMemory;
  private readonly frames: PageFrames;
  private readonly queue: QueuedInvalidation;
  private readonly ats: AtsDevices;
  private readonly rootTable: number;
  private readonly contextTables = new Map<number, number>();
  /** PASID directories, by source id. */
  private readonly directories = new Map<number, number>();

  constructor(
    capabilities: Capabilities,
    memory: PhysicalMemory,
    frames: PageFrames,
    queue: QueuedInvalidation,
    ats: AtsDevices,
    rootTable: number,
  ) {
    this.capabilities = capabilities;
    this.memory = memory;
    this.frames = frames;
    this.queue = queue;
    this.ats = ats;
    this.rootTable = rootTable;
  }

  invalidateEverything(): void {
    this.queue.contextGlobal();
    this.invalidatePasidCache({ G: PasidGranularity.GLOBAL });
    this.queue.iotlbGlobal();
  }

  /** intel_context_flush_present, which is for any of its PASIDs. */
  invalidateDevice(sourceId: number, did: number): void {
    this.queue.contextDevice(sourceId, did);
    this.invalidatePasidCache({ G: PasidGranularity.DOMAIN, DID: did });
    this.queue.iotlbDomain(did);
    this.invalidatePasid(did);
  }

  /**
   * An empty PASID directory, and context entries that lead to it: intel_pasid_setup_sm_context. An alias that others on
   * the PCI bus share leads to the directory of the first of them.
   */
  probe([sourceId, ...aliases]: readonly number[]): void {
    const directory = this.frames.allocateCleared(this.memory);
    this.directories.set(sourceId, directory);
    const words = scalableContextEntry.encode({
      P: 1,
      PDTS: ONE_PAGE_DIRECTORY,
      PASIDDIRPTR: directory,
      RID_PASID: NO_PASID,
      DTE: this.ats.has(sourceId) ? 1 : 0,
    });
    for (const id of [sourceId, ...aliases]) {
      const at = this.contextEntryAt(id);
      if ((this.memory.read32(at) & 1) !== 0) continue;
      writePresentLast(this.memory, at, words);
      if (!this.capabilities.cachingMode) continue;
      // Entries cached as not present are tagged with domain 0.
      this.queue.contextDevice(id, 0);
      this.queue.iotlbDomain(0);
    }
  }

  /** intel_pasid_teardown_sm_context. */
  remove(ids: readonly number[]): void {
    for (const id of ids) {
      this.memory.writeWords(this.contextEntryAt(id), new Int32Array(scalableContextEntry.bits / 32));
      this.queue.contextDevice(id, 0);
    }
  }

  attach([sourceId]: readonly number[], domain: Domain): void {
    const words = pasidTableEntry.encode({
      P: 1,
      DID: domain.did,
      PWSNP: this.capabilities.SMPWCS ? 1 : 0,
      ...this.tablesOf(domain),
    });
    writePresentLast(this.memory, this.pasidEntryAt(sourceId), words);
    this.ats.attach(sourceId, domain);
    if (!this.capabilities.cachingMode) return;
    this.invalidatePasidCache({ G: PasidGranularity.PASID, DID: domain.did, PASID: NO_PASID });
    this.invalidatePasid(domain.did);
  }

  /** intel_pasid_tear_down_entry. */
  detach([sourceId]: readonly number[], domain: Domain): void {
    this.memory.writeWords(this.pasidEntryAt(sourceId), new Int32Array(pasidTableEntry.bits / 32));
    this.invalidatePasidCache({ G: PasidGranularity.PASID, DID: domain.did, PASID: NO_PASID });
    // What is nested has second-stage translations as well.
    if (domain.type !== 'nested' && domain.table?.stage !== 'second') this.invalidatePasid(domain.did);
    else this.queue.iotlbDomain(domain.did);
    this.ats.detach(sourceId);
  }

  flushDomain(domain: PagingDomain | NestedDomain): void {
    this.queue.beginBatch();
    if (hasFirstStage(domain)) this.invalidatePasid(domain.did);
    else this.queue.iotlbDomain(domain.did);
    this.ats.flush(domain);
    this.queue.endBatch();
  }

  flushPages(domain: PagingDomain | NestedDomain, iova: number, pages: number, leafOnly: boolean): void {
    const range = alignedRange(iova, pages);
    this.queue.beginBatch();
    if (hasFirstStage(domain)) this.invalidatePasidPages(domain.did, range, leafOnly);
    else this.queue.iotlbPages(domain.did, range, leafOnly);
    this.ats.flush(domain, range);
    this.queue.endBatch();
  }

  flushAbsent(domain: PagingDomain, iova: number, pages: number): void {
    this.queue.iotlbPages(domain.did, alignedRange(iova, pages), false);
  }

  private invalidatePasidPages(did: number, { address, mask }: PageRange, leafOnly: boolean): void {
    this.queue.submit(
      pasidIotlbDescriptor.encode({
        type: DescriptorType.PASID_IOTLB,
        G: Granularity.SELECTIVE,
        DID: did,
        PASID: NO_PASID,
        AM: mask,
        IH: leafOnly && this.queue.givesHint ? 1 : 0,
        ADDR: address,
      }),
    );
  }

  /** What a PASID table entry says of a domain's tables. */
  private tablesOf(domain: Domain): EntryValues {
    const AW = adjustedWidth(this.capabilities, true);
    if (domain.type === 'nested') {
      const { root, levels, parent } = domain;
      return {
        PGTT: PageTableType.NESTED,
        ...secondStage(parent.table),
        FSPM: pagingMode(levels),
        FSPTPTR: root,
      };
    }
    const { table } = domain;
    if (table === null) return { PGTT: PageTableType.PASS_THROUGH, AW };
    if (table.stage === 'second') return { PGTT: PageTableType.SECOND_STAGE, ...secondStage(table) };
    return {
      PGTT: PageTableType.FIRST_STAGE,
      AW,
      FSPM: pagingMode(table.levels),
      NXE: table.forbidsExecution ? 1 : 0,
      FSPTPTR: table.root,
    };
  }

  private invalidatePasidCache(values: Parameters<typeof pasidCacheDescriptor.encode>[0]): void {
    this.queue.submit(pasidCacheDescriptor.encode({ type: DescriptorType.PASID_CACHE, ...values }));
  }

  /** Invalidate what is cached of a domain's PASID. */
  private invalidatePasid(did: number): void {
    const G = Granularity.DOMAIN;
    this.queue.submit(
      pasidIotlbDescriptor.encode({ type: DescriptorType.PASID_IOTLB, G, DID: did, PASID: NO_PASID }),
    );
  }

  private contextEntryAt(sourceId: number): number {
    const half = sourceId >>> 7;
    let table = this.contextTables.get(half);
    if (table === undefined) {
      table = this.frames.allocateCleared(this.memory);
      this.contextTables.set(half, table);
      const words = scalableRootEntry.encode({ LP: 1, LCTP: table });
      this.memory.writeWords(this.rootTable + 8 * half, words.subarray(0, 2));
    }
    return table + 32 * (sourceId & 0x7f);
  }

  /** The entry of PASID 0; its table comes with the first domain and stays: intel_pasid_get_entry. */
  private pasidEntryAt(sourceId: number): number {
    const directory = this.directories.get(sourceId);
    if (directory === undefined) throw new RangeError(`source id 0x${sourceId.toString(16)} was not probed`);
    const { P, SMPTBLPTR } = pasidDirectoryEntry.decode(this.memory.readWords(directory, 2));
    if (P === 1n) return Number(SMPTBLPTR);
    const table = this.frames.allocateCleared(this.memory);
    this.memory.writeWords(directory, pasidDirectoryEntry.encode({ P: 1, SMPTBLPTR: table }));
    return table;
  }
}

/** Whether a domain's addresses are translated by a first stage: the host's, or a guest's. */
const hasFirstStage = (domain: PagingDomain | NestedDomain): boolean =>
  domain.type === 'nested' || domain.table.stage === 'first';

const secondStage = ({ root, levels }: PagingDomain['table']) => ({ AW: levels - 2, SSPTPTR: root });

/** FSPM. */
const pagingMode = (levels: number): number => (levels === FIVE_LEVELS ? 1 : 0);
