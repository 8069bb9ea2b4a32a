/** How long things took: a histogram in steps of about 3 %, for percentiles of any number of values. */

const PER_OCTAVE = 24;
const OCTAVES = 40;

export class Latencies {
  count = 0;
  totalNs = 0;
  private readonly buckets = new Float64Array(PER_OCTAVE * OCTAVES);

  /** @param ns not negative */
  add(ns: number): void {
    this.count++;
    this.totalNs += ns;
    const bucket = ns < 1 ? 0 : Math.min(this.buckets.length - 1, Math.floor(PER_OCTAVE * Math.log2(ns)));
    this.buckets[bucket]++;
  }

  get mean(): number {
    return this.count === 0 ? 0 : this.totalNs / this.count;
  }

  /** The value that this share of all does not exceed, to within a bucket; 0 if there is none. */
  percentile(share: number): number {
    let left = share * this.count;
    if (this.count === 0) return 0;
    for (let bucket = 0; bucket < this.buckets.length; bucket++) {
      left -= this.buckets[bucket];
      if (left <= 0) return 2 ** ((bucket + 0.5) / PER_OCTAVE);
    }
    return 2 ** OCTAVES;
  }

  /** Buckets that hold anything, lowest first. */
  histogram(): { readonly fromNs: number; readonly toNs: number; readonly count: number }[] {
    const bars = [];
    for (let bucket = 0; bucket < this.buckets.length; bucket++) {
      if (this.buckets[bucket] === 0) continue;
      bars.push({
        fromNs: 2 ** (bucket / PER_OCTAVE),
        toNs: 2 ** ((bucket + 1) / PER_OCTAVE),
        count: this.buckets[bucket],
      });
    }
    return bars;
  }

  /** Let what was count half from now on. */
  fade(): void {
    this.count /= 2;
    this.totalNs /= 2;
    for (let bucket = 0; bucket < this.buckets.length; bucket++) this.buckets[bucket] /= 2;
  }
}
