/** The unit that QEMU's property words describe. */
import type { UnitDescription } from '../vtd/unit/capabilities.ts';
import type { UnitWords } from './case-file.ts';

/** CAP and ECAP as QEMU reports them with nothing but the width set, pass-through included. */
const CAP = { 39: 0x00d2_008c_2226_0206n, 48: 0x00d2_008c_222f_0606n } as const;
const ECAP = 0x00f0_0f4an;

const CAP_CM = 1n << 7n;
const CAP_FS1GP = 1n << 56n;
const ECAP_PT = 1n << 6n;
const ECAP_SRS = 1n << 31n;
const ECAP_SMTS = 1n << 43n;
const ECAP_SSTS = 1n << 46n;
const ECAP_FSTS = 1n << 47n;

/** Capability registers as QEMU reports them: 7.2 for all words but `x-flts`, which is 10.0's. */
export function unitDescription(words: UnitWords): UnitDescription {
  const { awBits, scalableMode, firstStage, cachingMode, passThrough } = words;
  let cap: bigint = CAP[awBits];
  if (cachingMode) cap |= CAP_CM;
  let ecap = ECAP;
  if (!passThrough) ecap &= ~ECAP_PT;
  if (firstStage) {
    cap |= CAP_FS1GP;
    ecap |= ECAP_SMTS | ECAP_FSTS;
  } else if (scalableMode) {
    ecap |= ECAP_SMTS | ECAP_SSTS | ECAP_SRS;
  }
  return { name: 'qemu', cap, ecap, version: 0x10, hostAddressWidth: awBits };
}
