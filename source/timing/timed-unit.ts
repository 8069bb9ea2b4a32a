/**
 * A remapping unit in time: look-ups, misses that wait for a walker, and entries that come into the IOTLB when
 * the walk is over. Who translates is the unit itself, with its own caches and the tables in memory; here is
 * only when.
 */
import { Outcome } from '../vtd/translation/translator.ts';
import type { Iommu } from '../vtd/unit/iommu.ts';
import type { Act, Timeline } from './event-queue.ts';
import { type Gate, nothing, type Request } from './request.ts';
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

/** A walk under way; the objects are used again. */
export class Walk {
  sourceId = 0;
  hi = 0;
  lo = 0;
  access = 0;
  /** Lower bits of an address that the page covers. */
  offset = 0;
  outHi = 0;
  outLo = 0;
  /** The arguments of Iotlb.fill, where it fills when it is over. */
  readonly unfilled = new Int32Array(8);
  fillsLater = false;
  /** Its place in the IOTLB, pending; or -1. */
  place = -1;
  /** Invalidations that had been carried out when it began. */
  invalidations = 0;
  readonly waiting: Request[] = [];
}

/** Set in the third tag word of an entry while it is pending, so that no look-up finds it. */
const PENDING = 1 << 30;

export class TimedUnit {
  readonly unit: Iommu;
  readonly walkers: Walkers;
  /** Requests that waited for another's walk. */
  merged = 0;
  /** Walks by how often they read memory. */
  readonly walksByReads = new Float64Array(32);
  /** For ports of which nobody wants to know more than what their requests ask to be told. */
  readonly plainGate: Gate;
  private readonly times: UnitTimes;
  private readonly timeline: Timeline;
  private readonly walking: Walk[] = [];
  private readonly spare: Walk[] = [];
  /** Which walk a pending place of the IOTLB belongs to. */
  private readonly owners: (Walk | null)[];
  /** In order: requests not looked up yet, and when the last one looked up is answered. */
  private readonly line: Request[] = [];
  private lineFreeAt = 0;

  constructor(unit: Iommu, times: UnitTimes, timeline: Timeline) {
    this.unit = unit;
    this.times = times;
    this.timeline = timeline;
    this.walkers = new Walkers(times);
    this.owners = new Array<Walk | null>(unit.translator.iotlb.store.size).fill(null);
    this.plainGate = plainGate(unit);
  }

  /** A request arrives at the unit now. */
  request(request: Request): void {
    if (!this.times.inOrder) {
      this.lookUp(request);
      return;
    }
    this.line.push(request);
    if (this.line.length === 1) this.serveLine();
  }

  /**
   * A request that takes no time on its way, made in the midst of something: it is looked up now, and keeps a walker busy
   * if it must.
   *
   * @param translate looks it up; returns the memory reads that it took
   * @returns how long its translation takes, in nanoseconds
   */
  atOnce(sourceId: number, hi: number, lo: number, translate: () => number): number {
    const { translator } = this.unit;
    // The place of a pending entry is taken already.
    translator.fillsLater = this.times.fill === 'issue' && this.walkOf(sourceId, hi, lo) !== null;
    const reads = translate();
    translator.fillsLater = false;
    return reads === 0 ? this.times.hitNs : this.walk(reads) - this.timeline.now();
  }

  /** Look up the first of the line as soon as the one before it is answered. */
  private serveLine(): void {
    this.timeline.at(Math.max(0, this.lineFreeAt - this.timeline.now()), this.serve, undefined);
  }

  private readonly serve: Act<undefined> = () => {
    this.lineFreeAt = this.lookUp(this.line[0]);
    this.line.shift();
    if (this.line.length > 0) this.serveLine();
  };

  /** Returns when the request will be answered; Infinity where it waits for another's walk. */
  private lookUp(request: Request): number {
    const { times } = this;
    const { translator } = this.unit;
    const { port, sourceId, hi, lo } = request;
    const now = this.timeline.now();
    if (port.isForgotten(request)) {
      port.answered(request, now);
      return now;
    }
    const underWay = this.walkOf(sourceId, hi, lo);
    if (underWay !== null && times.merge) {
      this.merged++;
      underWay.waiting.push(request);
      return Number.POSITIVE_INFINITY;
    }
    translator.fillsLater = times.fill === 'return' || underWay !== null;
    const outcome = port.gate.translate(request);
    translator.fillsLater = false;
    request.outcome = outcome;
    let end: number;
    if (request.reads === 0) {
      // What is not looked up takes no time.
      end = outcome === Outcome.UNTRANSLATED || outcome > Outcome.BLOCKED ? now : now + times.hitNs;
      port.answered(request, end);
    } else {
      end = this.walk(request.reads);
      if (outcome === Outcome.WALKED) request.walk = this.begin(request, underWay === null);
      this.timeline.at(end - now, this.walked, request);
    }
    // Only now: whoever learns of it may ask the translator something else.
    port.gate.decided(request);
    return end;
  }

