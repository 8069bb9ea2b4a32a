/** System calls of a program that takes devices through VFIO: lists of them as data, and what came of each. */
import { KernelRefusal } from '../../linux/refusal.ts';

/** A call that is still to be made. */
export type Call = {
  readonly verb: 'open' | 'ioctl' | 'close';
  /** What it is made on, in a word or two: `group 16`, `container`. */
  readonly on: string;
  /** The request of an ioctl, or the path of an open; empty for a close. */
  readonly name: string;
  /** As strace prints it, up to what it returns; asked for after the call. */
  text(): string;
  /**
   * @returns what the call returns, and what it did in a few words
   * @throws KernelRefusal where the kernel says no
   */
  make(): { readonly returned: number; readonly effect: string };
};

/** A call that was made. */
export type MadeCall = Pick<Call, 'verb' | 'on' | 'name'> & {
  /** Who made it: `qemu A`. */
  readonly program: string;
  /** Name of the device it was for. */
  readonly device: string;
  /** As strace prints it: `ioctl(11, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) = 0`. */
  readonly text: string;
  /** The error, or null. */
  readonly errno: string | null;
  /** What it did to group, domain and tables, or why it was refused; may be empty. */
  readonly effect: string;
};

/** A call returned well, and what it said is why the program goes no further. */
export class GivesUp extends KernelRefusal {}

/**
 * Make the calls in order; the first that is refused ends it.
 *
 * @throws KernelRefusal of that call
 */
export function makeCalls(
  program: string,
  device: string,
  calls: readonly Call[],
  told: (made: MadeCall) => void,
): void {
  for (const { verb, on, name, text, make } of calls) {
    const tell = (ending: string, errno: string | null, effect: string) =>
      told({ program, device, verb, on, name, text: `${text()} = ${ending}`, errno, effect });
    try {
      const { returned, effect } = make();
      tell(String(returned), null, effect);
    } catch (error) {
      if (error instanceof GivesUp) tell('0', null, error.message);
      else if (error instanceof KernelRefusal) tell(`-1 ${error.errno}`, error.errno, error.message);
      throw error;
    }
  }
}

/** Open a file. @param action opens it and returns the number it gets */
export const open = (on: string, path: string, action: () => number): Call => ({
  verb: 'open',
  on,
  name: path,
  text: () => `openat(AT_FDCWD, "${path}", O_RDWR)`,
  make: () => ({ returned: action(), effect: '' }),
});

/** An ioctl that returns 0. @param argument asked for after the call; @param action carries it out and says what it did */
export const ioctl = (
  on: string,
  fd: () => number,
  name: string,
  argument: string | (() => string),
  action: () => string,
): Call => ({
  verb: 'ioctl',
  on,
  name,
  text: () => {
    const shown = typeof argument === 'string' ? argument : argument();
    return `ioctl(${fd()}, ${name}${shown === '' ? '' : `, ${shown}`})`;
  },
  make: () => ({ returned: 0, effect: action() }),
});

export const close = (on: string, fd: () => number, action: () => string = () => ''): Call => ({
  verb: 'close',
  on,
  name: '',
  text: () => `close(${fd()})`,
  make: () => ({ returned: 0, effect: action() }),
});
