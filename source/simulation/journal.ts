/**
 * What happened, kept for people to look at: event lines, transactions, faults, corrupted pages.
 *
 * It only listens. Thousands of requests pass in each second on the wall, so while the machine runs a device's
 * plain requests and unmaps are sampled; faults, commands and flushes are all kept, and in detail mode
 * (paused, stepping) everything is.
 */
import type { KernelObserver } from '../linux/kernel.ts';
import type { Device } from '../machine/devices/device.ts';
import {
  addressText,
  type Corruption,
  type DmaObserver,
  type DmaRecord,
  type InterruptRecord,
} from '../machine/devices/dma.ts';
import type { Machine } from '../machine/machine.ts';
import type { MadeCall } from '../machine/programs/vfio-calls.ts';
import { hex, hexOf } from '../vtd/bits.ts';
import { faultReason, isInterruptFault } from '../vtd/faults/fault-reason.ts';
import { faultRecord } from '../vtd/formats/fault-record.ts';
import { WRITE } from '../vtd/formats/paging-entry.ts';
import type { Invalidation } from '../vtd/invalidation/invalidator.ts';
import { bdf } from '../vtd/source-id.ts';
import type { CorruptedPage, EventLine, FaultGroup, Transaction } from './snapshot.ts';

const EVENTS = 400;
const TRANSACTIONS_PER_DEVICE = 64;
/** Groups of faults kept. */
const GROUPS = 500;
/** Requests skipped before a sample vary from 0 up to, but not including, this. */
const SKIP_CYCLE = 12;
/** One interrupt of a device is kept in so many times the usual spacing. */
const INTERRUPT_SPACING = 6;
/** More single faults than this are counted, not kept. */
const FAULTS = 10_000;

/** One refused request. */
export type FaultEntry = {
  readonly timeNs: number;
  readonly device: string;
  readonly bdf: string;
  readonly type: 'read' | 'write' | 'interrupt';
  /** Of an interrupt the index of the entry that it named. */
  readonly address: string;
  readonly reason: number;
  dmesg: string | null;
};

type Group = { -readonly [K in keyof FaultGroup]: FaultGroup[K] };

export class Journal implements DmaObserver, KernelObserver {
  readonly events: EventLine[] = [];
  readonly transactions = new Map<string, Transaction[]>();
  /** The last request of each device that somebody sent by command. */
  readonly sent = new Map<string, Transaction>();
  readonly faults: FaultEntry[] = [];
  readonly groups = new Map<string, Group>();
  /** The request behind each group of faults, kept as long as the group. */
  private readonly behindFaults = new Map<Group, Transaction>();
  /** Calls by which programs took devices through VFIO, and gave them back. */
  readonly calls: (MadeCall & { readonly timeNs: number })[] = [];
  readonly corruptedPages = new Map<number, CorruptedPage>();
  /** Keep everything. */
  detail = false;
  /** Otherwise one plain request, and one unmap, of each device in so much time. */
  sampleNs = 1e6;
  /** The last thing to be kept, by device and kind, for sampling. */
  private readonly lastKept = new Map<string, number>();
  private readonly sampling = new Map<Device, { last: number; skip: number; taken: number }>();
  /** Faults that the unit recorded and the kernel has not read yet. */
  private readonly awaiting: FaultEntry[] = [];
  private nextEvent = 1;
  private nextTransaction = 1;
  private readonly machine: Machine;
  private readonly now: () => number;

  constructor(machine: Machine, now: () => number) {
    this.machine = machine;
    this.now = now;
    machine.dma.observer = this;
    machine.kernel.observer = this;
    machine.onCall = (made) => this.called(made);
    machine.unit.invalidator.observer = (done) => this.invalidated(done);
  }

  /** Requests of a device that can be looked at, newest first: the last ones, and those behind its faults. */
  transactionsOf(device: string): Transaction[] {
    const recent = this.transactions.get(device) ?? [];
    const oldest = recent[0]?.id ?? 0;
    const behind = [...this.behindFaults.values()].filter((one) => one.device === device && one.id < oldest);
    return [...behind, ...recent].sort((a, b) => b.id - a.id);
  }

  /** A line about something a person did. */
  command(verb: string, object: string, result: string): void {
    this.add({ kind: 'command', actor: 'you', verb, object, how: '', result });
  }

