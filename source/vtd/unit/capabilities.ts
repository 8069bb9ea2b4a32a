/** What a unit can do, read out of CAP_REG and ECAP_REG once, and presets of real units. */
import { bigToWords, wordsToBig } from '../bits.ts';
import type { Conditions } from '../formats/layout.ts';
import {
  type Claims,
  contradictions,
  largestWidth,
  QUEUE_ONLY_VERSION,
  supportedWidths,
} from './capability-rules.ts';
import { capability, extendedCapability } from './registers.ts';

export type Capabilities = Conditions & {
  readonly cap: bigint;
  readonly ecap: bigint;
  readonly version: number;
  /** Domain ids are below this. */
  readonly domains: number;
  /** Bit n set: AW code n is supported, a table of n + 2 levels. */
  readonly sagaw: number;
  /** The largest AW code of SAGAW, which a pass-through context entry must use. */
  readonly largestAw: number;
  /** Bits of an input address. */
  readonly guestAddressWidth: number;
  /** Second-stage large pages: bit 0 2 MiB, bit 1 1 GiB. */
  readonly sslps: number;
  readonly pageSelective: boolean;
  readonly maxAddressMask: number;
  readonly faultRecords: number;
  /** Byte offset of the first fault record. */
  readonly faultOffset: number;
  /** Byte offset of IVA_REG; IOTLB_REG follows it. */
  readonly invalidateOffset: number;
  readonly passThrough: boolean;
  readonly deviceTlb: boolean;
  /** Whether a zero-length read may go to a write-only page. */
  readonly zeroLengthRead: boolean;
  /** Whether the no-write flag of translation requests is honoured. */
  readonly noWriteFlag: boolean;
  readonly pageRequests: boolean;
  /** Which protected memory regions there are. */
  readonly protectedLow: boolean;
  readonly protectedHigh: boolean;
  readonly queuedInvalidation: boolean;
  readonly extendedInterruptMode: boolean;
  readonly interruptRemapping: boolean;
  readonly postedInterrupts: boolean;
  /** Whether SIRTP empties the interrupt-entry cache. */
  readonly setInterruptTableInvalidates: boolean;
  /** The largest index mask of an invalidation of the interrupt-entry cache. */
  readonly maxHandleMask: number;
  readonly cachingMode: boolean;
  readonly writeBufferFlush: boolean;
  readonly readDraining: boolean;
  readonly writeDraining: boolean;
  readonly setRootInvalidates: boolean;
  readonly scalableMode: boolean;
  readonly abortDma: boolean;
  readonly firstStage: boolean;
  readonly secondStage: boolean;
  readonly nested: boolean;
  readonly fiveLevelFirstStage: boolean;
  readonly executeRequests: boolean;
  /** Bits of a PASID; all 20 where ECAP.PASID is clear, so that PSS says nothing: Linux has directories of 15 there. */
  readonly pasidWidth: number;
  /** Whether requests without PASID use RID_PASID; they use PASID 0 otherwise. */
  readonly ridPasid: boolean;
  /** Whether CCMD and IOTLB_REG carry out invalidations; from version 6 on only the queue does. */
  readonly registerInvalidation: boolean;
  readonly performanceMonitoring: boolean;
};

export type UnitDescription = {
  /** The preset, and what was changed in it. */
  readonly name: string;
  /** CAP_REG and ECAP_REG as the hardware reports them. */
  readonly cap: bigint;
  readonly ecap: bigint;
  /** VER_REG: major in bits 7:4, minor in 3:0. */
  readonly version: number;
  /** From the ACPI DMAR table, not from a register. */
  readonly hostAddressWidth: number;
};

/**
 * What a current server part can do, in the manner of Sapphire Rapids: its fields, not the registers of a particular
 * machine. The fault records lie where Ice Lake servers have their eight.
 */
const server: UnitDescription = {
  name: 'server',
  cap: wordsToBig(
    capability.encode({
      ND: 6,
      SAGAW: 0b01100,
      MGAW: 56,
      ZLR: 1,
      FRO: 0x10,
      SSLPS: 3,
      PSI: 1,
      NFR: 7,
      MAMV: 18,
      DWD: 1,
      DRD: 1,
      FS1GP: 1,
      PI: 1,
      FS5LP: 1,
      ECMDS: 1,
      ESIRTPS: 1,
      ESRTPS: 1,
    }),
  ),
  ecap: wordsToBig(
    extendedCapability.encode({
      C: 1,
      QI: 1,
      DT: 1,
      IR: 1,
      EIM: 1,
      PT: 1,
      SC: 1,
      IRO: 0x50,
      MHMV: 15,
      NEST: 1,
      PRS: 1,
      SRS: 1,
      NWFS: 1,
      PSS: 19,
      PASID: 1,
      PDS: 1,
      SMTS: 1,
      SSADS: 1,
      SSTS: 1,
      FSTS: 1,
      SMPWCS: 1,
      RPS: 1,
      PMS: 1,
      ADMS: 1,
    }),
  ),
  version: 0x60,
  hostAddressWidth: 52,
};

