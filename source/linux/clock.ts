/** Time as the kernel sees it. The kernel model owns no clock: whoever runs it brings one. */
export type Clock = {
  /** Nanoseconds since boot finished. */
  now(): number;
  /** Run something later; returns the way to call it off. */
  after(nanoseconds: number, run: () => void): () => void;
};
