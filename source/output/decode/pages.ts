/** What an invalidation of pages covers. */
import { hexText } from './fields.ts';

/** `4 pages from 0xffffc000 to 0xffffffff`, aligned to their number. */
export function pagesText(address: bigint, mask: bigint): string {
  if (mask >= 52n) return 'all pages';
  const size = 1n << (12n + mask);
  const first = BigInt.asUintN(64, address & -size);
  const count = 1n << mask;
  return `${count === 1n ? 'the page' : `the ${count} pages`} from ${hexText(first)} to ${hexText(first + size - 1n)}`;
}

/** An address whose low bits the mask leaves out of the comparison. */
export const isMisaligned = (address: bigint, mask: bigint): boolean =>
  (address & ((1n << (12n + mask)) - 1n)) !== 0n;
