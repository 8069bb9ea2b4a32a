/** Context entries without the address of what they lead to, which is of the machine's memory and not Linux's. */
import { wordsToBig } from '../../../source/vtd/bits.ts';
import { bdf } from '../../../source/vtd/source-id.ts';
import { Offset } from '../../../source/vtd/unit/registers.ts';
import type { Host } from '../../support/host.ts';

/** The high qword, and the low one up to the address: `0x302 0x1`. */
export const flagsOf = (high: string, low: string): string =>
  `${high} 0x${(BigInt(low) & 0xfffn).toString(16)}`;

/** The entry of a device as it lies in memory; of one of scalable mode the first half, as QEMU prints it. */
export function entryOf(host: Host, sourceId: number): string {
  if (!host.kernel.isScalable) {
    const [low, high] = host.context(bdf(sourceId));
    return flagsOf(high, low);
  }
  const root = Number(wordsToBig(host.unit.read64(Offset.RTADDR)) & ~0xfffn);
  const half = root + 16 * (sourceId >>> 8) + 8 * ((sourceId >>> 7) & 1);
  const table = Number(wordsToBig(host.memory.read64(half)) & ~0xfffn);
  const [low, high] = [0, 8].map((at) => wordsToBig(host.memory.read64(table + 32 * (sourceId & 0x7f) + at)));
  return flagsOf(`0x${high.toString(16)}`, `0x${low.toString(16)}`);
}
