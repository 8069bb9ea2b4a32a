/** The event list of a recording. */
import type { EventLine } from '../../simulation/snapshot.ts';
import { hex } from '../../vtd/bits.ts';
import { faultReason } from '../../vtd/faults/fault-reason.ts';
import { bdf } from '../../vtd/source-id.ts';
import type { TraceEvent } from './event.ts';
import type { Request } from './requests.ts';

const SHOWN = 120;
/** The newest requests are all shown, so that each step shows what it did; older ones are sampled. */
const NEWEST = 8;
/** One request of each device in so much recorded time stays in the list. */
const SAMPLE_NS = 100e6;

type Invalidation = Extract<TraceEvent, { kind: 'invalidation' }>;

export class EventLines {
  private readonly kept: EventLine[] = [];
  private readonly newest: EventLine[] = [];
  private readonly lastSample = new Map<string, number>();
  private nextId = 1;

  /** Oldest first. */
  shown(): readonly EventLine[] {
    const oldest = this.kept[0]?.id ?? 0;
    const last = this.newest.filter(({ id }) => id > oldest && !this.kept.some((line) => line.id === id));
    return [...this.kept, ...last].sort((a, b) => a.id - b.id).slice(-SHOWN);
  }

  request({ transaction, direction }: Request): void {
    const { timeNs, device, outcome, address, output, fault, id } = transaction;
    const isFault = outcome === 'blocked';
    const line: EventLine = {
      id: this.nextId++,
      timeNs,
      kind: isFault ? 'fault' : 'dma',
      actor: device,
      verb: direction ?? 'dma',
      object: `${isFault || outcome === 'passed' ? 'addr' : 'iova'} ${padded(address, 8)}`,
      how: isFault ? `FAULT ${hex(fault, 2)}` : hows[outcome],
      result: isFault ? faultReason(fault).meaning : padded(output ?? '', 9),
      bytes: 0,
      device,
      transaction: id,
    };
    if (isFault || this.isDue(device, timeNs)) this.keep(line);
    this.newest.push(line);
    if (this.newest.length > NEWEST) this.newest.shift();
  }

  invalidation({ count, granularity, did, sourceId, address }: Invalidation, timeNs: number): void {
    // Each invalidation is followed by a wait, which tells nothing more.
    if (count === 'wait') return;
    const what =
      count === 'context' ? 'context cache' : count === 'interrupt_entry' ? 'interrupt entries' : 'IOTLB';
    const page = address === null ? '' : ` iova ${padded(address, 8)}`;
    const object = sourceId !== null ? bdf(sourceId) : did === null ? '' : `did ${did}${page}`;
    this.kernel(timeNs, 'inv', object, `${what}, ${granularity}`, '', 'invalidation');
  }

  /** Something that the kernel did, or the script above it. */
  kernel(
    timeNs: number,
    verb: string,
    object: string,
    how: string,
    result: string,
    kind: EventLine['kind'] = 'kernel',
  ): void {
    const line = { timeNs, kind, actor: 'kernel', verb, object, how, result };
    this.keep({ id: this.nextId++, ...line, bytes: 0, device: null, transaction: null });
  }

  private keep(line: EventLine): void {
    this.kept.push(line);
    if (this.kept.length > SHOWN) this.kept.shift();
  }

  private isDue(device: string, timeNs: number): boolean {
    if (timeNs - (this.lastSample.get(device) ?? Number.NEGATIVE_INFINITY) < SAMPLE_NS) return false;
    this.lastSample.set(device, timeNs);
    return true;
  }
}

const hows = {
  hit: 'hit',
  walked: 'miss, walked',
  passed: 'not translated',
  untranslated: 'IOMMU off',
  interrupt: 'interrupt',
  'peer-to-peer': 'past the IOMMU',
} as const;

/** An address of at least so many digits, so that addresses align. */
const padded = (address: string, digits: number): string => `0x${address.slice(2).padStart(digits, '0')}`;
