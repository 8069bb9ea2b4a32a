/**
 * Combinations of capabilities that no unit can have, and capabilities that this chip does not model. VT-d
 * specification, chapters 11.4.2 and 11.4.3.
 *
 * Client parts before scalable mode set NEST, PASID, EAFS and FS1GP for a mode that was withdrawn: without SMTS these
 * need nothing else.
 */
import { hex } from '../bits.ts';
import type { capability, extendedCapability } from './registers.ts';

/** What a unit claims: the fields of both registers, and what is in neither. */
export type Claims = {
  readonly cap: Readonly<Record<keyof typeof capability.fields, number>>;
  readonly ecap: Readonly<Record<keyof typeof extendedCapability.fields, number>>;
  /** VER_REG. */
  readonly version: number;
  readonly hostAddressWidth: number;
};

/** Bytes of a unit's fixed registers. A unit with counters has more behind them, see performance-monitor.ts. */
export const WINDOW_BYTES = 4096;

/** Registers whose place is fixed, in bytes: first and first after. */
const FIXED = { start: 0x000, end: 0x0f0 } as const;
/** Registers that exist only with a capability. */
const OPTIONAL = [
  { name: 'the MTRR registers', start: 0x100, end: 0x220, exists: ({ ecap }: Claims) => ecap.MTS === 1 },
  {
    name: 'the performance registers',
    start: 0x300,
    end: 0x3a0,
    exists: ({ ecap }: Claims) => ecap.PMS === 1,
  },
  { name: 'the command registers', start: 0x400, end: 0x450, exists: ({ cap }: Claims) => cap.ECMDS === 1 },
] as const;
const RECORD_BYTES = 16;
const INVALIDATE_BYTES = 16;

/** From this major version on only the queue invalidates: there are no IVA and IOTLB registers. */
export const QUEUE_ONLY_VERSION = 6;

/** AW codes that count; widths of 30 and 64 bits were withdrawn. */
export const supportedWidths = (sagaw: number): number => sagaw & 0b01110;

/** The largest AW code of SAGAW. */
export const largestWidth = (sagaw: number): number => 31 - Math.clz32(supportedWidths(sagaw));

type Rule = {
  readonly broken: (claims: Claims) => boolean;
  readonly reason: (claims: Claims) => string;
};

const rule = (broken: Rule['broken'], reason: string | Rule['reason']): Rule => ({
  broken,
  reason: typeof reason === 'string' ? () => reason : reason,
});

