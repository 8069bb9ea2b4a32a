/** How long the requests of the machine's devices take: one pool of walkers for all, a link for each. */
import type { Clock } from '../linux/clock.ts';
import type { Values } from '../parameters/registry.ts';
import { linkOf, walkTimesOf } from '../timing/times.ts';
import { Walkers } from '../timing/walkers.ts';
import { WRITE } from '../vtd/formats/paging-entry.ts';
import { Outcome } from '../vtd/translation/translator.ts';
import type { Device } from './device.ts';

/** What was measured so long ago counts half. */
const FADE_NS = 1e6;

export class RequestTimes {
  private readonly values: Values;
  private readonly clock: Clock;
  private readonly walkers: Walkers;
  private readonly links = new Map<Device, ReturnType<typeof linkOf>>();
  private fadeAt = FADE_NS;

  constructor(values: Values, clock: Clock) {
    this.values = values;
    this.clock = clock;
    this.walkers = new Walkers(walkTimesOf(values));
  }

  /**
   * Note how long a request takes that the device makes now.
   *
   * @param outcome one of Outcome
   * @param reads memory reads of its translation
   * @returns how long its translation takes, in nanoseconds
   */
  take(device: Device, outcome: number, reads: number, bytes: number, access: number): number {
    const { values } = this;
    const now = this.clock.now();
    if (now >= this.fadeAt) this.fade(now);
    let translation = outcome === Outcome.UNTRANSLATED ? 0 : values['iotlb.hitNs'];
    if (reads > 0) translation = this.walkers.walk(now, reads) - now;
    const link = this.linkOf(device);
    if ((access & WRITE) !== 0) {
      const onLink = link.writeNs(bytes);
      device.latencies.add(link.upstream.send(now, onLink) + onLink + translation + values['write.ns']);
    } else {
      const waited = link.upstream.send(now, link.readRequestNs(bytes));
      const back = link.downstream.send(now + waited + translation, link.completionNs(bytes));
      const roundTrip = values['read.warmNs'] + values['read.byteNs'] * Math.max(0, bytes - 64);
      device.latencies.add(waited + translation + back + roundTrip - values['iotlb.hitNs']);
    }
    return translation;
  }

  private fade(now: number): void {
    this.fadeAt = now + FADE_NS;
    for (const device of this.links.keys()) device.latencies.fade();
  }

  private linkOf(device: Device): ReturnType<typeof linkOf> {
    let link = this.links.get(device);
    if (link === undefined) {
      link = linkOf(this.values);
      this.links.set(device, link);
    }
    return link;
  }
}
