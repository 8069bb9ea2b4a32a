/**
 * The driver of one remapping unit: `drivers/iommu/intel/{dmar.c,iommu.c,pasid.c}`. It reaches the chip only
 * through registers, tables in memory and the invalidation queue.
 */
import { highHalf, lowHalf } from '../vtd/bits.ts';
import { contextEntry, TranslationType } from '../vtd/context-entry.ts';
import {
  contextDescriptor,
  DescriptorType,
  Granularity,
  iotlbDescriptor,
  waitDescriptor,
} from '../vtd/invalidation-descriptor.ts';
import type { Iommu } from '../vtd/iommu.ts';
import type { PhysicalMemory } from '../vtd/memory.ts';
import { faultStatus, Global, Offset, ONE_SHOT_MASK } from '../vtd/registers.ts';
import { rootEntry } from '../vtd/root-entry.ts';
import type { Domain } from './domain.ts';
import { PAGE, type PageFrames } from './page-frames.ts';

/** The value a finished wait descriptor leaves behind (QI_DONE). */
const DONE = 2;
const QUEUE_SLOTS = 256;
const QUEUE_STOPPED = faultStatus.fields.IQE.mask << faultStatus.fields.IQE.shift;
/** The interrupt vector that Linux gives fault events; any free one. */
export const FAULT_VECTOR = 0x21;

export class UnitDriver {
  readonly unit: Iommu;
  rootTable = 0;
  /** Invalidations waited for, each costing the CPU a spin. */
  waits = 0;
  private readonly memory: PhysicalMemory;
  private readonly frames: PageFrames;
  private readonly onQueueError: (reason: number) => void;
  private readonly contextTables = new Map<number, number>();
  private queue = 0;
  private status = 0;
  private tail = 0;

  /** @param onQueueError told why the invalidation queue stopped, each time it does */
  constructor(
    unit: Iommu,
    memory: PhysicalMemory,
    frames: PageFrames,
    onQueueError: (reason: number) => void,
  ) {
    this.unit = unit;
    this.memory = memory;
    this.frames = frames;
    this.onQueueError = onQueueError;
  }

  /** Early boot: the invalidation queue, and interrupt remapping if asked for. */
  enableQueue(interruptRemapping: boolean): void {
    this.queue = this.zeroedFrame();
    this.status = this.zeroedFrame();
    this.unit.write32(Offset.IQT, 0);
    this.unit.write64(Offset.IQA, highHalf(this.queue), lowHalf(this.queue));
    this.command(Global.QIE, Global.QIE);
    if (!interruptRemapping) return;
    const table = this.zeroedFrame();
    // S = 15: 65,536 entries, as Linux asks for.
    this.unit.write64(Offset.IRTA, highHalf(table), lowHalf(table) | 0xf);
    this.command(Global.SIRTP, Global.SIRTP);
    this.submit(Int32Array.of(DescriptorType.INTERRUPT_ENTRY, 0, 0, 0));
    this.command(Global.IRE, Global.IRE);
  }

  /** Set an empty root table, drop what the caches hold, and take fault events. */
  setRoot(): void {
    this.rootTable = this.zeroedFrame();
    this.unit.write64(Offset.RTADDR, highHalf(this.rootTable), lowHalf(this.rootTable));
    this.command(Global.SRTP, Global.SRTP);
    if (!this.unit.capabilities.setRootInvalidates) {
      this.submit(contextDescriptor.encode({ type: DescriptorType.CONTEXT, G: Granularity.GLOBAL }));
      this.submit(this.iotlb({ G: Granularity.GLOBAL }));
    }
    this.unit.write32(Offset.FEDATA, FAULT_VECTOR);
    this.unit.write32(Offset.FEADDR, 0xfee0_0000 | 0);
    this.unit.write32(Offset.FEUADDR, 0);
    this.unit.write32(Offset.FECTL, 0);
  }

  /** Turn translation on or off. */
  enableTranslation(on: boolean): void {
    this.command(Global.TE, on ? Global.TE : 0);
  }

  /** Give a device a domain. Its context entry must not be present. */
  attach(sourceId: number, domain: Domain): void {
    const { capabilities } = this.unit;
    const entry =
      domain.type === 'identity'
        ? { P: 1, TT: TranslationType.PASS_THROUGH, AW: capabilities.largestAw, DID: domain.did }
        : {
            P: 1,
            TT: TranslationType.TRANSLATED,
            SSPTPTR: domain.table.root,
            AW: domain.table.levels - 2,
            DID: domain.did,
          };
    const at = this.contextEntryAt(sourceId);
    const words = contextEntry.encode(entry);
    // The half with the present bit last, so that the unit never sees half an entry.
    this.memory.writeWords(at + 8, words.subarray(2));
    this.memory.writeWords(at, words.subarray(0, 2));
  }

