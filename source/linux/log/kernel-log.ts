/** The kernel's log: lines with the seconds since power-on, as dmesg prints them. */
import type { Clock } from '../clock.ts';

/** When the boot messages end and simulated time starts: a plausible boot of a small machine. */
export const BOOT_SECONDS = 2.4;

/** DEFAULT_RATELIMIT_INTERVAL and _BURST of `include/linux/ratelimit_types.h`. */
const RATE_LIMIT_NS = 5e9;
const RATE_LIMIT_BURST = 10;

export class KernelLog {
  readonly lines: string[] = [];
  private readonly clock: Clock;
  private booting = 0;
  private burst = 0;
  private burstStart = Number.NEGATIVE_INFINITY;
  private suppressed = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A message of the boot, at so many seconds. */
  boot(seconds: number, text: string): void {
    this.booting = Math.max(this.booting, seconds);
    this.lines.push(stamped(this.booting, text));
  }

  /** A message now. */
  print(text: string): void {
    this.lines.push(stamped(BOOT_SECONDS + this.clock.now() / 1e9, text));
  }

  /**
   * Whether a rate-limited group of messages may be printed now: ten groups in five seconds.
   *
   * @param who whose messages are held back, for the line that says how many were
   */
  allows(who: string): boolean {
    const now = this.clock.now();
    if (now - this.burstStart > RATE_LIMIT_NS) {
      if (this.suppressed > 0) this.print(`${who}: ${this.suppressed} callbacks suppressed`);
      this.burstStart = now;
      this.burst = 0;
      this.suppressed = 0;
    }
    if (this.burst < RATE_LIMIT_BURST) {
      this.burst++;
      return true;
    }
    this.suppressed++;
    return false;
  }
}

const stamped = (seconds: number, text: string): string => `[${seconds.toFixed(6).padStart(12)}] ${text}`;
