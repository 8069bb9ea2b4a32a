/** A DMA of any length, cut at page borders: one request for each page that it touches. */
import { PAGE } from '../../linux/page-frames.ts';

/** Used again for each DMA, so that a workload's requests cost no memory. */
export class PagePieces {
  /** The piece at hand. */
  hi = 0;
  lo = 0;
  bytes = 0;
  private left = 0;

  start(hi: number, lo: number, bytes: number): void {
    this.hi = hi;
    this.lo = lo;
    this.bytes = 0;
    this.left = bytes;
  }

  /** Go on to the next piece. Returns whether there is one. */
  next(): boolean {
    if (this.left <= 0) return false;
    const at = (this.lo >>> 0) + this.bytes;
    this.lo = at | 0;
    if (at > 0xffff_ffff) this.hi = (this.hi + 1) | 0;
    this.bytes = Math.min(this.left, PAGE - (this.lo & (PAGE - 1)));
    this.left -= this.bytes;
    return true;
  }
}
