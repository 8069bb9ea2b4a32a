/**
 * Invalidations of device TLBs on their way: which device each was sent to, until its completion or time-out. VT-d
 * specification, chapters 4.3 and 6.5.2.5.
 */
export type Pending = {
  readonly tag: number;
  readonly sourceId: number;
  /** The function whose queue of invalidations it takes a place in. */
  readonly counted: number;
};

/** Tags that an invalidate message can carry: PCIe chapter 10.3.1. */
const TAGS = 32;

export class PendingInvalidations {
  private readonly byTag = new Map<number, Pending>();

  get size(): number {
    return this.byTag.size;
  }

  get tags(): Set<number> {
    return new Set(this.byTag.keys());
  }

  /**
   * Take a tag for one more.
   *
   * @param limit how many the device takes at a time: MIP, of which 0 means 32
   * @returns null while the device or the tags are all in use
   */
  begin(sourceId: number, counted: number, limit: number): Pending | null {
    let mine = 0;
    for (const pending of this.byTag.values()) if (pending.counted === counted) mine++;
    if (mine >= (limit === 0 ? TAGS : limit) || this.byTag.size === TAGS) return null;
    let tag = 0;
    while (this.byTag.has(tag)) tag++;
    const pending = { tag, sourceId, counted };
    this.byTag.set(tag, pending);
    return pending;
  }

  /** The end of one, or null if the tag is not in use, or not by that device. */
  end(tag: number, sourceId?: number): Pending | null {
    const pending = this.byTag.get(tag);
    if (pending === undefined || (sourceId !== undefined && pending.sourceId !== sourceId)) return null;
    this.byTag.delete(tag);
    return pending;
  }
}
