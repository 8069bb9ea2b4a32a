/**
 * How a translation request is answered that the tables do not permit. VT-d specification, chapters 4.2 and 7.1.3:
 * where paging says that there is no page, the device is told so and no fault is recorded; whatever is wrong with the
 * structures above them, or broken, is a fault.
 */
import { Fault } from '../faults/fault-reason.ts';
import { Reply } from '../formats/translation-completion.ts';

/** Paging knows no such page, or not for this request. */
const absent = new Set<number>([
  Fault.BEYOND_WIDTH,
  Fault.NO_WRITE,
  Fault.NO_READ,
  Fault.FS_NOT_PRESENT,
  Fault.FS_BEYOND_SECOND_STAGE,
  Fault.FS_ROOT_NO_READ,
  Fault.FS_TABLE_NO_READ,
  Fault.FS_TABLE_NO_WRITE,
  Fault.SS_NOT_PRESENT,
  Fault.NOT_CANONICAL,
  Fault.NO_USER,
  Fault.NO_EXECUTE,
  Fault.SM_BEYOND_HOST_WIDTH,
  Fault.SM_BEYOND_WIDTH,
  Fault.SM_NO_WRITE,
  Fault.SM_NO_READ,
]);

/** A structure could not be read. */
const unreadable = new Set<number>([
  Fault.ROOT_READ_ERROR,
  Fault.CONTEXT_READ_ERROR,
  Fault.PAGING_READ_ERROR,
  Fault.SM_ROOT_READ_ERROR,
  Fault.SM_CONTEXT_READ_ERROR,
  Fault.DIRECTORY_READ_ERROR,
  Fault.PASID_READ_ERROR,
  Fault.FS_READ_ERROR,
  Fault.FS_ROOT_READ_ERROR,
  Fault.SS_READ_ERROR,
  Fault.SS_ROOT_READ_ERROR,
]);

/** A paging entry that is there, but wrong. */
const malformed = new Set<number>([
  Fault.PAGING_RESERVED,
  Fault.FS_RESERVED,
  Fault.SS_RESERVED,
  Fault.INTERRUPT_RANGE,
  Fault.SM_INTERRUPT_RANGE,
  Fault.SS_FLAGS_WITHOUT_SNOOP,
  Fault.FS_FLAGS_WITHOUT_SNOOP,
]);

/** Whether a fault reason only means that there is no translation; then nothing is recorded. */
export const isNoTranslation = (fault: number): boolean => absent.has(fault);

/**
 * The answer to a translation request that ended in a fault.
 *
 * @param malformedAborts whether a wrong paging entry is answered as broken, or as no translation
 */
export function replyTo(fault: number, malformedAborts: boolean): number {
  if (absent.has(fault)) return Reply.NO_TRANSLATION;
  if (unreadable.has(fault)) return Reply.ABORT;
  if (malformed.has(fault)) return malformedAborts ? Reply.ABORT : Reply.NO_TRANSLATION;
  return Reply.UNSUPPORTED;
}