  wants(device: Device): boolean {
    if (this.detail) return true;
    // Asked for every request, so without the string that isDue takes.
    const sampling = this.sampling.get(device) ?? { last: Number.NEGATIVE_INFINITY, skip: 0, taken: 0 };
    this.sampling.set(device, sampling);
    if (this.now() - sampling.last < this.sampleNs) return false;
    if (sampling.skip > 0) {
      sampling.skip--;
      return false;
    }
    // The requests of one I/O share a moment: without skipping, the sample would only ever show the first.
    sampling.last = this.now();
    sampling.taken++;
    sampling.skip = (sampling.taken * 7) % SKIP_CYCLE;
    return true;
  }

  wantsInterrupt(device: Device): boolean {
    // One in a while, so that they do not push the DMA out of the list.
    return this.detail || this.isDue(`interrupt ${device.model.name}`, INTERRUPT_SPACING);
  }

  interrupted(record: InterruptRecord, recorded: boolean): void {
    const { device, at, bytes, index, result, fault } = record;
    const { name } = device.model;
    const { requesterId: sourceId } = device;
    const object = index === null ? `addr ${hex(at >>> 0)}` : `index ${hex(index)}`;
    if (fault !== 0) {
      const isInterrupt = isInterruptFault(fault);
      const entry: FaultEntry = {
        timeNs: this.now(),
        device: name,
        bdf: bdf(sourceId),
        type: isInterrupt ? 'interrupt' : 'write',
        address: isInterrupt ? hex((index ?? 0) & 0xffff) : hex(at >>> 0),
        reason: fault,
        dmesg: null,
      };
      this.refused(
        entry,
        isInterrupt ? entry.address : hex((at & ~0xfff) >>> 0),
        isInterrupt ? 'msi' : 'write',
        object,
        bytes,
        recorded,
        () => this.keepInterrupt(record),
      );
      return;
    }
    if (result === null && !this.detail && !this.isDue(`unsupported ${name}`)) return;
    const kept = this.keepInterrupt(record);
    this.add({
      kind: 'interrupt',
      actor: name,
      verb: 'msi',
      object,
      how: result === null ? 'unsupported' : result.delivery,
      result:
        result === null
          ? `${bytes} bytes are no interrupt`
          : `vector ${hex(result.vector)}, processor ${result.processor}${ownerOf(this.machine, device, record)}`,
      bytes,
      device: name,
      transaction: kept.id,
    });
  }

  /** An interrupt request with its steps; where they were not noted, the same decision tells them again. */
  private keepInterrupt({
    device,
    at,
    data,
    bytes,
    index,
    result,
    fault,
    steps,
  }: InterruptRecord): Transaction {
    const { name } = device.model;
    const { requesterId: sourceId } = device;
    const told =
      steps.length > 0 ? steps : this.machine.unit.explainInterrupt(sourceId, at, data, bytes).steps;
    return this.keepTransaction({
      id: this.nextTransaction++,
      timeNs: this.now(),
      device: name,
      bdf: bdf(sourceId),
      type: 'write',
      address: hex(at >>> 0),
      bytes,
      outcome: result === null ? 'blocked' : 'interrupt',
      output: null,
      fault,
      landed: null,
      corrupted: false,
      interrupt: {
        data: hex(data >>> 0),
        index: index === null ? null : hex(index),
        delivery: result?.delivery ?? null,
        vector: result === null ? null : hex(result.vector),
        processor: result?.processor ?? null,
      },
      steps: told,
    });
  }

  done(record: DmaRecord): void {
    const { device, outcome } = record;
    const transaction = this.keep(record);
    this.add({
      kind: 'dma',
      actor: device.model.name,
      verb: verbOf(record),
      object: `${isAsItWas(outcome) ? 'addr' : 'iova'} ${padded(addressText(record))}${pasidText(record)}`,
      how: howOf(record),
      result: resultOf(record),
      bytes: record.bytes,
      device: device.model.name,
      transaction: transaction.id,
    });
  }

