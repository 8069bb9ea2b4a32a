/** How much memory a device can reach now. */
import type { Device } from '../machine/devices/device.ts';
import { outcomeNames } from '../machine/devices/dma.ts';
import { MEMORY_BYTES } from '../machine/memory-map.ts';
import { highHalf, lowHalf } from '../vtd/bits.ts';
import { leafBytes } from '../vtd/caches/iotlb.ts';
import { Fault } from '../vtd/faults/fault-reason.ts';
import { READ, WRITE } from '../vtd/formats/paging-entry.ts';
import type { Simulation } from './simulation.ts';
import type { Reach } from './snapshot.ts';

const PAGE = 4096;

const EVERYTHING: Reach = { mapped: MEMORY_BYTES / PAGE, stale: 0 };
const NOTHING: Reach = { mapped: 0, stale: 0 };

/** Counted in pages of 4 KiB: all of memory where nothing is translated, else what is mapped, and what lazy invalidation leaves. */
export function reachOf({ machine }: Simulation, device: Device): Reach {
  const { unit, kernel } = machine;
  const { sourceId } = device.model;
  if (!kernel.policy.translation) return EVERYTHING;
  const { attached } = kernel.device(sourceId);
  if (attached === null || endsBeforePaging(unit.explain(device.requesterId, 0, 0, READ).fault))
    return NOTHING;
  if (attached.type === 'identity') return EVERYTHING;
  // What a guest maps of its memory bounds what lies below.
  const table =
    device.virtualIommu?.table ?? (attached.type === 'nested' ? attached.parent.table : attached.table);
  const mapped = table.leaves.reduce(
    (sum, count, level) => sum + (level === 0 ? 0 : (count * leafBytes(level)) / PAGE),
    0,
  );
  // Gone from the tables, and not yet from the IOTLB.
  const isGone = (iova: number) =>
    [READ, WRITE].every((access) => {
      const { outcome } = unit.explain(device.requesterId, highHalf(iova), lowHalf(iova), access, true);
      return outcomeNames[outcome] === 'blocked';
    });
  const stale = unit.translator.iotlb
    .entries()
    .filter(({ did, iova, level }) => did === attached.did && level === 1 && isGone(iova)).length;
  return { mapped, stale };
}

/** Whether a request with this fault ended at a root, context or PASID entry: then so does every other of its device. */
const endsBeforePaging = (fault: number): boolean =>
  (fault > 0 && fault <= Fault.CONTEXT_INVALID) ||
  (fault >= Fault.ROOT_READ_ERROR && fault <= Fault.CONTEXT_RESERVED) ||
  (fault >= Fault.BAD_TABLE_MODE && fault <= Fault.PASID_INVALID);
