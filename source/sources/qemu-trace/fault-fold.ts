/** Faults of a recording: one by one, in groups, in the registers, and in the kernel log. */
import { faultMessage, faultStatusMessage } from '../../linux/log/messages.ts';
import type { FaultEntry } from '../../simulation/journal.ts';
import type { FaultGroup, FaultRegisters } from '../../simulation/snapshot.ts';
import { bigToWords } from '../../vtd/bits.ts';
import { isInterruptFault } from '../../vtd/faults/fault-reason.ts';
import { faultRecord } from '../../vtd/formats/fault-record.ts';
import { bdf } from '../../vtd/source-id.ts';
import { faultStatus, Offset } from '../../vtd/unit/registers.ts';
import type { TraceEvent } from './event.ts';
import { recordReason } from './tally.ts';

/** More single faults than this are counted, not kept. */
const FAULTS = 10_000;

type Group = { -readonly [K in keyof FaultGroup]: FaultGroup[K] };

type Record = { readonly words: readonly number[]; readonly fault: FaultEntry; readonly group: Group };

/** All fault recording registers lie above this, and end with the word that holds F. */
const LOWEST_RECORD = 0x100;
const CLEAR_F = 0x8000_0000;

export class FaultFold {
  readonly faults: FaultEntry[] = [];
  readonly groups = new Map<string, Group>();
  readonly dmesg: string[] = [];
  private last: { readonly fault: FaultEntry; readonly group: Group } | null = null;
  /** Records that Linux has not cleared yet; null for a fault of an interrupt. */
  private readonly unread: (Record | null)[] = [];
  private records = 1;
  private firstIndex = 0;
  private pending = false;
  private announced = false;
  private interrupts = 0;

  fault(event: Extract<TraceEvent, { kind: 'fault' }>, timeNs: number, device: string): Group {
    const fault: FaultEntry = {
      timeNs,
      device,
      bdf: bdf(event.sourceId),
      type: event.write ? 'write' : 'read',
      address: event.address,
      reason: event.reason,
      dmesg: null,
    };
    if (this.faults.length < FAULTS) this.faults.push(fault);
    const group = this.groupOf(fault);
    group.count++;
    group.lastNs = timeNs;
    this.last = { fault, group };
    return group;
  }

  record({ index, high, low }: Extract<TraceEvent, { kind: 'record' }>): void {
    this.records = Math.max(this.records, index + 1);
    if (this.unread.length === 0) this.firstIndex = index;
    // QEMU sets F after it has printed the record.
    const F = 1n << BigInt(faultRecord.fields.F.low);
    const words = Array.from(bigToWords((BigInt(high) << 64n) | BigInt(low) | F, 4));
    const isInterrupt = isInterruptFault(recordReason(high));
    this.unread.push(isInterrupt || this.last === null ? null : { words, ...this.last });
  }

  pendingIs(pending: boolean, timeNs: number): void {
    this.pending = pending;
    if (!pending) while (this.unread.length > 0) this.readRecord(timeNs);
    this.announced = false;
  }

  /** Linux reads FSTS, prints it, and then reads, prints and clears one record after the other. */
  register({ write, offset, value }: Extract<TraceEvent, { kind: 'register' }>, timeNs: number): void {
    if (!write && offset === Offset.FSTS && this.pending) this.announce(timeNs);
    const isRecord = offset >= LOWEST_RECORD && offset % 16 === 12;
    if (write && isRecord && Number(value) === CLEAR_F) this.readRecord(timeNs);
  }

  unitInterrupt(): void {
    // The queue may send interrupts too; Linux lets it not, so while a fault is pending it is the fault's.
    if (this.pending) this.interrupts++;
  }

  registers(lost: number): FaultRegisters {
    return {
      records: this.records,
      inUse: this.unread.length,
      overflow: false,
      pending: this.pending,
      interrupts: this.interrupts,
      lost,
    };
  }

  private announce(timeNs: number): void {
    if (this.announced) return;
    this.announced = true;
    const { PPF, FRI } = faultStatus.fields;
    this.print(timeNs, faultStatusMessage((1 << PPF.shift) | (this.firstIndex << FRI.shift)));
  }

  private readRecord(timeNs: number): void {
    const record = this.unread.shift();
    if (record === undefined || record === null) return;
    this.announce(timeNs);
    const message = faultMessage(record.words);
    this.print(timeNs, message);
    record.fault.dmesg = message;
    record.group.dmesg = message;
    record.group.record = record.words;
  }

  private print(timeNs: number, text: string): void {
    this.dmesg.push(`[${(timeNs / 1e9).toFixed(6).padStart(12)}] ${text}`);
  }

  private groupOf({ timeNs, device, bdf, type, address, reason }: FaultEntry): Group {
    const page = `0x${(BigInt(address) & ~0xfffn).toString(16)}`;
    const key = `${bdf} ${type} ${page} ${reason}`;
    let group = this.groups.get(key);
    if (group === undefined) {
      group = {
        device,
        bdf,
        type,
        address: page,
        reason,
        count: 0,
        firstNs: timeNs,
        lastNs: timeNs,
        dmesg: null,
        record: null,
        transaction: null,
      };
      this.groups.set(key, group);
    }
    return group;
  }
}