  blocked(record: DmaRecord, recorded: boolean): void {
    const { name } = record.device.model;
    const { requesterId: sourceId } = record.device;
    if (record.fault === 0) return this.unsupported(record);
    const entry: FaultEntry = {
      timeNs: this.now(),
      device: name,
      bdf: bdf(sourceId),
      type: typeOf(record),
      address: addressText(record),
      reason: record.fault,
      dmesg: null,
    };
    this.refused(
      entry,
      hexOf(record.hi, record.lo & ~0xfff),
      verbOf(record),
      `addr ${padded(entry.address)}${pasidText(record)}`,
      record.bytes,
      recorded,
      () => this.keep(this.withSteps(record)),
    );
  }

  /** A fault of the unit: alone, in its group, and as an event. */
  private refused(
    entry: FaultEntry,
    page: string,
    verb: string,
    object: string,
    bytes: number,
    recorded: boolean,
    keep: () => Transaction,
  ): void {
    if (this.faults.length < FAULTS) this.faults.push(entry);
    if (recorded) this.awaiting.push(entry);
    const group = this.groupFor(entry, page);
    group.count++;
    group.lastNs = entry.timeNs;
    if (group.transaction === null || this.detail || this.isDue(`fault ${entry.device}`)) {
      const transaction = keep();
      group.transaction = transaction.id;
      this.behindFaults.set(group, transaction);
    }
    this.add({
      kind: 'fault',
      actor: entry.device,
      verb,
      object,
      how: `FAULT ${hex(entry.reason, 2)}`,
      result: faultReason(entry.reason).meaning,
      bytes,
      device: entry.device,
      transaction: group.transaction,
    });
  }

  /** Refused without a fault, so that nothing is recorded. */
  private unsupported(record: DmaRecord): void {
    const { name } = record.device.model;
    if (!this.detail && !this.isDue(`unsupported ${name}`)) return;
    this.add({
      kind: 'dma',
      actor: name,
      verb: verbOf(record),
      object: `addr ${padded(addressText(record))}${pasidText(record)}`,
      ...refusalOf(record),
      bytes: record.bytes,
      device: name,
      transaction: this.keep(this.withSteps(record)).id,
    });
  }

  corrupted(corruption: Corruption): void {
    const { page, device, bytes, owner } = corruption;
    const known = this.corruptedPages.has(page);
    this.corruptedPages.set(page, {
      address: hex(page),
      timeNs: this.now(),
      device: device.model.name,
      bytes,
      owner,
    });
    if (known && !this.detail) return;
    this.add({
      kind: 'corruption',
      actor: device.model.name,
      verb: 'wrote',
      object: `page ${hex(page, 9)}`,
      how: 'not stopped',
      result: `${owner} is corrupted`,
      bytes,
      device: device.model.name,
    });
  }

  unmapped(sourceId: number, address: number, bytes: number, how: 'strict' | 'lazy'): void {
    const device = this.machine.devices.find(({ model }) => model.sourceId === sourceId);
    if (device === undefined || !(this.detail || this.isDue(`unmap ${device.model.name}`))) return;
    this.add({
      kind: 'unmap',
      actor: device.model.name,
      verb: 'unmap',
      object: `iova ${hex(address, 8)}`,
      how,
      result: how === 'lazy' ? 'in the IOTLB up to 10 ms' : 'gone before it returned',
      bytes,
      device: device.model.name,
    });
  }

  fault(words: Int32Array, message: string): void {
    const record = faultRecord.decode(words);
    const isInterrupt = isInterruptFault(Number(record.FR));
    const address = isInterrupt ? hex(words[1] >>> 16) : hexOf(words[1], words[0] & ~0xfff);
    const type = isInterrupt ? 'interrupt' : record.T1 === 1n ? 'read' : 'write';
    const group = this.groups.get(groupKey(bdf(Number(record.SID)), type, address, Number(record.FR)));
    if (group === undefined) return;
    group.dmesg = message;
    group.record = Array.from(words);
    const at = this.awaiting.findIndex((entry) => entry.bdf === group.bdf && entry.reason === group.reason);
    if (at >= 0) this.awaiting.splice(at, 1)[0].dmesg = message;
  }

