/** A remapping unit on a bench: its memory, its registers as software sees them, and requests one at a time. */
import { bigToWords, wordsToBig } from '../../source/vtd/bits.ts';
import { contextEntry } from '../../source/vtd/formats/context-entry.ts';
import {
  contextDescriptor,
  DescriptorType,
  Granularity,
  interruptEntryDescriptor,
  iotlbDescriptor,
  PasidGranularity,
  pasidCacheDescriptor,
  pasidIotlbDescriptor,
} from '../../source/vtd/formats/invalidation-descriptor.ts';
import { EXECUTE, READ, WRITE } from '../../source/vtd/formats/paging-entry.ts';
import { replyNames } from '../../source/vtd/formats/translation-completion.ts';
import { PhysicalMemory } from '../../source/vtd/memory.ts';
import { parseBdf } from '../../source/vtd/source-id.ts';
import { type PresetName, presets, type UnitDescription } from '../../source/vtd/unit/capabilities.ts';
import { Iommu, type IommuOptions } from '../../source/vtd/unit/iommu.ts';
import {
  contextCommand,
  Global,
  iotlbCommand,
  Offset,
  ONE_SHOT_MASK,
} from '../../source/vtd/unit/registers.ts';
import { withParameter } from '../../source/vtd/unit/unit-parameters.ts';

export const accesses = { read: READ, write: WRITE, atomic: READ | WRITE, execute: READ | EXECUTE } as const;
export type Access = keyof typeof accesses;

/** In the order of the outcome numbers. */
export const outcomeNames = ['untranslated', 'passed', 'hit', 'walked', 'interrupt', 'blocked'] as const;

export type Answer = {
  readonly outcome: (typeof outcomeNames)[number];
  /** Where the access goes; null if it goes nowhere. */
  readonly output: bigint | null;
  readonly fault: number;
  readonly reads: number;
};

export type TranslationOptions = {
  readonly nw?: boolean;
  readonly pasid?: number;
  readonly priv?: boolean;
  readonly execute?: boolean;
};

export type TranslationAnswer = {
  readonly reply: (typeof replyNames)[number];
  readonly completion: bigint | null;
  readonly fault: number;
  readonly reads: number;
};

export type ContextInvalidation = {
  readonly context: 'global' | 'domain' | 'device';
  readonly did?: number;
  readonly sid?: string;
  readonly fm?: number;
};

export type IotlbInvalidation = {
  readonly iotlb: 'global' | 'domain' | 'page';
  readonly did?: number;
  readonly at?: bigint | string;
  readonly am?: number;
  readonly ih?: boolean;
};

export type PasidCacheInvalidation = {
  readonly pasidCache: 'global' | 'domain' | 'pasid';
  readonly did?: number;
  readonly pasid?: number;
};

export type PasidIotlbInvalidation = {
  readonly pasidIotlb: 'all' | 'page';
  readonly did?: number;
  readonly pasid?: number;
  readonly at?: bigint | string;
  readonly am?: number;
  readonly ih?: boolean;
};

export type InterruptEntryInvalidation = {
  readonly interruptEntries: 'global' | 'index';
  readonly index?: number;
  readonly im?: number;
};

export type AnyInvalidation =
  | InterruptEntryInvalidation
  | ContextInvalidation
  | IotlbInvalidation
  | PasidCacheInvalidation
  | PasidIotlbInvalidation;

/** In the order of the numbers of Delivery. */
export const deliveryNames = ['none', 'as written', 'remapped', 'posted', 'posted, notified'] as const;

export type InterruptAnswer = {
  readonly delivery: (typeof deliveryNames)[number];
  readonly vector: number;
  readonly destination: number;
  readonly deliveryMode: number;
  readonly isLogical: boolean;
  readonly isLevel: boolean;
  readonly isHinted: boolean;
  readonly index: number;
  readonly fault: number;
  readonly reads: number;
};

const contextGranularity = { global: 1, domain: 2, device: 3 } as const;
const iotlbGranularity = { global: 1, domain: 2, page: 3 } as const;

export const high = (value: bigint): number => Number((value >> 32n) & 0xffff_ffffn) | 0;
export const low = (value: bigint): number => Number(value & 0xffff_ffffn) | 0;
export const deviceId = (bdf: string): number => parseBdf(bdf)!;

export type BenchOptions = IommuOptions & { readonly unit?: UnitDescription; readonly ram?: number };

