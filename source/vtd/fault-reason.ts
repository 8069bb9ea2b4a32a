/**
 * Fault reasons of legacy mode. VT-d specification, chapter 7.1.3 and appendix; kernel texts from Linux
 * `drivers/iommu/intel/dmar.c`.
 */
export type FaultReason = {
  readonly code: number;
  /** The specification's name of the condition. */
  readonly name: string;
  /** What happened, for people. */
  readonly meaning: string;
  /** What Linux prints. */
  readonly kernelText: string;
  /** Not recorded where the context entry sets FPD. */
  readonly qualified: boolean;
};

const reason = (
  code: number,
  name: string,
  qualified: boolean,
  meaning: string,
  kernelText: string,
): FaultReason => ({
  code,
  name,
  meaning,
  kernelText,
  qualified,
});

export const Fault = {
  ROOT_NOT_PRESENT: 0x1,
  CONTEXT_NOT_PRESENT: 0x2,
  CONTEXT_INVALID: 0x3,
  BEYOND_WIDTH: 0x4,
  NO_WRITE: 0x5,
  NO_READ: 0x6,
  PAGING_READ_ERROR: 0x7,
  ROOT_READ_ERROR: 0x8,
  CONTEXT_READ_ERROR: 0x9,
  ROOT_RESERVED: 0xa,
  CONTEXT_RESERVED: 0xb,
  PAGING_RESERVED: 0xc,
  TYPE_BLOCKED: 0xd,
  INTERRUPT_RANGE: 0xe,
  BAD_TABLE_MODE: 0x30,
} as const;

export const faultReasons: readonly FaultReason[] = [
  reason(0x1, 'LRT.2', false, 'root entry not present', 'Present bit in root entry is clear'),
  reason(0x2, 'LCT.2', true, 'context entry not present', 'Present bit in context entry is clear'),
  reason(0x3, 'LCT.4', true, 'context entry is programmed wrongly', 'Invalid context entry'),
  reason(0x4, 'LGN.1', true, 'address above the guest address width', 'Access beyond MGAW'),
  reason(0x5, 'LGN.2', true, 'no write permission', 'PTE Write access is not set'),
  reason(0x6, 'LGN.3', true, 'no read permission', 'PTE Read access is not set'),
  reason(0x7, 'LSS.1', true, 'a paging entry could not be read', 'Next page table ptr is invalid'),
  reason(0x8, 'LRT.1', false, 'the root entry could not be read', 'Root table address invalid'),
  reason(0x9, 'LCT.1', false, 'the context entry could not be read', 'Context table ptr is invalid'),
  reason(0xa, 'LRT.3', false, 'reserved bits set in the root entry', 'non-zero reserved fields in RTP'),
  reason(0xb, 'LCT.3', true, 'reserved bits set in the context entry', 'non-zero reserved fields in CTP'),
  reason(0xc, 'LSS.2', true, 'reserved bits set in a paging entry', 'non-zero reserved fields in PTE'),
  reason(
    0xd,
    'LCT.5',
    true,
    'the context entry forbids this type of request',
    'PCE for translation request specifies blocking',
  ),
  reason(0xe, 'LGN.4', true, 'the page lies in the interrupt range', 'Unknown'),
  reason(0x30, 'RTA.1', false, 'the root table has an unsupported mode', 'SM: Invalid Root Table Address'),
];

const byCode = new Map(faultReasons.map((entry) => [entry.code, entry]));

/** The reason for a code; one that is not established comes back as Linux shows it, "Unknown". */
export const faultReason = (code: number): FaultReason =>
  byCode.get(code) ?? reason(code, 'reserved', true, 'reason not established', 'Unknown');

/** Whether FPD suppresses the recording of a fault. */
export const isQualified = (code: number): boolean => faultReason(code).qualified;
