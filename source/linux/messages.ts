/** Kernel messages about faults, word for word: `drivers/iommu/intel/dmar.c`. */
import { hexOf } from '../vtd/bits.ts';
import { faultReason } from '../vtd/fault-reason.ts';
import { faultRecord } from '../vtd/fault-record.ts';
import { bdf } from '../vtd/source-id.ts';

/** The line for one fault record of four 32-bit words, without the time stamp. */
export function faultMessage(words: ArrayLike<number>): string {
  const record = faultRecord.decode(words);
  const address = hexOf(words[1], words[0] & ~0xfff);
  const reason = Number(record.FR);
  const code = `0x${reason.toString(16).padStart(2, '0')}`;
  if (hasInterruptText(reason)) {
    const index = (record.FI >> 48n).toString(16);
    return (
      `DMAR: [INTR-REMAP] Request device [${bdf(Number(record.SID))}] ` +
      `fault index 0x${index} [fault reason ${code}] ${faultReason(reason).kernelText}`
    );
  }
  // Linux looks at T1 alone: a page request prints as Write, an AtomicOp as Read.
  const type = record.T1 === 1n ? 'Read' : 'Write';
  const pasid = record.PP === 1n ? `PASID 0x${record.PV.toString(16)}` : 'NO_PASID';
  return (
    `DMAR: [DMA ${type} ${pasid}] Request device [${bdf(Number(record.SID))}] ` +
    `fault addr ${address} [fault reason ${code}] ${faultReason(reason).kernelText}`
  );
}

/** Whether Linux knows a reason as one of interrupt remapping; 0x27 and 0x28 it prints as if they were DMA. */
const hasInterruptText = (reason: number): boolean => reason >= 0x20 && reason <= 0x26;

/** The line before the records; the register in hexadecimal without 0x. */
export const faultStatusMessage = (status: number): string =>
  `DMAR: DRHD: handling fault status reg ${(status >>> 0).toString(16)}`;