  private walk(reads: number): number {
    this.walksByReads[Math.min(reads, 31)]++;
    return this.walkers.walk(this.timeline.now(), reads);
  }

  private readonly walked: Act<Request> = (request) => {
    const { walk, port } = request;
    request.walk = null;
    if (walk !== null) this.finish(walk);
    port.answered(request, this.timeline.now());
  };

  private begin({ sourceId, hi, lo, access }: Request, takesPlace: boolean): Walk {
    const { translator, invalidator } = this.unit;
    const { iotlb, unfilled, filledAt, outHi, outLo } = translator;
    const walk = this.spare.pop() ?? new Walk();
    const fillsLater = this.times.fill === 'return';
    walk.sourceId = sourceId;
    walk.hi = hi;
    walk.lo = lo;
    walk.access = access;
    walk.outHi = outHi;
    walk.outLo = outLo;
    walk.fillsLater = fillsLater;
    walk.place = -1;
    walk.invalidations = invalidator.carriedOut;
    let level = unfilled[3];
    if (fillsLater) walk.unfilled.set(unfilled);
    else if (takesPlace) {
      walk.place = filledAt;
      level = iotlb.levelOf(filledAt);
      iotlb.store.retag(filledAt, iotlb.store.tagC[filledAt] | PENDING);
      this.owners[filledAt] = walk;
    }
    walk.offset = (1 << (12 + 9 * (level - 1))) - 1;
    this.walking.push(walk);
    return walk;
  }

  /** A walk is over: its entry can be found from now on, unless it was invalidated under way. */
  private finish(walk: Walk): void {
    this.walking.splice(this.walking.indexOf(walk), 1);
    const { translator } = this.unit;
    const { iotlb } = translator;
    const { place } = walk;
    const isPending = place >= 0 && this.owners[place] === walk && iotlb.store.occupied(place);
    if (place >= 0 && this.owners[place] === walk) this.owners[place] = null;
    if (isPending) iotlb.store.retag(place, iotlb.store.tagC[place] & ~PENDING);
    const isStale = !this.stillHolds(walk);
    if (isPending && isStale) iotlb.store.drop(place);
    if (walk.fillsLater && !isStale) {
      const [did, hi, lo, level, frameHi, frameLo, permissions, space] = walk.unfilled;
      iotlb.fill(did, hi, lo, level, frameHi, frameLo, permissions, space);
    }
    for (const request of walk.waiting) this.lookUp(request);
    walk.waiting.length = 0;
    this.spare.push(walk);
  }

  /** Whether what a walk found may be kept: nothing was invalidated since, or the tables still say it. */
  private stillHolds({ sourceId, hi, lo, access, outHi, outLo, invalidations }: Walk): boolean {
    const { translator, invalidator } = this.unit;
    if (invalidator.carriedOut === invalidations) return true;
    const { monitor } = translator;
    translator.monitor = null;
    translator.probing = true;
    translator.cold = true;
    const outcome = translator.translate(sourceId, hi, lo, access);
    translator.probing = false;
    translator.cold = false;
    translator.monitor = monitor;
    return outcome === Outcome.WALKED && translator.outHi === outHi && translator.outLo === outLo;
  }

  private walkOf(sourceId: number, hi: number, lo: number): Walk | null {
    const { walking } = this;
    for (let i = 0; i < walking.length; i++) {
      const walk = walking[i];
      if (walk.sourceId === sourceId && walk.hi === hi && ((walk.lo ^ lo) & ~walk.offset) === 0) return walk;
    }
    return null;
  }
}

const plainGate = ({ translator }: Iommu): Gate => ({
  translate(request) {
    const outcome = translator.translate(request.sourceId, request.hi, request.lo, request.access);
    request.reads = translator.reads;
    return outcome;
  },
  decided: nothing,
  over: nothing,
});