  /** A call by which a program takes a device, or gives it back. */
  private called(made: MadeCall): void {
    const { program, device, verb, on, name, errno, effect } = made;
    this.calls.push({ timeNs: this.now(), ...made });
    const outcome = errno === null ? effect : `${errno}: ${effect}`;
    const result = [name, outcome].filter((text) => text !== '').join(': ');
    this.add({ kind: 'call', actor: program, verb, object: on, how: '', result, device });
  }

  message(text: string): void {
    this.add({ kind: 'kernel', actor: 'kernel', verb: 'log', object: '', how: '', result: text });
  }

  private invalidated(done: Invalidation): void {
    if (done.kind === 'wait') return;
    const plain = done.granularity === 'page';
    if (plain && !(this.detail || this.isDue(`invalidate ${done.did}`))) return;
    const what = CACHES[done.kind];
    const target =
      done.index !== null
        ? `index ${hex(done.index)}`
        : done.address !== null
          ? `did ${done.did} iova ${hex(done.address, 8)}`
          : done.sourceId !== null
            ? bdf(done.sourceId)
            : done.did !== null
              ? `did ${done.did}`
              : '';
    this.add({
      kind: 'invalidation',
      actor: 'kernel',
      verb: 'inv',
      object: target,
      how: `${what}, ${done.granularity}`,
      result:
        done.kind === 'iotlb' || done.kind === 'pasid iotlb' || done.kind === 'interrupt entry'
          ? `${done.dropped} ${done.dropped === 1 ? 'entry' : 'entries'} dropped`
          : '',
    });
  }

  /** Whether a sampled kind of line is due again, and if so, take note. */
  private isDue(kind: string, spacing = 1): boolean {
    const last = this.lastKept.get(kind) ?? Number.NEGATIVE_INFINITY;
    if (this.now() - last < spacing * this.sampleNs) return false;
    this.lastKept.set(kind, this.now());
    return true;
  }

  /** A refused request with its steps; where they were not noted, the same walk tells them again. */
  private withSteps(record: DmaRecord): DmaRecord {
    if (record.steps.length > 0) return record;
    const { device, hi, lo, access } = record;
    return { ...record, steps: this.machine.unit.explain(device.requesterId, hi, lo, access).steps };
  }

  private keep(record: DmaRecord): Transaction {
    const { name } = record.device.model;
    const { requesterId: sourceId } = record.device;
    const transaction: Transaction = {
      id: this.nextTransaction++,
      timeNs: this.now(),
      device: name,
      bdf: bdf(sourceId),
      type: typeOf(record),
      ...(record.kind === 'untranslated' ? {} : { request: record.kind }),
      address: addressText(record),
      bytes: record.bytes,
      outcome: record.outcome,
      output: record.output === null ? null : outputText(record),
      fault: record.fault,
      landed: record.landed,
      corrupted: record.corrupted,
      steps: record.steps,
    };
    return this.keepTransaction(transaction);
  }

  private keepTransaction(transaction: Transaction): Transaction {
    const list = this.transactions.get(transaction.device);
    if (list === undefined) this.transactions.set(transaction.device, [transaction]);
    else {
      list.push(transaction);
      if (list.length > TRANSACTIONS_PER_DEVICE) list.shift();
    }
    return transaction;
  }

  private groupFor(entry: FaultEntry, page: string): Group {
    const key = groupKey(entry.bdf, entry.type, page, entry.reason);
    let group = this.groups.get(key);
    if (group === undefined) {
      group = {
        device: entry.device,
        bdf: entry.bdf,
        type: entry.type,
        address: page,
        reason: entry.reason,
        count: 0,
        firstNs: entry.timeNs,
        lastNs: entry.timeNs,
        dmesg: null,
        record: null,
        transaction: null,
      };
      this.groups.set(key, group);
      if (this.groups.size > GROUPS) this.forgetOldestGroup();
    }
    return group;
  }

  private forgetOldestGroup(): void {
    const [key, group] = this.groups.entries().next().value as [string, Group];
    this.groups.delete(key);
    this.behindFaults.delete(group);
  }

  private add(
    line: Partial<EventLine> & Pick<EventLine, 'kind' | 'actor' | 'verb' | 'object' | 'how' | 'result'>,
  ): void {
    this.events.push({
      id: this.nextEvent++,
      timeNs: this.now(),
      bytes: 0,
      device: null,
      transaction: null,
      ...line,
    });
    if (this.events.length > EVENTS) this.events.shift();
  }
}

