/** A request on its way from a device to memory and back. */
import type { Port } from './ports.ts';
import type { Walk } from './timed-unit.ts';

/** A request is over: one of Outcome, and how long it took from when it left the device. */
export type Done = (outcome: number, ns: number) => void;

export const nothing = (): void => {};

/** A port uses its requests again, so that they cost no memory. */
export class Request {
  readonly port: Port;
  sourceId = 0;
  hi = 0;
  lo = 0;
  bytes = 0;
  /** READ or WRITE. */
  access = 0;
  /** Of an interrupt, what is written. */
  data = 0;
  /** Of a read: its data lie in the last-level cache. */
  isWarm = true;
  /** Which of its port's requests it is, from 1 on. */
  number = 0;
  /** When it left the device; of a write, when the device asked. */
  began = 0;
  /** One of Outcome, or above for a request that never came to the unit. */
  outcome = 0;
  /** Memory reads of its translation. */
  reads = 0;
  /** The walk that is done for it, or null. */
  walk: Walk | null = null;
  /** Of a posted write: it has left the device. */
  sent: () => void = nothing;
  done: Done = nothing;

  constructor(port: Port) {
    this.port = port;
  }
}

/** Who decides about the requests of a port, and is told what becomes of them. */
export type Gate = {
  /**
   * Look a request up, and note the memory reads that it took.
   *
   * @returns one of Outcome, or above where it never comes to the unit
   */
  translate(request: Request): number;
  /** It was looked up; if it walks, the walk is under way. */
  decided(request: Request): void;
  /** It is over, or will be, after so long in all. */
  over(request: Request, ns: number): void;
};
