/** The kernel says no: what Linux returns, and why. */
export class KernelRefusal extends Error {
  /** Linux's name of the error, `EBUSY`. */
  readonly errno: string;

  constructor(errno: string, message: string) {
    super(message);
    this.errno = errno;
  }
}
