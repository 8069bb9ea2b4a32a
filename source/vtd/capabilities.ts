/** What a unit can do, read out of CAP_REG and ECAP_REG once, and presets of real units. */
import { bigToWords, wordsToBig } from './bits.ts';
import type { Conditions } from './layout.ts';
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
  readonly queuedInvalidation: boolean;
  readonly extendedInterruptMode: boolean;
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
  /** Bits of a PASID. */
  readonly pasidWidth: number;
  /** Whether requests without PASID use RID_PASID; they use PASID 0 otherwise. */
  readonly ridPasid: boolean;
  /** Whether CCMD and IOTLB_REG carry out invalidations; from version 6 on only the queue does. */
  readonly registerInvalidation: boolean;
};

export type UnitDescription = {
  /** CAP_REG and ECAP_REG as the hardware reports them. */
  readonly cap: bigint;
  readonly ecap: bigint;
  /** VER_REG: major in bits 7:4, minor in 3:0. */
  readonly version: number;
  /** From the ACPI DMAR table, not from a register. */
  readonly hostAddressWidth: number;
};

/** What a current server part can do: its fields, not the registers of a particular machine. */
const server = {
  cap: wordsToBig(
    capability.encode({
      ND: 6,
      SAGAW: 0b01100,
      MGAW: 56,
      ZLR: 1,
      FRO: 0x40,
      SSLPS: 3,
      PSI: 1,
      NFR: 7,
      MAMV: 18,
      DWD: 1,
      DRD: 1,
      FS1GP: 1,
      PI: 1,
      FS5LP: 1,
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
      ADMS: 1,
    }),
  ),
  version: 0x60,
  hostAddressWidth: 52,
};

/** Units whose CAP and ECAP were read from real machines, QEMU's, and one that is made up. */
export const presets = {
  /** The main unit of a Skylake client: 4 levels, 39-bit addresses, one fault record. */
  skylake: { cap: 0x00d2008c40660462n, ecap: 0x0000000000f050dan, version: 0x10, hostAddressWidth: 39 },
  /** The unit of the same client's graphics: first-stage and PASID bits of the withdrawn extended mode. */
  'skylake-graphics': {
    cap: 0x01c0000c40660462n,
    ecap: 0x0000019e2ff0505en,
    version: 0x10,
    hostAddressWidth: 39,
  },
  /** QEMU's unit with 39-bit addresses: 3 levels, 64 Ki domains. */
  'qemu-39': { cap: 0x00d2008c22260206n, ecap: 0x0000000000f00f5an, version: 0x10, hostAddressWidth: 39 },
  /** QEMU 10's default under a Linux guest with interrupt remapping: 3 and 4 levels. */
  'qemu-48': { cap: 0x00d2008c222f0606n, ecap: 0x0000000000f00f4an, version: 0x10, hostAddressWidth: 48 },
  /** The same with `x-scalable-mode=on`: second stage only, no PASIDs. */
  'qemu-scalable': {
    cap: 0x00d2008c222f0606n,
    ecap: 0x0000480080f00f4an,
    version: 0x10,
    hostAddressWidth: 48,
  },
  /** The same with `x-flts=on` as well: first stage only. */
  'qemu-first-stage': {
    cap: 0x01d2008c222f0606n,
    ecap: 0x0000880000f00f4an,
    version: 0x10,
    hostAddressWidth: 48,
  },
  /** Scalable mode with everything: nested, 4 and 5 levels, 8 fault records. Plausible, no machine's own. */
  server,
} as const satisfies Record<string, UnitDescription>;

