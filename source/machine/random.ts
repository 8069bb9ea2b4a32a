/**
 * Seeded random numbers: sfc32 (Chris Doty-Humphrey, public domain). Each user has a stream of its own,
 * so that a change to one device's behaviour leaves the others' numbers alone.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** @param stream names the user; with the seed it decides every number */
  constructor(seed: number, stream: string) {
    let hash = 0x811c_9dc5 | 0;
    for (let i = 0; i < stream.length; i++) hash = Math.imul(hash ^ stream.charCodeAt(i), 0x0100_0193);
    this.a = seed | 0;
    this.b = Math.floor(seed / 2 ** 32) | 0;
    this.c = hash;
    for (let i = 0; i < 12; i++) this.next();
  }

  /** A number from 0 up to, but not including, 1. */
  next(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  /** An integer from 0 up to, but not including, `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** A waiting time with this mean, as between independent arrivals. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }
}
