/** A group of faults in words: what was tried, which entry refused it, and what that means. */
import type { DeviceState, FaultGroup } from '../simulation/snapshot.ts';
import { Fault, faultReason } from '../vtd/faults/fault-reason.ts';
import { exactly, iova } from './format.ts';

export type ExplainedFault = { readonly what: string; readonly where: string; readonly means: string };

export function explainFault(group: FaultGroup, devices: readonly DeviceState[]): ExplainedFault {
  const { device, type, address, reason, count } = group;
  if (type === 'interrupt') return explainInterruptFault(group);
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

/** A refused interrupt: no address, but an entry of the table. */
function explainInterruptFault({ device, bdf, address, reason, count }: FaultGroup): ExplainedFault {
  const entry = `entry ${address} of the interrupt-remapping table`;
  const hasEntry = reason !== Fault.INTERRUPT_COMPATIBILITY;
  const times = count === 1 ? '' : `, ${exactly(count)} times`;
  return {
    what: `${device} tried to send an interrupt${times}. No processor got it: ${faultReason(reason).meaning}.`,
    where: hasEntry ? `in ${entry}` : 'at the format of the message, before any table',
    means: interruptMeans(device, bdf, reason),
  };
}

function interruptMeans(device: string, bdf: string, reason: number): string {
  switch (reason) {
    case Fault.INTERRUPT_COMPATIBILITY:
      return `${device} chose vector and processor itself, which no device may: the kernel gives each an entry of the table.`;
    case Fault.INTERRUPT_SOURCE_MISMATCH:
      return `The entry is another device's, and ${bdf} is not in it: a device cannot send the interrupts of another.`;
    case Fault.INTERRUPT_ENTRY_NOT_PRESENT:
    case Fault.INTERRUPT_BEYOND_TABLE:
      return 'No driver set this interrupt up, or it has been given back since.';
    default:
      return 'The message or the tables themselves are wrong. A driver would have to be at fault, not the device.';
  }
}

function where({ bdf, reason }: FaultGroup): string {
  const bus = bdf.slice(0, 2);
  switch (reason) {
    case Fault.ROOT_NOT_PRESENT:
    case Fault.ROOT_READ_ERROR:
    case Fault.ROOT_RESERVED:
    case Fault.SM_ROOT_NOT_PRESENT:
    case Fault.SM_ROOT_READ_ERROR:
    case Fault.SM_ROOT_RESERVED:
      return `in the root table, entry of bus ${bus}`;
    case Fault.CONTEXT_NOT_PRESENT:
    case Fault.CONTEXT_INVALID:
    case Fault.CONTEXT_READ_ERROR:
    case Fault.CONTEXT_RESERVED:
    case Fault.TYPE_BLOCKED:
    case Fault.SM_CONTEXT_NOT_PRESENT:
    case Fault.SM_CONTEXT_INVALID:
    case Fault.SM_CONTEXT_READ_ERROR:
    case Fault.SM_CONTEXT_RESERVED:
    case Fault.PASID_NOT_ENABLED:
    case Fault.PASID_BEYOND_DIRECTORY:
    case Fault.RID_PASID_INVALID:
      return `in the context table of bus ${bus}, entry ${bdf.slice(3)}`;
    case Fault.DIRECTORY_NOT_PRESENT:
    case Fault.DIRECTORY_READ_ERROR:
    case Fault.DIRECTORY_RESERVED:
      return `in the PASID directory of ${bdf}`;
    case Fault.PASID_NOT_PRESENT:
    case Fault.PASID_READ_ERROR:
    case Fault.PASID_RESERVED:
    case Fault.PASID_INVALID:
    case Fault.NO_EXECUTE_REQUESTS:
    case Fault.NO_SUPERVISOR_REQUESTS:
      return `in the PASID table of ${bdf}, entry of PASID 0, which requests without PASID use`;
    case Fault.FS_NOT_PRESENT:
    case Fault.FS_RESERVED:
    case Fault.FS_READ_ERROR:
    case Fault.FS_ROOT_READ_ERROR:
    case Fault.NO_USER:
      return `in the walk of the first-stage tables of ${bdf}; enter shows at which entry`;
    case Fault.FS_BEYOND_SECOND_STAGE:
    case Fault.FS_ROOT_NO_READ:
    case Fault.FS_TABLE_NO_READ:
    case Fault.FS_TABLE_NO_WRITE:
      return `in the second stage below the tables of the guest of ${bdf}; enter shows at which entry`;
    case Fault.SS_NOT_PRESENT:
    case Fault.SS_RESERVED:
    case Fault.SS_READ_ERROR:
    case Fault.SS_ROOT_READ_ERROR:
      return `in the walk of the second-stage tables of ${bdf}; enter shows at which entry`;
    case Fault.BEYOND_WIDTH:
    case Fault.SM_BEYOND_WIDTH:
    case Fault.SM_BEYOND_HOST_WIDTH:
    case Fault.NOT_CANONICAL:
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
    case Fault.PASID_NOT_PRESENT:
      return `${device} has no domain: it is blocked, or nobody has set it up.`;
    case Fault.NO_WRITE:
    case Fault.NO_READ:
    case Fault.FS_NOT_PRESENT:
    case Fault.SS_NOT_PRESENT:
    case Fault.SM_NO_WRITE:
    case Fault.SM_NO_READ:
      if (state?.untrusted)
        return `An untrusted device asks for memory that nobody mapped for it: contained.`;
      return `The page is not mapped for ${device}, or not for a ${type}. A stray address, or a buffer used after its unmap.`;
    case Fault.DIRECTORY_NOT_PRESENT:
      return `${device} never had a domain.`;
    case Fault.NOT_CANONICAL:
      return 'The bits above the first-stage tables are not all equal to the highest bit that they translate.';
    case Fault.FS_BEYOND_SECOND_STAGE:
    case Fault.FS_ROOT_NO_READ:
    case Fault.FS_TABLE_NO_READ:
    case Fault.FS_TABLE_NO_WRITE:
      return 'The tables of the guest lie where it has no memory. Its driver is at fault, and only its own device suffers.';
    case Fault.SM_BEYOND_WIDTH:
    case Fault.SM_BEYOND_HOST_WIDTH:
    case Fault.BEYOND_WIDTH:
      return 'The address has more bits than the tables can translate.';
    case Fault.SM_ROOT_NOT_PRESENT:
    case Fault.ROOT_NOT_PRESENT:
      return 'No device of this bus has a domain.';
    default:
      return 'The tables themselves are wrong. A driver would have to be at fault, not the device.';
  }
}
