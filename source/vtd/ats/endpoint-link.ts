/**
 * What the unit sends to devices that keep translations themselves. Whoever builds a machine carries these messages,
 * and decides when an answer arrives or whether the time for it is over: the unit has no clock.
 */

/** Forget what was cached of a range: PCIe chapter 10.3, VT-d chapter 6.5.2.5. */
export type InvalidateMessage = {
  readonly sourceId: number;
  /** To be given back with the completion. */
  readonly tag: number;
  /** Of a PASID, or -1 for translations without. */
  readonly pasid: number;
  /** For all PASIDs: the G bit. */
  readonly isGlobal: boolean;
  readonly hi: number;
  readonly lo: number;
  /** Bytes of the range as a power of two; 64 is everything. */
  readonly sizeBits: number;
};

/** What software, or the unit in its stead, answers to a group of page requests: PCIe chapter 10.4.2. */
export type PageGroupResponse = {
  readonly sourceId: number;
  readonly pasid: number;
  readonly group: number;
  readonly code: number;
};

/** RC of a page group response. */
export const ResponseCode = { SUCCESS: 0, INVALID: 1, FAILURE: 15 } as const;

export type EndpointLink = {
  /**
   * Deliver an invalidate request. Exactly one of `invalidationCompleted` and `invalidationTimedOut` of the unit must
   * follow, now or later.
   */
  invalidate(message: InvalidateMessage): void;
  /** Deliver a page group response. */
  respond(response: PageGroupResponse): void;
};
