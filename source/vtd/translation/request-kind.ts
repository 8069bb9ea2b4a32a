/** What a request is besides the access it asks for. VT-d specification, chapter 3.1. */

/** The AT field of a PCIe request. */
export const AddressType = { UNTRANSLATED: 0, TRANSLATION: 1, TRANSLATED: 2 } as const;

/**
 * Added to the accesses of a request that takes as many of them as the tables permit: a translation request, or a
 * zero-length read. It is the sign bit, so that `access < 0` tells.
 */
export const AS_PERMITTED = 1 << 31;

/** The access of a page request, which moves nothing; EXECUTE may be added. */
export const NO_ACCESS = 0;