/** CAP and ECAP as they were read from real units or from QEMU's. */
const recorded = (name: string, cap: bigint, ecap: bigint, hostAddressWidth: number): UnitDescription => ({
  name,
  cap,
  ecap,
  version: 0x10,
  hostAddressWidth,
});

export const presets = {
  /** The main unit of a Skylake client: 4 levels, 39-bit addresses, one fault record. */
  skylake: recorded('skylake', 0x00d2008c40660462n, 0x0000000000f050dan, 39),
  /** The unit of the same client's graphics: first-stage and PASID bits of the withdrawn extended mode. */
  'skylake-graphics': recorded('skylake-graphics', 0x01c0000c40660462n, 0x0000019e2ff0505en, 39),
  /** QEMU 10's default under a Linux guest with interrupt remapping: 3 and 4 levels. */
  qemu: recorded('qemu', 0x00d2008c222f0606n, 0x0000000000f00f4an, 48),
  /** QEMU's unit with 39-bit addresses: 3 levels, 64 Ki domains. */
  'qemu-39': recorded('qemu-39', 0x00d2008c22260206n, 0x0000000000f00f5an, 39),
  /** `qemu` with `x-scalable-mode=on`: second stage only, no PASIDs. */
  'qemu-scalable': recorded('qemu-scalable', 0x00d2008c222f0606n, 0x0000480080f00f4an, 48),
  /** The same with `x-flts=on` as well: first stage only. */
  'qemu-first-stage': recorded('qemu-first-stage', 0x01d2008c222f0606n, 0x0000880000f00f4an, 48),
  /** Scalable mode with everything: nested, 4 and 5 levels, 8 fault records. Plausible, no machine's own. */
  server,
} as const satisfies Record<string, UnitDescription>;

export type PresetName = keyof typeof presets;

/** What a description says, by field. */
export function claimsOf({ cap, ecap, version, hostAddressWidth }: UnitDescription): Claims {
  return {
    cap: numbers(capability.decode(bigToWords(cap, 2))),
    ecap: numbers(extendedCapability.decode(bigToWords(ecap, 2))),
    version,
    hostAddressWidth,
  };
}

const numbers = <Name extends string>(fields: Record<Name, bigint>): Record<Name, number> =>
  Object.fromEntries(Object.entries<bigint>(fields).map(([name, value]) => [name, Number(value)])) as Record<
    Name,
    number
  >;

/** Decode a unit's capability registers. What no unit can have throws a RangeError that names all of it. */
export function capabilities(description: UnitDescription): Capabilities {
  const claims = claimsOf(description);
  const reasons = contradictions(claims);
  if (reasons.length > 0) throw new RangeError(reasons.join('; '));
  const { cap: c, ecap: e } = claims;
  const { cap, ecap, version, hostAddressWidth } = description;
  return {
    cap,
    ecap,
    version,
    hostAddressWidth,
    domains: 1 << (4 + 2 * c.ND),
    sagaw: supportedWidths(c.SAGAW),
    largestAw: largestWidth(c.SAGAW),
    guestAddressWidth: c.MGAW + 1,
    sslps: c.SSLPS & 3,
    pageSelective: c.PSI === 1,
    maxAddressMask: c.MAMV,
    faultRecords: c.NFR + 1,
    faultOffset: c.FRO * 16,
    invalidateOffset: e.IRO * 16,
    passThrough: e.PT === 1,
    deviceTlb: e.DT === 1,
    zeroLengthRead: c.ZLR === 1,
    noWriteFlag: e.NWFS === 1,
    pageRequests: e.PRS === 1,
    protectedLow: c.PLMR === 1,
    protectedHigh: c.PHMR === 1,
    queuedInvalidation: e.QI === 1,
    extendedInterruptMode: e.EIM === 1,
    interruptRemapping: e.IR === 1,
    postedInterrupts: c.PI === 1,
    setInterruptTableInvalidates: c.ESIRTPS === 1,
    maxHandleMask: e.MHMV,
    cachingMode: c.CM === 1,
    writeBufferFlush: c.RWBF === 1,
    readDraining: c.DRD === 1,
    writeDraining: c.DWD === 1,
    setRootInvalidates: c.ESRTPS === 1,
    scalableMode: e.SMTS === 1,
    abortDma: e.ADMS === 1,
    firstStage: e.FSTS === 1,
    secondStage: e.SSTS === 1,
    nested: e.NEST === 1,
    fiveLevelFirstStage: c.FS5LP === 1,
    executeRequests: e.ERS === 1,
    pasidWidth: e.PASID === 1 ? e.PSS + 1 : 20,
    ridPasid: e.RPS === 1,
    performanceMonitoring: e.PMS === 1,
    registerInvalidation: version >>> 4 < QUEUE_ONLY_VERSION,
    DT: e.DT === 1,
    DIT: e.DIT === 1,
    SC: e.SC === 1,
    MTS: e.MTS === 1,
    PRS: e.PRS === 1,
    EAFS: e.EAFS === 1,
    PASID: e.PASID === 1,
    PDS: e.PDS === 1,
    SSADS: e.SSADS === 1,
    SMPWCS: e.SMPWCS === 1,
    RPRIVS: e.RPRIVS === 1,
    FS1GP: c.FS1GP === 1,
  };
}
