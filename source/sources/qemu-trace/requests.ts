/**
 * Requests of a recording as transactions. A request leaves two lines or more: the look-up has the exact
 * address and the page's permissions, the translation has where the page lies.
 */
import type { Transaction } from '../../simulation/snapshot.ts';
import { READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import { bdf } from '../../vtd/source-id.ts';
import type { TraceEvent } from './event.ts';

type Of<Kind extends TraceEvent['kind']> = Extract<TraceEvent, { kind: Kind }>;

export type Request = {
  readonly transaction: Transaction;
  /** Null where the page may be read and written: the trace does not say which it was. */
  readonly direction: 'read' | 'write' | null;
};

const KEPT = 64;

export class Requests {
  private readonly byDevice = new Map<string, Transaction[]>();
  private readonly lookups = new Map<number, Of<'lookup'>>();
  private nextId = 1;

  /** Oldest first. */
  of(device: string): readonly Transaction[] {
    return this.byDevice.get(device) ?? [];
  }

  /** A look-up; the translation that belongs to it follows. */
  lookup(event: Of<'lookup'>): void {
    this.lookups.set(event.sourceId, event);
  }

  translated(event: Of<'translation'>, timeNs: number, device: string): Request {
    const lookup = this.lookups.get(event.sourceId);
    this.lookups.delete(event.sourceId);
    const mask = BigInt(event.mask);
    // Where a recording was cut, the look-up may be missing, or be another's.
    const mine = lookup !== undefined && (BigInt(lookup.iova) & ~mask) === (BigInt(event.iova) & ~mask);
    const address = mine ? lookup.iova : event.iova;
    const output = (BigInt(event.output) & ~mask) | (BigInt(address) & mask);
    const direction = mine ? directionOf(lookup.entry) : null;
    return this.keep(device, direction, {
      timeNs,
      bdf: bdf(event.sourceId),
      address,
      outcome: mine && !lookup.hit ? 'walked' : 'hit',
      output: `0x${output.toString(16)}`,
      fault: 0,
    });
  }

  passed({ sourceId, iova }: Of<'passed'>, timeNs: number, device: string): Request {
    return this.keep(device, null, {
      timeNs,
      bdf: bdf(sourceId),
      address: iova,
      outcome: 'passed',
      output: iova,
      fault: 0,
    });
  }

  blocked({ sourceId, address, reason, write }: Of<'fault'>, timeNs: number, device: string): Request {
    return this.keep(device, write ? 'write' : 'read', {
      timeNs,
      bdf: bdf(sourceId),
      address,
      outcome: 'blocked',
      output: null,
      fault: reason,
    });
  }

  private keep(
    device: string,
    direction: 'read' | 'write' | null,
    known: Pick<Transaction, 'timeNs' | 'bdf' | 'address' | 'outcome' | 'output' | 'fault'>,
  ): Request {
    const transaction: Transaction = {
      id: this.nextId++,
      device,
      type: direction,
      bytes: 0,
      landed: null,
      corrupted: false,
      steps: [],
      ...known,
    };
    const list = this.byDevice.get(device);
    if (list === undefined) this.byDevice.set(device, [transaction]);
    else {
      list.push(transaction);
      if (list.length > KEPT) list.shift();
    }
    return { transaction, direction };
  }
}

/**
 * Linux maps as read-only what a device only reads, so such a page tells the direction. It does not tell where
 * it allows both: a ring, but also, with this unit, a buffer that the device only writes.
 */
function directionOf(entry: string): 'read' | 'write' | null {
  const permissions = Number(BigInt(entry) & BigInt(READ | WRITE));
  return permissions === READ ? 'read' : permissions === WRITE ? 'write' : null;
}
