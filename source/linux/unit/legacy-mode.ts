/** Legacy mode: a context entry for each device. `drivers/iommu/intel/iommu.c`, domain_context_mapping_one. */

import { contextEntry, TranslationType } from '../../vtd/formats/context-entry.ts';
import { rootEntry } from '../../vtd/formats/root-entry.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import { TableMode } from '../../vtd/translation/walker.ts';
import type { Capabilities } from '../../vtd/unit/capabilities.ts';
import type { Domain, NestedDomain, PagingDomain } from '../domains/domain.ts';
import type { PageFrames } from '../page-frames.ts';
import type { AtsDevices } from './ats-devices.ts';
import type { Invalidation } from './invalidation.ts';
import { alignedRange } from './queued-invalidation.ts';
import { type TranslationMode, writePresentLast } from './translation-mode.ts';

export class LegacyMode implements TranslationMode {
  readonly tableMode = TableMode.LEGACY;
  private readonly capabilities: Capabilities;
  private readonly memory: PhysicalMemory;
  private readonly frames: PageFrames;
  private readonly invalidation: Invalidation;
  /** Null where there is no queue, which alone invalidates device TLBs. */
  private readonly ats: AtsDevices | null;
  private readonly rootTable: number;
  private readonly contextTables = new Map<number, number>();
  /** Source ids with a present context entry. */
  private readonly present = new Set<number>();

  constructor(
    capabilities: Capabilities,
    memory: PhysicalMemory,
    frames: PageFrames,
    invalidation: Invalidation,
    ats: AtsDevices | null,
    rootTable: number,
  ) {
    this.capabilities = capabilities;
    this.memory = memory;
    this.frames = frames;
    this.invalidation = invalidation;
    this.ats = ats;
    this.rootTable = rootTable;
  }

  invalidateEverything(): void {
    this.invalidation.contextGlobal();
    this.invalidation.iotlbGlobal();
  }

  invalidateDevice(sourceId: number, did: number): void {
    this.invalidation.contextDevice(sourceId, did);
    this.invalidation.iotlbDomain(did);
  }

  probe(): void {}

  remove(): void {}

  /** domain_context_mapping: an entry for each alias. One that others on the PCI bus share may be there already. */
  attach(ids: readonly number[], domain: Domain): void {
    for (const id of ids) {
      if (this.present.has(id)) continue;
      this.present.add(id);
      this.attachOne(id, domain);
    }
  }

  /** domain_context_clear: a shared entry goes with the first of those that share it. */
  detach(ids: readonly number[], domain: Domain): void {
    for (const id of ids) if (this.present.delete(id)) this.detachOne(id, domain);
  }

  private attachOne(sourceId: number, domain: Domain): void {
    if (domain.type === 'nested') throw new RangeError('legacy mode has no first stage to nest');
    const entry =
      domain.table === null
        ? { P: 1, TT: TranslationType.PASS_THROUGH, AW: this.capabilities.largestAw, DID: domain.did }
        : {
            P: 1,
            TT: this.ats?.has(sourceId) ? TranslationType.DEVICE_TLB : TranslationType.TRANSLATED,
            SSPTPTR: domain.table.root,
            AW: domain.table.levels - 2,
            DID: domain.did,
          };
    writePresentLast(this.memory, this.contextEntryAt(sourceId), contextEntry.encode(entry));
    // In passthrough TT leaves no room for a device TLB.
    if (domain.type !== 'identity') this.ats?.attach(sourceId, domain);
    if (!this.capabilities.cachingMode) return;
    // The unit may have cached that the entry was not present, tagged with domain 0 (context_present_cache_flush).
    this.invalidation.contextDevice(sourceId, 0);
    this.invalidation.iotlbDomain(domain.did);
  }

  private detachOne(sourceId: number, { did }: Domain): void {
    const at = this.contextEntryAt(sourceId);
    this.memory.writeWords(at, [0, 0, 0, 0]);
    this.invalidateDevice(sourceId, did);
    this.ats?.detach(sourceId);
  }

  flushDomain(domain: PagingDomain | NestedDomain): void {
    this.invalidation.beginBatch();
    this.invalidation.iotlbDomain(domain.did);
    this.ats?.flush(domain);
    this.invalidation.endBatch();
  }

  flushPages(domain: PagingDomain | NestedDomain, iova: number, pages: number, leafOnly: boolean): void {
    const range = alignedRange(iova, pages);
    this.invalidation.beginBatch();
    this.invalidation.iotlbPages(domain.did, range, leafOnly);
    this.ats?.flush(domain, range);
    this.invalidation.endBatch();
  }

  flushAbsent(domain: PagingDomain, iova: number, pages: number): void {
    this.invalidation.iotlbPages(domain.did, alignedRange(iova, pages), false);
  }

  private contextEntryAt(sourceId: number): number {
    const bus = sourceId >>> 8;
    let table = this.contextTables.get(bus);
    if (table === undefined) {
      table = this.frames.allocateCleared(this.memory);
      this.contextTables.set(bus, table);
      this.memory.writeWords(this.rootTable + 16 * bus, rootEntry.encode({ P: 1, CTP: table }));
    }
    return table + 16 * (sourceId & 0xff);
  }
}