export class Bench {
  readonly memory: PhysicalMemory;
  readonly iommu: Iommu;
  /** The messages the unit sent for its own events. */
  readonly interrupts: { address: number; data: number }[] = [];
  /** Where `map` takes its tables from. */
  nextTable = 0x10_0000;
  private queueBase = 0;
  private queueBytes = 0;
  private queueStep = 16;

  constructor({ unit = presets.skylake, ram = 0x100_0000, ...options }: BenchOptions = {}) {
    this.memory = new PhysicalMemory(ram);
    this.iommu = new Iommu(
      this.memory,
      unit,
      (address, data) => this.interrupts.push({ address, data }),
      options,
    );
  }

  poke(address: bigint | number, qword: bigint): void {
    this.memory.write64(Number(address), high(qword), low(qword));
  }

  peek(address: bigint | number): bigint {
    return wordsToBig(this.memory.read64(Number(address)));
  }

  /** A 32-bit register, unsigned. */
  reg(offset: number): number {
    return this.iommu.read32(offset) >>> 0;
  }

  reg64(offset: number): bigint {
    return wordsToBig(this.iommu.read64(offset));
  }

  write(offset: number, value: number): void {
    this.iommu.write32(offset, value | 0);
  }

  write64(offset: number, value: bigint): void {
    this.iommu.write64(offset, high(value), low(value));
  }

  /** One GCMD write as software makes it: the present state without one-shot bits, and one change. */
  command(set: number, clear = 0): void {
    this.write(Offset.GCMD, ((this.reg(Offset.GSTS) & ONE_SHOT_MASK) | set) & ~clear);
  }

  setRoot(rtaddr: bigint): void {
    this.write64(Offset.RTADDR, rtaddr);
    this.command(Global.SRTP);
  }

  /** Set the root table, invalidate everything as software must, and turn translation on. */
  start(rtaddr = 0x1000n): this {
    this.setRoot(rtaddr);
    this.invalidate({ context: 'global' });
    this.invalidate({ iotlb: 'global' });
    this.command(Global.TE);
    return this;
  }

  /** Likewise in scalable mode, where invalidation takes a queue of 256-bit descriptors. */
  startScalable(rtaddr = 0x1400n): this {
    this.enableQueue(this.memory.size - 0x1_0000, 0, true);
    this.setRoot(rtaddr);
    this.invalidateAll();
    this.command(Global.TE);
    return this;
  }

  /** The complete invalidation of scalable mode, in the order that leaves nothing stale. */
  invalidateAll(): void {
    this.invalidate({ context: 'global' });
    this.invalidate({ pasidCache: 'global' });
    this.invalidate({ iotlb: 'global' });
  }

  dma(from: string | number, access: Access, at: bigint, pasid = -1, isPrivileged = false): Answer {
    const { translator } = this.iommu;
    const id = typeof from === 'number' ? from : deviceId(from);
    const number =
      pasid < 0
        ? translator.translate(id, high(at), low(at), accesses[access])
        : translator.translateWithPasid(id, high(at), low(at), accesses[access], pasid, isPrivileged);
    return this.answerOf(number);
  }

  private answerOf(number: number): Answer {
    const { translator } = this.iommu;
    const outcome = outcomeNames[number];
    const goes = outcome !== 'blocked' && outcome !== 'interrupt';
    return {
      outcome,
      output: goes ? wordsToBig([translator.outLo, translator.outHi]) : null,
      fault: translator.fault,
      reads: translator.reads,
    };
  }

  /** Set the interrupt-remapping table, drop what is cached of an older one, and remap. */
  startInterrupts(irta: bigint): this {
    if (!this.iommu.queue.enabled) this.enableQueue();
    this.write64(Offset.IRTA, irta);
    this.command(Global.SIRTP);
    this.invalidate({ interruptEntries: 'global' });
    this.command(Global.IRE);
    return this;
  }

  /** A write into 0xfeex_xxxx on its way through the unit. */
  interrupt(from: string | number, address: number, data: number, bytes = 4): InterruptAnswer {
    const { translator } = this.iommu;
    const id = typeof from === 'number' ? from : deviceId(from);
    translator.translate(id, 0, address | 0, WRITE);
    translator.interrupt(id, address | 0, data | 0, bytes);
    const { vector, destination, deliveryMode, isLogical, isLevel, isHinted, fault, reads } = translator;
    return {
      delivery: deliveryNames[translator.delivery],
      vector,
      destination,
      deliveryMode,
      isLogical,
      isLevel,
      isHinted,
      index: translator.interruptIndex,
      fault,
      reads,
    };
  }