/** Decode a unit's capability registers. Combinations no unit can have throw a RangeError. */
export function capabilities({ cap, ecap, version, hostAddressWidth }: UnitDescription): Capabilities {
  const c = capability.decode(bigToWords(cap, 2));
  const e = extendedCapability.decode(bigToWords(ecap, 2));
  const sagaw = Number(c.SAGAW) & 0b01110;
  if (sagaw === 0) throw new RangeError(`CAP.SAGAW names no supported width: got 0b${c.SAGAW.toString(2)}`);
  if (Number(c.ND) === 7) throw new RangeError('CAP.ND is 7, which is reserved; expected 0 to 6');
  if (c.MGAW < 31n) throw new RangeError(`CAP.MGAW is ${c.MGAW}; expected 31 or more, for 32 bits or more`);
  if (hostAddressWidth < 32 || hostAddressWidth > 52) {
    throw new RangeError(`the host address width is ${hostAddressWidth}; expected 32 to 52`);
  }
  refuseScalable(c, e);
  return {
    cap,
    ecap,
    version,
    hostAddressWidth,
    domains: 1 << (4 + 2 * Number(c.ND)),
    sagaw,
    largestAw: 31 - Math.clz32(sagaw),
    guestAddressWidth: Number(c.MGAW) + 1,
    sslps: Number(c.SSLPS) & 3,
    pageSelective: c.PSI === 1n,
    maxAddressMask: Number(c.MAMV),
    faultRecords: Number(c.NFR) + 1,
    faultOffset: Number(c.FRO) * 16,
    invalidateOffset: Number(e.IRO) * 16,
    passThrough: e.PT === 1n,
    deviceTlb: e.DT === 1n,
    queuedInvalidation: e.QI === 1n,
    extendedInterruptMode: e.EIM === 1n,
    cachingMode: c.CM === 1n,
    writeBufferFlush: c.RWBF === 1n,
    readDraining: c.DRD === 1n,
    writeDraining: c.DWD === 1n,
    setRootInvalidates: c.ESRTPS === 1n,
    scalableMode: e.SMTS === 1n,
    abortDma: e.ADMS === 1n,
    firstStage: e.FSTS === 1n,
    secondStage: e.SSTS === 1n,
    nested: e.NEST === 1n,
    fiveLevelFirstStage: c.FS5LP === 1n,
    executeRequests: e.ERS === 1n,
    pasidWidth: Number(e.PSS) + 1,
    ridPasid: e.RPS === 1n,
    registerInvalidation: version >>> 4 < 6,
    DT: e.DT === 1n,
    SC: e.SC === 1n,
    MTS: e.MTS === 1n,
    PRS: e.PRS === 1n,
    EAFS: e.EAFS === 1n,
    PASID: e.PASID === 1n,
    PDS: e.PDS === 1n,
    SSADS: e.SSADS === 1n,
    SMPWCS: e.SMPWCS === 1n,
    RPRIVS: e.RPRIVS === 1n,
    FS1GP: c.FS1GP === 1n,
  };
}

/**
 * Combinations that scalable mode excludes. Without SMTS only what came with it is refused: client parts before
 * it set NEST, PASID and PRS for a mode that was withdrawn.
 */
function refuseScalable(
  c: ReturnType<typeof capability.decode>,
  e: ReturnType<typeof extendedCapability.decode>,
): void {
  const needs = (feature: boolean, condition: boolean, text: string) => {
    if (feature && !condition) throw new RangeError(text);
  };
  const isScalable = e.SMTS === 1n;
  for (const name of ['SSADS', 'SSTS', 'FSTS', 'SMPWCS', 'RPS', 'RPRIVS'] as const) {
    needs(e[name] === 1n, isScalable, `ECAP.${name} is a part of scalable mode; expected SMTS as well`);
  }
  needs(c.FS5LP === 1n, e.FSTS === 1n, 'CAP.FS5LP is about first stage; expected ECAP.FSTS as well');
  if (!isScalable) return;
  needs(true, e.QI === 1n, 'ECAP.SMTS without QI: scalable mode is invalidated by the queue alone');
  needs(
    true,
    e.FSTS === 1n || e.SSTS === 1n,
    'ECAP.SMTS without FSTS and SSTS: scalable mode has nothing to translate with',
  );
  needs(e.NEST === 1n, e.FSTS === 1n && e.SSTS === 1n, 'ECAP.NEST nests FSTS in SSTS; expected both');
  needs(e.SSADS === 1n, e.SSTS === 1n, 'ECAP.SSADS is about second stage; expected SSTS as well');
  needs(e.PASID === 1n, e.PSS <= 19n, `ECAP.PSS is ${e.PSS}; a PASID has 20 bits, expected 19 or less`);
}