  /** Take a device's domain away: clear the entry, then drop what the caches know of it. */
  detach(sourceId: number, did: number): void {
    const at = this.contextEntryAt(sourceId);
    this.memory.writeWords(at, [0, 0, 0, 0]);
    this.submit(
      contextDescriptor.encode({
        type: DescriptorType.CONTEXT,
        G: Granularity.SELECTIVE,
        DID: did,
        SID: sourceId,
      }),
    );
    this.flushDomain(did);
  }

  /** Invalidate all that the unit caches of a domain, and wait. */
  flushDomain(did: number): void {
    this.submit(this.iotlb({ G: Granularity.DOMAIN, DID: did }));
  }

  /**
   * Invalidate a range of a domain, and wait: the smallest aligned power of two of pages that covers it,
   * or the whole domain if that is more than the unit can mask.
   *
   * @param leafOnly no table was freed, so that the paging-structure caches may stay
   */
  flushPages(did: number, iova: number, pages: number, leafOnly: boolean): void {
    const { pageSelective, maxAddressMask } = this.unit.capabilities;
    const first = iova / PAGE;
    let mask = Math.ceil(Math.log2(pages));
    while (Math.floor(first / 2 ** mask) !== Math.floor((first + pages - 1) / 2 ** mask)) mask++;
    if (!pageSelective || mask > maxAddressMask) return this.flushDomain(did);
    const ADDR = Math.floor(first / 2 ** mask) * 2 ** mask * PAGE;
    this.submit(this.iotlb({ G: Granularity.SELECTIVE, DID: did, AM: mask, IH: leafOnly ? 1 : 0, ADDR }));
  }

  /** Read and clear the fault records, as the fault interrupt does. Returns FSTS and the records found. */
  takeFaults(): { status: number; records: Int32Array[] } {
    const { unit } = this;
    const { faultOffset, faultRecords } = unit.capabilities;
    const status = unit.read32(Offset.FSTS);
    const { FRI } = faultStatus.fields;
    const records: Int32Array[] = [];
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

  /** Put one descriptor and a wait into the queue, and wait until it is done. */
  private submit(descriptor: Int32Array): void {
    this.memory.writeWords(this.queue + 16 * this.tail, descriptor);
    const slot = (this.tail + 1) % QUEUE_SLOTS;
    const statusAt = this.status + 4 * slot;
    this.memory.write32(statusAt, 0);
    this.memory.writeWords(
      this.queue + 16 * slot,
      waitDescriptor.encode({ type: DescriptorType.WAIT, SW: 1, STDATA: DONE, STADDR: statusAt }),
    );
    this.tail = (slot + 1) % QUEUE_SLOTS;
    this.unit.write32(Offset.IQT, this.tail * 16);
    this.waits++;
    if (this.memory.read32(statusAt) !== DONE) this.recover();
  }

  /**
   * The queue stopped at a descriptor it does not understand, because something wrote over it: put a wait in
   * its place and let the queue go on, as qi_check_fault does.
   */
  private recover(): void {
    for (
      let tries = 0;
      tries < QUEUE_SLOTS && (this.unit.read32(Offset.FSTS) & QUEUE_STOPPED) !== 0;
      tries++
    ) {
      const head = this.unit.read32(Offset.IQH);
      this.onQueueError(this.unit.read32(Offset.IQERCD));
      const skip = waitDescriptor.encode({
        type: DescriptorType.WAIT,
        SW: 1,
        STDATA: DONE,
        STADDR: this.status,
      });
      this.memory.writeWords(this.queue + head, skip);
      this.unit.write32(Offset.FSTS, QUEUE_STOPPED);
    }
  }

  private iotlb(values: Parameters<typeof iotlbDescriptor.encode>[0]): Int32Array {
    const { readDraining, writeDraining } = this.unit.capabilities;
    return iotlbDescriptor.encode({
      type: DescriptorType.IOTLB,
      DW: writeDraining ? 1 : 0,
      DR: readDraining ? 1 : 0,
      ...values,
    });
  }

  /** One change of GCMD: from a copy of GSTS without its one-shot bits, then wait for GSTS to follow. */
  private command(mask: number, value: number): void {
    const state = this.unit.read32(Offset.GSTS) & ONE_SHOT_MASK;
    this.unit.write32(Offset.GCMD, (state & ~mask) | value);
    if ((this.unit.read32(Offset.GSTS) & mask) !== value) {
      throw new Error(`the unit did not take GCMD 0x${(value >>> 0).toString(16)}`);
    }
  }

  private contextEntryAt(sourceId: number): number {
    const bus = sourceId >>> 8;
    let table = this.contextTables.get(bus);
    if (table === undefined) {
      table = this.zeroedFrame();
      this.contextTables.set(bus, table);
      this.memory.writeWords(this.rootTable + 16 * bus, rootEntry.encode({ P: 1, CTP: table }));
    }
    return table + 16 * (sourceId & 0xff);
  }

  private zeroedFrame(): number {
    const frame = this.frames.allocate();
    this.memory.clearPage(frame);
    return frame;
  }
}
