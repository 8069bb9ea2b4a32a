/** Whether simulated time keeps up with the speed that was asked for. */

/** What was measured so long ago on the wall counts half. */
const FADE_MS = 1000;
/** Where less than this part of the speed is reached, it is said. */
const ENOUGH = 0.9;

export class Pace {
  private wallMs = 0;
  private simulatedNs = 0;
  private speed = 0;

  /**
   * Simulated time has passed.
   *
   * @param speed the speed asked for, in simulated milliseconds a second; another one begins anew
   */
  note(wallMs: number, simulatedNs: number, speed: number): void {
    const kept = speed === this.speed ? 0.5 ** (wallMs / FADE_MS) : 0;
    this.speed = speed;
    this.wallMs = this.wallMs * kept + wallMs;
    this.simulatedNs = this.simulatedNs * kept + simulatedNs;
  }

  /** The speed reached, or null where it is the one asked for, or as fast as can be. */
  get reached(): number | null {
    const { wallMs, simulatedNs, speed } = this;
    const reached = simulatedNs / 1e6 / (wallMs / 1000);
    return Number.isFinite(speed) && wallMs > 0 && reached < ENOUGH * speed ? reached : null;
  }
}