/** Read or write as a fault record has it: a translation request is a read on the link, a page request neither. */
function typeOf({ kind, access }: DmaRecord): 'read' | 'write' {
  if (kind === 'page request') return 'write';
  return kind !== 'translation' && (access & WRITE) !== 0 ? 'write' : 'read';
}

/** Requests of a device TLB by the capability of PCIe that they belong to. */
const verbOf = (record: DmaRecord): string =>
  record.kind === 'translation' ? 'ATS' : record.kind === 'page request' ? 'PRI' : typeOf(record);

const pasidText = ({ pasid }: DmaRecord): string => (pasid < 0 ? '' : ` pasid ${pasid}`);

function resultOf(record: DmaRecord): string {
  if (record.kind === 'page request') return 'in the page request queue, or answered as that is full';
  return record.output === null ? 'an interrupt, not memory' : outputText(record, 9);
}

/** Why a request was refused for which there is no fault. */
function refusalOf({ kind, steps }: DmaRecord): { how: string; result: string } {
  const stages = steps.map(({ stage }) => stage);
  if (stages.includes('protected memory')) return { how: 'protected', result: 'PMEN protects that memory' };
  if (stages.includes('gate')) return { how: 'unsupported', result: 'not accepted: off, or abort-DMA mode' };
  if (kind === 'translation') return { how: 'no translation', result: 'R = W = 0: no such page, no fault' };
  return { how: 'unsupported', result: 'no memory there, only interrupts' };
}

/** Whose interrupt a delivered one is, if not the sender's own. */
function ownerOf(machine: Machine, device: Device, { at, data, result }: InterruptRecord): string {
  const { interrupts } = machine.kernel;
  const isOwn = interrupts
    .of(device.model.sourceId)
    .some(({ message }) => (message.address | 0) === at && message.data === data);
  if (isOwn || result === null) return '';
  return ', not its own';
}

/** What an invalidation is of. */
const CACHES: Readonly<Record<Exclude<Invalidation['kind'], 'wait'>, string>> = {
  context: 'context cache',
  'pasid cache': 'PASID cache',
  iotlb: 'IOTLB',
  'pasid iotlb': 'PASID IOTLB',
  'interrupt entry': 'interrupt entries',
  'device tlb': 'device TLB',
};

/** Whether a request went to the very address that it asked for. */
const isAsItWas = (outcome: DmaRecord['outcome']): boolean =>
  outcome === 'untranslated' || outcome === 'passed' || outcome === 'peer-to-peer';

/** Where a request went. An address that was not translated may be too large for a number to tell it exactly. */
const outputText = ({ outcome, output, hi, lo }: DmaRecord, digits = 1): string =>
  isAsItWas(outcome) ? `0x${hexOf(hi, lo).slice(2).padStart(digits, '0')}` : hex(output ?? 0, digits);

/** An address of at least eight digits, so that those below 4 GiB align. */
const padded = (address: string): string => `0x${address.slice(2).padStart(8, '0')}`;

const groupKey = (device: string, type: string, page: string, reason: number): string =>
  `${device} ${type} ${page} ${reason}`;

/** In a few words, how a request that was served found its way. */
function howOf({ kind, outcome, steps }: DmaRecord): string {
  if (outcome === 'peer-to-peer') return 'past the IOMMU';
  if (kind === 'translated') return 'by its own TLB';
  if (kind === 'page request') return 'page request';
  if (kind === 'translation' && steps.some(({ stage, verdict }) => stage === 'IOTLB' && verdict === 'hit'))
    return 'translation, hit';
  switch (outcome) {
    case 'untranslated':
      return 'IOMMU off';
    case 'passed':
      return 'not translated';
    case 'interrupt':
      return 'interrupt';
    case 'hit': {
      const level = steps.find(({ stage }) => stage === 'IOTLB')?.level ?? 1;
      return level === 1 ? 'hit' : `hit, ${level === 2 ? '2 MiB' : '1 GiB'} page`;
    }
    default: {
      const read = steps.filter(({ stage }) => stage === 'paging entry').length;
      return `miss, ${read} ${read === 1 ? 'read' : 'reads'}`;
    }
  }
}
