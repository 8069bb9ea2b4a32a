/**
 * The driver of one remapping unit: `drivers/iommu/intel/{dmar.c,iommu.c,pasid.c}`. It reaches the chip only
 * through registers, tables in memory and the invalidation queue.
 */
import { DescriptorType, interruptEntryDescriptor } from '../../vtd/formats/invalidation-descriptor.ts';
import type { PhysicalMemory } from '../../vtd/memory.ts';
import type { Iommu } from '../../vtd/unit/iommu.ts';
import {
  faultStatus,
  Global,
  interruptTableAddress,
  Offset,
  ONE_SHOT_MASK,
  protectedMemoryEnable,
  rootTableAddress,
} from '../../vtd/unit/registers.ts';
import type { PagingDomain } from '../domains/domain.ts';
import { InterruptTable, TABLE_BYTES, TABLE_SIZE } from '../interrupts/interrupt-table.ts';
import { FAULT_VECTOR } from '../interrupts/interrupt-vectors.ts';
import { PAGE, type PageFrames } from '../page-frames.ts';
import type { PciFunction } from '../pci.ts';
import { holds } from '../version-rules.ts';
import { AtsDevices } from './ats-devices.ts';
import { LatencyStatistics } from './latency-statistics.ts';
import { LegacyMode } from './legacy-mode.ts';
import type { QueueErrorCounts, QueueHost } from './queue-errors.ts';
import { QueuedInvalidation } from './queued-invalidation.ts';
import { RegisterInvalidation } from './register-invalidation.ts';
import { ScalableMode } from './scalable-mode.ts';
import type { TranslationMode } from './translation-mode.ts';

const { EPM } = protectedMemoryEnable.fields;
const PROTECTED = EPM.mask << EPM.shift;

export class UnitDriver {
  readonly unit: Iommu;
  /** See QueuedInvalidation; to be set before the queue is. */
  givesHint = true;
  /** How long an invalidation takes a CPU, in nanoseconds; to be set before the queue is. */
  invalidationNs = 0;
  readonly latencies = new LatencyStatistics();
  private readonly memory: PhysicalMemory;
  private readonly frames: PageFrames;
  private readonly host: QueueHost;
  /** The interrupt-remapping table as far as memory was taken for it; null while there is none. */
  interruptTable: { readonly address: number; readonly bytes: number } | null = null;
  private queue: QueuedInvalidation | null = null;
  private usedMode: TranslationMode | null = null;
  private usedAts: AtsDevices | null = null;

  constructor(unit: Iommu, memory: PhysicalMemory, frames: PageFrames, host: QueueHost) {
    this.unit = unit;
    this.memory = memory;
    this.frames = frames;
    this.host = host;
  }

  /** Errors of the invalidation queue that the kernel met. */
  get queueErrors(): QueueErrorCounts {
    return this.queue?.errors.counts ?? { IQE: 0, ITE: 0, ICE: 0, last: null };
  }

  /** How domains are told to the unit. Throws before there is a root table. */
  get mode(): TranslationMode {
    if (this.usedMode === null) throw new Error('the unit has no root table yet');
    return this.usedMode;
  }

  /**
   * A device was found: whether it may keep translations of its own, and then what every device has.
   *
   * @param aliases source ids of its DMA, its own first
   */
  probe(fn: PciFunction, aliases: readonly number[], atsAllowed: boolean): void {
    this.usedAts?.probe(fn, this.unit.capabilities.deviceTlb, atsAllowed);
    this.mode.probe(aliases);
  }

  /** Whether ATS of a device is enabled. */
  usesAts(sourceId: number): boolean {
    return this.usedAts?.has(sourceId) ?? false;
  }

  /** Early boot: the invalidation queue, where the unit has one (dmar_enable_qi). */
  enableQueue(): void {
    if (!this.unit.capabilities.queuedInvalidation) return;
    const queue = new QueuedInvalidation(this.unit, this.memory, this.frames, this.host);
    queue.givesHint = this.givesHint;
    queue.losesHint = !holds('passesHint', this.host.version);
    queue.onDone = (type, waitedNs) => this.latencies.took(type, this.invalidationNs + waitedNs);
    this.queue = queue;
    this.command(Global.QIE, Global.QIE);
  }

  /** Early boot, after the queue: an empty table of interrupt remapping, in x2APIC mode where the unit has it. */
  enableInterruptRemapping(): InterruptTable {
    const { unit, memory, frames, queue } = this;
    if (queue === null) throw new Error('the invalidation queue comes before interrupt remapping');
    const base = frames.allocateRun(TABLE_BYTES / PAGE);
    const isX2apic = unit.capabilities.extendedInterruptMode;
    const [low, high] = interruptTableAddress.encode({ IRTA: base, EIME: isX2apic ? 1 : 0, S: TABLE_SIZE });
    unit.write64(Offset.IRTA, high, low);
    this.interruptTable = { address: base, bytes: TABLE_BYTES };
    this.command(Global.SIRTP, Global.SIRTP);
    if (!unit.capabilities.setInterruptTableInvalidates)
      queue.submit(interruptEntryDescriptor.encode({ type: DescriptorType.INTERRUPT_ENTRY }));
    this.command(Global.IRE, Global.IRE);
    return new InterruptTable(memory, queue, base, isX2apic);
  }

