/** Kernel messages about faults, word for word: `drivers/iommu/intel/dmar.c`. */
import { hexOf } from '../../vtd/bits.ts';
import { faultReason } from '../../vtd/faults/fault-reason.ts';
import { faultRecord } from '../../vtd/formats/fault-record.ts';
import { bdf } from '../../vtd/source-id.ts';
import { DEFAULT_VERSION, isSince, type KernelVersion } from '../version.ts';

/**
 * The line for one fault record of four 32-bit words, without the time stamp. 5.14 alone prints a device with 0x;
 * before it numbers had none either, and the reason was decimal.
 */
export function faultMessage(words: ArrayLike<number>, version: KernelVersion = DEFAULT_VERSION): string {
  const record = faultRecord.decode(words);
  const isOld = !isSince(version, '5.14');
  const hexadecimal = (digits: string) => (isOld ? digits : `0x${digits}`);
  const reason = Number(record.FR);
  const code = `${isOld ? reason : reason.toString(16)}`.padStart(2, '0');
  const end = `[fault reason ${isOld ? code : `0x${code}`}] ${faultReason(reason).kernelText}`;
  const name = bdf(Number(record.SID));
  const device = isOld || isSince(version, '5.15') ? name : `0x${name.replace(':', ':0x')}`;
  if (hasInterruptText(reason)) {
    const index = hexadecimal((record.FI >> 48n).toString(16));
    return `DMAR: [INTR-REMAP] Request device [${device}] fault index ${index} ${end}`;
  }
  // Linux looks at T1 alone: a page request prints as Write, an AtomicOp as Read.
  const type = record.T1 === 1n ? 'Read' : 'Write';
  const address = hexadecimal(hexOf(words[1], words[0] & ~0xfff).slice(2));
  const pasid = record.PP === 1n ? record.PV.toString(16) : null;
  if (isOld) {
    return `DMAR: [DMA ${type}] Request device [${device}] PASID ${pasid ?? 'ffffffff'} fault addr ${address} ${end}`;
  }
  const who = pasid === null ? 'NO_PASID' : `PASID 0x${pasid}`;
  return `DMAR: [DMA ${type} ${who}] Request device [${device}] fault addr ${address} ${end}`;
}

/** Whether Linux knows a reason as one of interrupt remapping; 0x27 and 0x28 it prints as if they were DMA. */
const hasInterruptText = (reason: number): boolean => reason >= 0x20 && reason <= 0x26;

/** The line before the records; the register in hexadecimal without 0x. */
export const faultStatusMessage = (status: number): string =>
  `DMAR: DRHD: handling fault status reg ${(status >>> 0).toString(16)}`;
