/** A group of faults in words: what was tried, which entry refused it, and what that means. */
import type { DeviceState, FaultGroup } from '../simulation/snapshot.ts';
import { Fault, faultReason } from '../vtd/fault-reason.ts';
import { exactly, iova } from './format.ts';

export type ExplainedFault = { readonly what: string; readonly where: string; readonly means: string };

export function explainFault(group: FaultGroup, devices: readonly DeviceState[]): ExplainedFault {
  const { device, type, address, reason, count } = group;
  const tried = `${device} tried ${count === 1 ? '' : `${exactly(count)} times `}to ${type} ${iova(address)}`;
  return {
    what: `${tried}. Nothing was ${type === 'read' ? 'read' : 'written'}: ${faultReason(reason).meaning}.`,
    where: where(group),
    means: means(
      group,
      devices.find(({ name }) => name === device),
    ),
  };
}

function where({ bdf, reason }: FaultGroup): string {
  const bus = bdf.slice(0, 2);
  switch (reason) {
    case Fault.ROOT_NOT_PRESENT:
    case Fault.ROOT_READ_ERROR:
    case Fault.ROOT_RESERVED:
      return `in the root table, entry of bus ${bus}`;
    case Fault.CONTEXT_NOT_PRESENT:
    case Fault.CONTEXT_INVALID:
    case Fault.CONTEXT_READ_ERROR:
    case Fault.CONTEXT_RESERVED:
    case Fault.TYPE_BLOCKED:
      return `in the context table of bus ${bus}, entry ${bdf.slice(3)}`;
    case Fault.BEYOND_WIDTH:
      return 'before any walk, at the check of the address width';
    case Fault.BAD_TABLE_MODE:
      return 'at RTADDR, before any table';
    default:
      return `in the walk of the tables of ${bdf}; enter shows at which entry`;
  }
}

function means({ device, reason, type }: FaultGroup, state: DeviceState | undefined): string {
  switch (reason) {
    case Fault.CONTEXT_NOT_PRESENT:
      return `${device} has no domain: it is blocked, or nobody has set it up.`;
    case Fault.NO_WRITE:
    case Fault.NO_READ:
      if (state?.untrusted)
        return `An untrusted device asks for memory that nobody mapped for it: contained.`;
      return `The page is not mapped for ${device}, or not for a ${type}. A stray address, or a buffer used after its unmap.`;
    case Fault.BEYOND_WIDTH:
      return 'The address has more bits than the tables can translate.';
    case Fault.ROOT_NOT_PRESENT:
      return 'No device of this bus has a domain.';
    default:
      return 'The tables themselves are wrong. A driver would have to be at fault, not the device.';
  }
}