const rules: readonly Rule[] = [
  // What a field may hold.
  rule(({ cap }) => cap.ND === 7, 'CAP.ND is 7, which is reserved; expected 0 to 6'),
  rule(
    ({ cap }) => supportedWidths(cap.SAGAW) === 0,
    ({ cap }) =>
      `CAP.SAGAW names no supported width: got 0b${cap.SAGAW.toString(2)}, expected a bit of 0b1110 (39, 48, 57 bits)`,
  ),
  rule(
    ({ cap }) => cap.MGAW < 31,
    ({ cap }) => `CAP.MGAW is ${cap.MGAW}; expected 31 or more, for 32 bits or more`,
  ),
  rule(
    ({ cap }) => supportedWidths(cap.SAGAW) !== 0 && cap.MGAW + 1 > 30 + 9 * largestWidth(cap.SAGAW),
    ({ cap }) =>
      `CAP.MGAW allows ${cap.MGAW + 1} bits, but the largest width of SAGAW has ${30 + 9 * largestWidth(cap.SAGAW)}`,
  ),
  rule(
    ({ hostAddressWidth }) => hostAddressWidth < 32 || hostAddressWidth > 52,
    ({ hostAddressWidth }) => `the host address width is ${hostAddressWidth}; expected 32 to 52`,
  ),
  rule(
    ({ ecap }) => ecap.PASID === 1 && ecap.PSS > 19,
    ({ ecap }) => `ECAP.PSS is ${ecap.PSS}; a PASID has 20 bits, expected 19 or less`,
  ),

  // Page-selective invalidation.
  rule(
    ({ cap }) => cap.PSI === 0 && cap.MAMV !== 0,
    ({ cap }) =>
      `CAP.MAMV is ${cap.MAMV} without PSI: there is no page-selective invalidation for it to limit`,
  ),
  rule(
    ({ cap }) => cap.PSI === 1 && cap.MAMV < smallestMask(cap.SSLPS),
    ({ cap }) =>
      `CAP.MAMV is ${cap.MAMV}; one invalidation must reach the largest page, expected ${smallestMask(cap.SSLPS)} or more`,
  ),

  // The queue, and what only it can invalidate.
  rule(
    ({ ecap, version }) => version >>> 4 >= QUEUE_ONLY_VERSION && ecap.QI === 0,
    'a unit of version 6 or later has no registers to invalidate with; expected ECAP.QI',
  ),
  rule(
    ({ ecap }) => ecap.SMTS === 1 && ecap.QI === 0,
    'ECAP.SMTS without QI: scalable mode is invalidated by the queue alone',
  ),
  rule(
    ({ ecap }) => ecap.DT === 1 && ecap.QI === 0,
    'ECAP.DT without QI: device TLBs are invalidated by the queue alone',
  ),
  rule(
    ({ ecap }) => ecap.IR === 1 && ecap.QI === 0,
    'ECAP.IR without QI: the interrupt entry cache is invalidated by the queue alone',
  ),

  // Interrupt remapping.
  rule(
    ({ ecap }) => ecap.EIM === 1 && ecap.IR === 0,
    'ECAP.EIM is a mode of interrupt remapping; expected IR as well',
  ),
  rule(
    ({ cap, ecap }) => cap.PI === 1 && ecap.IR === 0,
    'CAP.PI posts interrupts that are remapped; expected ECAP.IR as well',
  ),
  rule(
    ({ cap, ecap }) => cap.ESIRTPS === 1 && ecap.IR === 0,
    'CAP.ESIRTPS is about the interrupt-remapping table; expected ECAP.IR as well',
  ),

  // Device TLBs and page requests.
  rule(
    ({ ecap }) => ecap.PRS === 1 && ecap.DT === 0,
    'ECAP.PRS: page requests come from device TLBs; expected DT as well',
  ),
  rule(
    ({ ecap }) => ecap.NWFS === 1 && ecap.DT === 0,
    'ECAP.NWFS is a flag of translation requests; expected DT as well',
  ),
  rule(
    ({ ecap }) => ecap.DIT === 1 && ecap.DT === 0,
    'ECAP.DIT throttles device-TLB invalidations; expected DT as well',
  ),
  rule(({ ecap }) => ecap.PDS === 1 && ecap.PRS === 0, 'ECAP.PDS drains page requests; expected PRS as well'),
  rule(
    ({ ecap }) => ecap.SMS === 1 && ecap.PRS === 0,
    'ECAP.SMS marks the end of page requests; expected PRS as well',
  ),

  // Scalable mode.
  ...(['SSADS', 'SSTS', 'FSTS', 'SMPWCS', 'RPS', 'RPRIVS'] as const).map((name) =>
    rule(
      ({ ecap }) => ecap[name] === 1 && ecap.SMTS === 0,
      `ECAP.${name} is a part of scalable mode; expected SMTS as well`,
    ),
  ),
  rule(
    ({ ecap }) => ecap.SMTS === 1 && ecap.FSTS === 0 && ecap.SSTS === 0,
    'ECAP.SMTS without FSTS and SSTS: scalable mode has nothing to translate with',
  ),
  rule(
    ({ ecap }) => ecap.SMTS === 1 && ecap.NEST === 1 && (ecap.FSTS === 0 || ecap.SSTS === 0),
    'ECAP.NEST nests FSTS in SSTS; expected both',
  ),
  rule(
    ({ ecap }) => ecap.SMTS === 1 && ecap.SSADS === 1 && ecap.SSTS === 0,
    'ECAP.SSADS is about second stage; expected SSTS as well',
  ),
  rule(
    ({ ecap }) => ecap.SMTS === 1 && ecap.EAFS === 1 && ecap.FSTS === 0,
    'ECAP.EAFS is a flag of first-stage entries; expected FSTS as well',
  ),
  rule(
    ({ cap, ecap }) => cap.FS5LP === 1 && ecap.FSTS === 0,
    'CAP.FS5LP is about first stage; expected ECAP.FSTS as well',
  ),
  rule(
    ({ cap, ecap }) => ecap.SMTS === 1 && cap.FS1GP === 1 && ecap.FSTS === 0,
    'CAP.FS1GP is about first stage; expected ECAP.FSTS as well',
  ),

  // Performance monitoring.
  rule(
    ({ cap, ecap }) => ecap.PMS === 1 && cap.ECMDS === 0,
    'ECAP.PMS: counters are enabled and frozen by enhanced commands; expected CAP.ECMDS as well',
  ),

  // What this chip does not have.
  rule(({ cap }) => cap.AFL === 1, 'CAP.AFL: the fault log in memory is not modelled; expected 0'),
  rule(({ ecap }) => ecap.VCS === 1, 'ECAP.VCS: the virtual command interface is not modelled; expected 0'),
  rule(({ ecap }) => ecap.TDXIO === 1, 'ECAP.TDXIO: TEE-IO is not modelled; expected 0'),
];

/** The smallest address mask that covers the largest second-stage page: 2 MiB are 2^9 pages, 1 GiB 2^18. */
const smallestMask = (sslps: number): number => ((sslps & 2) !== 0 ? 18 : 9);

/** Why no unit can be as these claims say, in sentences; empty if one can. */
export function contradictions(claims: Claims): string[] {
  return [
    ...rules.filter(({ broken }) => broken(claims)).map(({ reason }) => reason(claims)),
    ...misplacedRegisters(claims),
  ];
}

type Place = { readonly name: string; readonly start: number; readonly end: number };

/** FRO and IRO say where registers lie: they must lie in the window and on no others. */
function misplacedRegisters(claims: Claims): string[] {
  const { cap, ecap, version } = claims;
  const fro = RECORD_BYTES * cap.FRO;
  const records = cap.NFR + 1;
  const moving: Place[] = [
    { name: `CAP.FRO with ${records} fault records`, start: fro, end: fro + RECORD_BYTES * records },
  ];
  if (version >>> 4 < QUEUE_ONLY_VERSION) {
    const iro = INVALIDATE_BYTES * ecap.IRO;
    moving.push({ name: 'ECAP.IRO', start: iro, end: iro + INVALIDATE_BYTES });
  }
  const reasons: string[] = [];
  for (const place of moving) {
    const range = `${hex(place.start, 3)} to ${hex(place.end - 1, 3)}`;
    if (place.end > WINDOW_BYTES) {
      reasons.push(`${place.name} is at ${range}; the register window ends at ${hex(WINDOW_BYTES - 1, 3)}`);
    }
    const others: Place[] = [
      { name: 'the registers at the start of the window', ...FIXED },
      ...OPTIONAL.filter(({ exists }) => exists(claims)),
      ...moving.slice(0, moving.indexOf(place)),
    ];
    for (const other of others) {
      if (place.start < other.end && other.start < place.end) {
        reasons.push(`${place.name} is at ${range}, on ${other.name}`);
      }
    }
  }
  return reasons;
}
