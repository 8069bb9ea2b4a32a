/**
 * Which address space of a domain a cached translation belongs to: the part of a tag that a domain id leaves open.
 * Second-stage translations belong to the domain alone; others to one PASID in it. VT-d chapter 6.2.
 */
const PASID_BITS = 20;

export const SECOND_STAGE = 0;
export const FIRST_STAGE = 1 << PASID_BITS;
export const NESTED = 2 << PASID_BITS;

/** The PASID of a first-stage or nested space, or null. */
export const pasidOf = (space: number): number | null =>
  space === SECOND_STAGE ? null : space & (FIRST_STAGE - 1);

/** Whether a space belongs to a PASID. */
export const belongsTo = (space: number, pasid: number): boolean =>
  space !== SECOND_STAGE && (space & (FIRST_STAGE - 1)) === pasid;