  /** A translation request: how it was answered, and the entry of a successful completion. */
  translation(
    from: string,
    at: bigint,
    { nw = false, pasid = -1, priv = false, execute = false }: TranslationOptions = {},
  ): TranslationAnswer {
    const { translator } = this.iommu;
    const reply = translator.translationRequest(deviceId(from), high(at), low(at), nw, pasid, priv, execute);
    return {
      reply: replyNames[reply],
      completion: reply === 0 ? wordsToBig([translator.completionLo, translator.completionHi]) : null,
      fault: translator.fault,
      reads: translator.reads,
    };
  }

  /** A request whose address a device TLB gave. */
  translated(from: string, access: Access, at: bigint, pasid = -1): Answer {
    const { translator } = this.iommu;
    return this.answerOf(
      translator.translatedRequest(deviceId(from), high(at), low(at), accesses[access], pasid),
    );
  }

  zeroLengthRead(from: string, at: bigint, pasid = -1): Answer {
    return this.answerOf(this.iommu.translator.zeroLengthRead(deviceId(from), high(at), low(at), pasid));
  }

  /** The fault records, F bits included, as software reads them: low and high qword. */
  records(): [bigint, bigint][] {
    const { faultOffset, faultRecords } = this.iommu.capabilities;
    return Array.from({ length: faultRecords }, (_, i) => [
      this.reg64(faultOffset + 16 * i),
      this.reg64(faultOffset + 16 * i + 8),
    ]);
  }

  /** Software's drain: write 1 to F of each record, then to PFO. */
  clearFaults(): void {
    const { faultOffset, faultRecords } = this.iommu.capabilities;
    for (let i = 0; i < faultRecords; i++) this.write(faultOffset + 16 * i + 12, 1 << 31);
    this.write(Offset.FSTS, 1);
  }

  enableQueue(base = 0xf0_0000, size = 0, isWide = false): void {
    this.queueBase = base;
    this.queueBytes = 4096 << size;
    this.queueStep = isWide ? 32 : 16;
    this.write64(Offset.IQT, 0n);
    this.write64(Offset.IQA, BigInt(base + size + (isWide ? 0x800 : 0)));
    this.command(Global.QIE);
  }

  /** Put descriptors at the tail and tell the unit. */
  submit(...descriptors: ArrayLike<number>[]): void {
    let tail = this.reg(Offset.IQT);
    for (const words of descriptors) {
      this.memory.writeWords(this.queueBase + tail, words);
      for (let at = 4 * words.length; at < this.queueStep; at += 4)
        this.memory.write32(this.queueBase + tail + at, 0);
      tail = (tail + this.queueStep) % this.queueBytes;
    }
    this.write64(Offset.IQT, BigInt(tail));
  }

  /** An invalidation by whichever interface is in use. */
  invalidate(what: AnyInvalidation): void {
    if (this.iommu.queue.enabled) this.submit(descriptorOf(what));
    else if ('context' in what) this.invalidateContext(what);
    else if ('iotlb' in what) this.invalidateIotlb(what);
    else throw new TypeError('PASIDs and interrupt entries are invalidated by the queue');
  }

  /** A root and a context entry for a device; tables at 0x1000 and, for each bus, from 0x2000 on. */
  attach(
    bdf: string,
    entry: { TT?: number; SSPTPTR?: bigint; AW?: number; DID?: number; FPD?: number },
  ): void {
    const id = deviceId(bdf);
    const table = 0x2000 + 0x1000 * (id >>> 8);
    this.poke(0x1000 + 16 * (id >>> 8), BigInt(table + 1));
    this.memory.writeWords(table + 16 * (id & 0xff), contextEntry.encode({ P: 1, AW: 2, ...entry }));
  }

  /** A leaf of a level for an address, with the tables above it from level `levels` down. */
  map(table: number, levels: number, iova: bigint, leaf: bigint, level = 1): void {
    let at = table;
    for (let n = levels; n > level; n--) {
      const slot = at + entryOffset(iova, n);
      if (this.peek(slot) === 0n) {
        this.poke(slot, BigInt(this.nextTable + 3));
        this.nextTable += 0x1000;
      }
      at = Number(this.peek(slot) & ~0xfffn);
    }
    this.poke(at + entryOffset(iova, level), leaf);
  }

