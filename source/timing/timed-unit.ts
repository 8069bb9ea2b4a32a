/**
 * A remapping unit in time: look-ups, misses that wait for a walker, and entries that come into the IOTLB when
 * the walk is over. Who translates is the unit itself, with its own caches and the tables in memory; here is
 * only when.
 */
import type { Clock } from '../linux/clock.ts';
import { Outcome } from '../vtd/translation/translator.ts';
import type { Iommu } from '../vtd/unit/iommu.ts';
import { Walkers, type WalkTimes } from './walkers.ts';

export type UnitTimes = WalkTimes & {
  readonly hitNs: number;
  /**
   * When the entry of a miss takes its place in the IOTLB: `return`, when the walk is over, or `issue`: the victim goes
   * at once and the entry is pending until then.
   */
  readonly fill: 'return' | 'issue';
  /** Whether a request for a page that is being walked waits for that walk, or starts one of its own. */
  readonly merge: boolean;
  /** Whether each request is looked up only when the one before it is answered. */
  readonly inOrder: boolean;
};

/** A request is answered: one of Outcome. */
export type Answered = (outcome: number) => void;

/** A walk under way. */
type Walk = {
  readonly sourceId: number;
  readonly hi: number;
  readonly lo: number;
  readonly access: number;
  /** Lower bits of an address that the page covers. */
  readonly offset: number;
  readonly outHi: number;
  readonly outLo: number;
  readonly unfilled: Int32Array | null;
  /** Its place in the IOTLB, pending; or -1. */
  readonly place: number;
  readonly waiting: (() => void)[];
};

/** Set in the third tag word of an entry while it is pending, so that no look-up finds it. */
const PENDING = 1 << 30;

export class TimedUnit {
  readonly unit: Iommu;
  readonly walkers: Walkers;
  /** Requests that waited for another's walk. */
  merged = 0;
  /** Walks by how often they read memory. */
  readonly walksByReads = new Float64Array(32);
  private readonly times: UnitTimes;
  private readonly clock: Clock;
  private readonly walking: Walk[] = [];
  /** Which walk a pending place of the IOTLB belongs to. */
  private readonly owners: (Walk | null)[];
  /** In order: requests not looked up yet, and when the last one looked up is answered. */
  private readonly line: (() => number)[] = [];
  private lineFreeAt = 0;

  constructor(unit: Iommu, times: UnitTimes, clock: Clock) {
    this.unit = unit;
    this.times = times;
    this.clock = clock;
    this.walkers = new Walkers(times);
    this.owners = new Array<Walk | null>(unit.translator.iotlb.store.size).fill(null);
  }

  /** A request arrives at the unit now. */
  request(sourceId: number, hi: number, lo: number, access: number, answered: Answered): void {
    if (!this.times.inOrder) {
      this.lookUp(sourceId, hi, lo, access, answered);
      return;
    }
    this.line.push(() => this.lookUp(sourceId, hi, lo, access, answered));
    if (this.line.length === 1) this.serveLine();
  }

  /** Look up the first of the line as soon as the one before it is answered. */
  private serveLine(): void {
    const wait = Math.max(0, this.lineFreeAt - this.clock.now());
    this.clock.after(wait, () => {
      this.lineFreeAt = this.line[0]();
      this.line.shift();
      if (this.line.length > 0) this.serveLine();
    });
  }

  /** Returns when the request will be answered; Infinity where it waits for another's walk. */
  private lookUp(sourceId: number, hi: number, lo: number, access: number, answered: Answered): number {
    const { times, clock } = this;
    const { translator } = this.unit;
    const underWay = this.walkOf(sourceId, hi, lo);
    if (underWay !== null && times.merge) {
      this.merged++;
      underWay.waiting.push(() => this.lookUp(sourceId, hi, lo, access, answered));
      return Number.POSITIVE_INFINITY;
    }
    const fillsAtIssue = times.fill === 'issue';
    translator.fillsLater = !fillsAtIssue || underWay !== null;
    const outcome = translator.translate(sourceId, hi, lo, access);
    translator.fillsLater = false;
    if (translator.reads === 0) {
      clock.after(times.hitNs, () => answered(outcome));
      return clock.now() + times.hitNs;
    }
    this.walksByReads[Math.min(translator.reads, 31)]++;
    const end = this.walkers.walk(clock.now(), translator.reads);
    const walk = outcome === Outcome.WALKED ? this.begin(sourceId, hi, lo, access, underWay === null) : null;
    clock.after(end - clock.now(), () => {
      if (walk !== null) this.finish(walk);
      answered(outcome);
    });
    return end;
  }

  private begin(sourceId: number, hi: number, lo: number, access: number, takesPlace: boolean): Walk {
    const { translator } = this.unit;
    const { iotlb, unfilled, did, outHi, outLo } = translator;
    let place = -1;
    let level = unfilled[3];
    const fillsAtIssue = this.times.fill === 'issue';
    if (fillsAtIssue && takesPlace) {
      place = iotlb.find(did, hi, lo, 0);
      level = iotlb.levelOf(place);
      iotlb.store.retag(place, iotlb.store.tagC[place] | PENDING);
    }
    const walk: Walk = {
      sourceId,
      hi,
      lo,
      access,
      offset: (1 << (12 + 9 * (level - 1))) - 1,
      outHi,
      outLo,
      unfilled: fillsAtIssue ? null : unfilled.slice(),
      place,
      waiting: [],
    };
    if (place >= 0) this.owners[place] = walk;
    this.walking.push(walk);
    return walk;
  }

  /** A walk is over: its entry can be found from now on, unless the tables have changed under way. */
  private finish(walk: Walk): void {
    this.walking.splice(this.walking.indexOf(walk), 1);
    const { translator } = this.unit;
    const { iotlb } = translator;
    const isPending = walk.place >= 0 && this.owners[walk.place] === walk;
    if (isPending) {
      this.owners[walk.place] = null;
      iotlb.store.retag(walk.place, iotlb.store.tagC[walk.place] & ~PENDING);
    }
    const isStale = !this.stillHolds(walk);
    if (isPending && isStale && iotlb.store.occupied(walk.place)) iotlb.store.drop(walk.place);
    if (walk.unfilled !== null && !isStale) {
      const [did, hi, lo, level, frameHi, frameLo, permissions, space] = walk.unfilled;
      iotlb.fill(did, hi, lo, level, frameHi, frameLo, permissions, space);
    }
    for (const again of walk.waiting) again();
  }

  /** Whether the tables still say what a walk found. */
  private stillHolds({ sourceId, hi, lo, access, outHi, outLo }: Walk): boolean {
    const { translator } = this.unit;
    translator.probing = true;
    translator.cold = true;
    const outcome = translator.translate(sourceId, hi, lo, access);
    translator.probing = false;
    translator.cold = false;
    return outcome === Outcome.WALKED && translator.outHi === outHi && translator.outLo === outLo;
  }

  private walkOf(sourceId: number, hi: number, lo: number): Walk | null {
    for (const walk of this.walking) {
      if (walk.sourceId === sourceId && walk.hi === hi && ((walk.lo ^ lo) & ~walk.offset) === 0) return walk;
    }
    return null;
  }
}
