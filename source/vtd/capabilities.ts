/** What a unit can do, read out of CAP_REG and ECAP_REG once, and presets of real units. */
import { bigToWords } from './bits.ts';
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

/** Units whose CAP and ECAP were read from real machines, and QEMU's. */
export const presets = {
  /** The main unit of a Skylake client: 4 levels, 39-bit addresses, one fault record. */
  skylake: { cap: 0x00d2008c40660462n, ecap: 0x0000000000f050dan, version: 0x10, hostAddressWidth: 39 },
  /** QEMU's unit with 39-bit addresses: 3 levels, 64 Ki domains. */
  'qemu-39': { cap: 0x00d2008c22260206n, ecap: 0x0000000000f00f5an, version: 0x10, hostAddressWidth: 39 },
  /** QEMU 10's default under a Linux guest with interrupt remapping: 3 and 4 levels. */
  'qemu-48': { cap: 0x00d2008c222f0606n, ecap: 0x0000000000f00f4an, version: 0x10, hostAddressWidth: 48 },
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
    SC: e.SC === 1n,
    PDS: e.PDS === 1n,
  };
}