  private invalidateContext({ context, did = 0, sid = '00:00.0', fm = 0 }: ContextInvalidation): void {
    this.write64(
      Offset.CCMD,
      wordsToBig(
        contextCommand.encode({
          ICC: 1,
          CIRG: contextGranularity[context],
          FM: fm,
          SID: deviceId(sid),
          DID: did,
        }),
      ),
    );
  }

  private invalidateIotlb({ iotlb, did = 0, at = 0n, am = 0, ih = false }: IotlbInvalidation): void {
    const { invalidateOffset } = this.iommu.capabilities;
    this.write64(invalidateOffset, (BigInt(at) & ~0xfffn) | BigInt(am | (ih ? 0x40 : 0)));
    this.write64(
      invalidateOffset + 8,
      wordsToBig(iotlbCommand.encode({ IVT: 1, IIRG: iotlbGranularity[iotlb], DID: did })),
    );
  }
}

export const entryOffset = (iova: bigint, level: number): number =>
  8 * Number((iova >> BigInt(12 + 9 * (level - 1))) & 0x1ffn);

export function descriptorOf(what: AnyInvalidation): Int32Array {
  if ('interruptEntries' in what) {
    const { interruptEntries, index = 0, im = 0 } = what;
    const G = interruptEntries === 'index' ? 1 : 0;
    return interruptEntryDescriptor.encode({
      type: DescriptorType.INTERRUPT_ENTRY,
      G,
      IIDX: index,
      IM: im,
    });
  }
  if ('pasidCache' in what) {
    const { pasidCache, did = 0, pasid = 0 } = what;
    const { GLOBAL, DOMAIN, PASID } = PasidGranularity;
    const G = { global: GLOBAL, domain: DOMAIN, pasid: PASID }[pasidCache];
    return pasidCacheDescriptor.encode({ type: DescriptorType.PASID_CACHE, G, DID: did, PASID: pasid });
  }
  if ('pasidIotlb' in what) {
    const { pasidIotlb, did = 0, pasid = 0, at = 0n, am = 0, ih = false } = what;
    return pasidIotlbDescriptor.encode({
      type: DescriptorType.PASID_IOTLB,
      G: { all: Granularity.DOMAIN, page: Granularity.SELECTIVE }[pasidIotlb],
      DID: did,
      PASID: pasid,
      AM: am,
      IH: ih ? 1 : 0,
      ADDR: BigInt(at) & ~0xfffn,
    });
  }
  if ('context' in what) {
    const { context, did = 0, sid = '00:00.0', fm = 0 } = what;
    return contextDescriptor.encode({
      type: DescriptorType.CONTEXT,
      G: contextGranularity[context],
      DID: did,
      SID: deviceId(sid),
      FM: fm,
    });
  }
  const { iotlb, did = 0, at = 0n, am = 0, ih = false } = what;
  const G = { global: Granularity.GLOBAL, domain: Granularity.DOMAIN, page: Granularity.SELECTIVE }[iotlb];
  return iotlbDescriptor.encode({
    type: DescriptorType.IOTLB,
    G,
    DID: did,
    AM: am,
    IH: ih ? 1 : 0,
    ADDR: BigInt(at) & ~0xfffn,
  });
}

/** A unit like another, with some of its capability bits changed: CAP or ECAP bits to set and to clear. */
export function unitLike(
  name: keyof typeof presets,
  change: {
    readonly capSet?: bigint;
    readonly capClear?: bigint;
    readonly ecapSet?: bigint;
    readonly ecapClear?: bigint;
    readonly hostAddressWidth?: number;
  } = {},
): UnitDescription {
  const { cap, ecap, version, hostAddressWidth } = presets[name];
  return {
    name,
    cap: (cap & ~(change.capClear ?? 0n)) | (change.capSet ?? 0n),
    ecap: (ecap & ~(change.ecapClear ?? 0n)) | (change.ecapSet ?? 0n),
    version,
    hostAddressWidth: change.hostAddressWidth ?? hostAddressWidth,
  };
}

/** A preset with some parameters changed, by words such as `ecap.PT=0 cap.NFR=3`. */
export const unitWith = (preset: PresetName, words: string): UnitDescription =>
  words
    .split(' ')
    .map((word) => word.split('='))
    .reduce(
      (unit, [name, value]) => withParameter(unit, name, Number(value)),
      presets[preset] as UnitDescription,
    );

/** A raw structure of qwords, least significant first, as 32-bit words. */
export const qwords = (...values: (bigint | string)[]): Int32Array =>
  Int32Array.from(values.flatMap((value) => [...bigToWords(BigInt(value), 2)]));
