/** 0 is done, and 1 an unexpected error. */
export const USAGE_ERROR = 2;
export const EXPECTATION_FAILED = 3;
