/** Why a step refused a request: which field decided, and a sentence. */
import { Fault, faultReason } from '../vtd/faults/fault-reason.ts';
import type { Step } from '../vtd/translation/step.ts';
import type { Explained } from './explain-step.ts';

/** Which bit decided, by fault reason. */
export const culprits: Readonly<Record<number, string>> = {
  [Fault.ROOT_NOT_PRESENT]: 'P',
  [Fault.CONTEXT_NOT_PRESENT]: 'P',
  [Fault.CONTEXT_INVALID]: 'TT',
  [Fault.NO_WRITE]: 'W',
  [Fault.NO_READ]: 'R',
  [Fault.SM_CONTEXT_NOT_PRESENT]: 'P',
  [Fault.PASID_NOT_ENABLED]: 'PASIDE',
  [Fault.PASID_BEYOND_DIRECTORY]: 'PDTS',
  [Fault.RID_PASID_INVALID]: 'RID_PASID',
  [Fault.DIRECTORY_NOT_PRESENT]: 'P',
  [Fault.PASID_NOT_PRESENT]: 'P',
  [Fault.PASID_INVALID]: 'PGTT',
  [Fault.NO_SUPERVISOR_REQUESTS]: 'SRE',
  [Fault.NO_EXECUTE_REQUESTS]: 'ERE',
  [Fault.FS_NOT_PRESENT]: 'P',
  [Fault.NO_USER]: 'US',
  [Fault.SS_NOT_PRESENT]: 'R',
  [Fault.FS_ROOT_NO_READ]: 'R',
  [Fault.FS_TABLE_NO_READ]: 'R',
};

/** First and second stage name the permission to write differently. */
const culpritOf = ({ fault, stage }: Step): string => {
  if (fault === Fault.SM_NO_WRITE) return stage === 'first-stage entry' ? 'RW' : 'W';
  if (fault === Fault.SM_NO_READ) return 'R';
  return culprits[fault] ?? '';
};

export function refusal(step: Step, what: string): Pick<Explained, 'meaning' | 'why' | 'culprit'> {
  const { meaning } = faultReason(step.fault);
  return {
    culprit: culpritOf(step),
    meaning,
    why: `${reasonSentence(step, what)} The request ends here with fault ${codeText(step.fault)}.`,
  };
}

function reasonSentence({ fault, stage }: Step, what: string): string {
  const The = what.charAt(0).toUpperCase() + what.slice(1);
  switch (fault) {
    case Fault.ROOT_NOT_PRESENT:
      return `${The} is not present (P is 0): no device of this bus may do DMA.`;
    case Fault.CONTEXT_NOT_PRESENT:
      return `${The} is not present (P is 0): nobody has attached a domain, so no DMA is allowed at all.`;
    case Fault.NO_WRITE:
      return `${The} has W = 0: nobody has mapped this page for writing.`;
    case Fault.NO_READ:
      return `${The} has R = 0: nobody has mapped this page for reading.`;
    case Fault.SM_CONTEXT_NOT_PRESENT:
      return `${The} is not present (P is 0): the kernel has not set this device up.`;
    case Fault.DIRECTORY_NOT_PRESENT:
      return `${The} is not present (P is 0): no address space of this device was ever set up.`;
    case Fault.PASID_NOT_PRESENT:
      return `${The} is not present (P is 0): nobody has attached a domain, so no DMA is allowed at all.`;
    case Fault.FS_NOT_PRESENT:
      return `${The} has P = 0: nobody has mapped this page.`;
    case Fault.SS_NOT_PRESENT:
      return `${The} has R = W = 0: nothing is mapped here.`;
    case Fault.SM_NO_WRITE:
      return `${The} has ${stage === 'first-stage entry' ? 'RW' : 'W'} = 0: this page is mapped for reading alone.`;
    case Fault.FS_ROOT_NO_READ:
    case Fault.FS_TABLE_NO_READ:
      return `${The} does not let the unit read the table of the guest that should lie there: the guest has no such memory.`;
    default:
      return `${The}: ${faultReason(fault).meaning}.`;
  }
}

export const codeText = (fault: number): string => `0x${fault.toString(16).padStart(2, '0')}`;