  /** Set an empty root table of a mode, drop what the caches hold, and take fault events. */
  setRoot(isScalable: boolean): void {
    const { unit, memory, frames } = this;
    const root = frames.allocateCleared(memory);
    const mode = isScalable ? this.scalableMode(root) : this.legacyMode(root);
    this.usedMode = mode;
    this.flushWriteBuffer();
    const [low, high] = rootTableAddress.encode({ RTA: root, TTM: mode.tableMode });
    unit.write64(Offset.RTADDR, high, low);
    this.command(Global.SRTP, Global.SRTP);
    if (!unit.capabilities.setRootInvalidates) mode.invalidateEverything();
    this.unit.write32(Offset.FEDATA, FAULT_VECTOR);
    this.unit.write32(Offset.FEADDR, 0xfee0_0000 | 0);
    this.unit.write32(Offset.FEUADDR, 0);
    this.unit.write32(Offset.FECTL, 0);
  }

  private scalableMode(root: number): TranslationMode {
    const { unit, memory, frames, queue } = this;
    if (queue === null) throw new Error('the invalidation queue comes before scalable mode');
    const ats = new AtsDevices(queue);
    this.usedAts = ats;
    return new ScalableMode(unit.capabilities, memory, frames, queue, ats, root);
  }

  /** A unit without a queue is invalidated through registers, and has no device TLBs (intel_iommu_init_qi). */
  private legacyMode(root: number): TranslationMode {
    const { unit, memory, frames, queue } = this;
    this.usedAts = queue === null ? null : new AtsDevices(queue);
    const invalidation = queue ?? new RegisterInvalidation(unit, this.host.say);
    return new LegacyMode(unit.capabilities, memory, frames, invalidation, this.usedAts, root);
  }

  /**
   * Pages that were not present were mapped (cache_tag_flush_range_np). A unit in caching mode may have cached that
   * they were not there; one with a write buffer (CAP.RWBF) is told to write it out.
   */
  mapped(domain: PagingDomain, iova: number, pages: number): void {
    if (this.unit.capabilities.cachingMode && domain.table.stage === 'second') {
      this.mode.flushAbsent(domain, iova, pages);
    } else this.flushWriteBuffer();
  }

  /**
   * A device was given a domain. A unit in caching mode was told what to drop instead (context_present_cache_flush,
   * pasid_flush_caches).
   */
  attached(): void {
    if (!this.unit.capabilities.cachingMode) this.flushWriteBuffer();
  }

  /** Have tables written out of the unit's write buffer, where it has one (iommu_flush_write_buffer). */
  private flushWriteBuffer(): void {
    const { unit } = this;
    if (!unit.capabilities.writeBufferFlush) return;
    unit.write32(Offset.GCMD, (unit.read32(Offset.GSTS) & ONE_SHOT_MASK) | Global.WBF);
  }

  /** Turn translation on or off. */
  enableTranslation(on: boolean): void {
    this.command(Global.TE, on ? Global.TE : 0);
  }

  /** Open the regions that firmware kept all DMA out of until tables do (iommu_disable_protect_mem_regions). */
  disableProtectedRegions(): void {
    const { unit } = this;
    const { protectedLow, protectedHigh } = unit.capabilities;
    if (!protectedLow && !protectedHigh) return;
    unit.write32(Offset.PMEN, unit.read32(Offset.PMEN) & ~PROTECTED);
  }

  /** Read and clear the fault records, as the fault interrupt does. Returns FSTS and the records found. */
  takeFaults(): { status: number; records: Int32Array[] } {
    const { unit } = this;
    const { faultOffset, faultRecords } = unit.capabilities;
    const status = unit.read32(Offset.FSTS);
    const { FRI, PPF } = faultStatus.fields;
    const records: Int32Array[] = [];
    // Errors of the queue raise the same interrupt, and are left to whoever waits for it.
    if (((status >>> PPF.shift) & PPF.mask) === 0) return { status, records };
    let index = (status >>> FRI.shift) & FRI.mask;
    for (let seen = 0; seen < faultRecords; seen++) {
      const at = faultOffset + 16 * index;
      if (unit.read32(at + 12) >= 0) break;
      records.push(Int32Array.from([0, 4, 8, 12], (offset) => unit.read32(at + offset)));
      unit.write32(at + 12, 1 << 31);
      index = (index + 1) % faultRecords;
    }
    // PFO, PPF and the bit that once was PRO, as Linux writes them.
    unit.write32(Offset.FSTS, 0x83);
    return { status, records };
  }

  /** One change of GCMD: from a copy of GSTS without its one-shot bits, then wait for GSTS to follow. */
  private command(mask: number, value: number): void {
    const state = this.unit.read32(Offset.GSTS) & ONE_SHOT_MASK;
    this.unit.write32(Offset.GCMD, (state & ~mask) | value);
    if ((this.unit.read32(Offset.GSTS) & mask) !== value) {
      throw new Error(`the unit did not take GCMD 0x${(value >>> 0).toString(16)}`);
    }
  }
}
