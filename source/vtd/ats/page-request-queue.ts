/**
 * The page request queue: a ring in memory into which the unit writes what devices ask for, and which software
 * empties. VT-d specification, chapters 7.4 and 11.4 (PQH_REG to PEUADDR_REG).
 */
import { join } from '../bits.ts';
import { PAGE_REQUEST_TYPE, type PageRequest, pageRequestEntry } from '../formats/page-request.ts';
import { EXECUTE, READ, WRITE } from '../formats/paging-entry.ts';
import type { PhysicalMemory } from '../memory.ts';
import { Offset, pageQueueAddress, pageRequestStatus } from '../unit/registers.ts';
import { type EndpointLink, ResponseCode } from './endpoint-link.ts';

const { PPR, PRO } = pageRequestStatus.fields;
const PENDING = PPR.mask << PPR.shift;
const OVERFLOW = PRO.mask << PRO.shift;
const ENTRY_BYTES = 32;
const { PP, RID, PASID, EXE, PRIV, R, W, LPIG, PRGI } = pageRequestEntry.fields;
const OFFSETS = 0x7ffe0;

/** `dropped`: the unit answered in software's stead, if the request was the last of its group. */
export type Posted = 'posted' | 'dropped';

export class PageRequestQueue {
  /** PRS_REG. */
  status = 0;
  private head = 0;
  private tail = 0;
  private addressLo = 0;
  private addressHi = 0;
  private readonly memory: PhysicalMemory;
  private readonly link: EndpointLink;
  private readonly onEvent: () => void;

  /** @param onEvent called when PRS was zero and is not any more */
  constructor(memory: PhysicalMemory, link: EndpointLink, onEvent: () => void) {
    this.memory = memory;
    this.link = link;
    this.onEvent = onEvent;
  }

  read(offset: number): number {
    switch (offset) {
      case Offset.PQH:
        return this.head;
      case Offset.PQT:
        return this.tail;
      case Offset.PQA:
        return this.addressLo;
      case Offset.PQA + 4:
        return this.addressHi;
      case Offset.PRS:
        return this.status;
    }
    return 0;
  }

  /** Write a register of the queue; of PRS, ones clear. */
  write(offset: number, value: number): void {
    switch (offset) {
      case Offset.PQH:
        this.head = value & OFFSETS;
        return;
      case Offset.PQT:
        this.tail = value & OFFSETS;
        return;
      case Offset.PQA:
        this.addressLo = value & 0xffff_f007;
        return;
      case Offset.PQA + 4:
        this.addressHi = value;
        return;
      case Offset.PRS:
        this.status &= ~value;
    }
  }

  /** Put a request into the queue. While PRO is set, or if the queue is full, it is not taken. */
  post(request: PageRequest): Posted {
    const bytes = 4096 << (this.addressLo & pageQueueAddress.fields.PQS.mask);
    const next = (this.tail + ENTRY_BYTES) % bytes;
    const at = join(this.addressHi, this.addressLo & ~0xfff) + (this.tail % bytes);
    const isFull = next === this.head % bytes;
    if (isFull || !this.memory.has(at + ENTRY_BYTES - 1)) this.raise(OVERFLOW);
    if ((this.status & OVERFLOW) !== 0) {
      // The device tries again and finds no page again, until there is room for its request.
      if (request.isLast) this.answer(request, ResponseCode.SUCCESS);
      return 'dropped';
    }
    this.memory.writeWords(at, wordsOf(request));
    this.tail = next;
    this.raise(PENDING);
    return 'posted';
  }

  /** Answer a group in software's stead. */
  answer({ sourceId, pasid, group }: PageRequest, code: number): void {
    this.link.respond({ sourceId, pasid, group, code });
  }

  private raise(bit: number): void {
    const before = this.status;
    this.status |= bit;
    if (before === 0) this.onEvent();
  }
}

/** Whether an offset is that of a register of the queue or, from PECTL on, of its events. */
export const isPageRequestRegister = (offset: number): boolean =>
  offset >= Offset.PQH && offset <= Offset.PEUADDR;

function wordsOf({ sourceId, hi, lo, access, pasid, privileged, group, isLast }: PageRequest): Int32Array {
  const words = new Int32Array(pageRequestEntry.bits / 32);
  words[0] = PAGE_REQUEST_TYPE | (sourceId << RID.shift);
  if (pasid >= 0) {
    words[PP.word] |= 1 << PP.shift;
    words[PASID.word] |= pasid << PASID.shift;
    if ((access & EXECUTE) !== 0) words[EXE.word] |= 1 << EXE.shift;
    if (privileged) words[PRIV.word] |= 1 << PRIV.shift;
  }
  if ((access & READ) !== 0) words[R.word] |= 1 << R.shift;
  if ((access & WRITE) !== 0) words[W.word] |= 1 << W.shift;
  if (isLast) words[LPIG.word] |= 1 << LPIG.shift;
  words[PRGI.word] |= (group << PRGI.shift) | (lo & ~0xfff);
  words[3] = hi;
  return words;
}
