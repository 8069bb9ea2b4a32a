/** What CAP and ECAP say about a unit. */
import type { Field, Layout } from '../../vtd/formats/layout.ts';
import { extendedCapability } from '../../vtd/unit/registers.ts';
import { hexText } from './fields.ts';

type Values = Readonly<Record<string, bigint>>;

const widths = ['3 levels (39 bits)', '4 levels (48 bits)', '5 levels (57 bits)'];

export function explainCapability(values: Values): string[] {
  const { ND, SAGAW, MGAW, FRO, SSLPS, PSI, NFR, MAMV, CM, RWBF } = values;
  const levels = widths.filter((_, i) => ((SAGAW >> BigInt(i + 1)) & 1n) === 1n);
  const pages = ['4 KiB', ...['2 MiB', '1 GiB'].filter((_, i) => ((SSLPS >> BigInt(i)) & 1n) === 1n)];
  const records = NFR === 0n ? '1 fault record' : `${NFR + 1n} fault records`;
  return [
    levels.length === 0
      ? 'SAGAW names no width: no second-stage table can be used.'
      : `Second-stage tables of ${list(levels)}, with pages of ${list(pages)}.`,
    `Devices may use addresses of ${MGAW + 1n} bits.`,
    ND === 7n
      ? 'ND = 7 is reserved.'
      : `${1n << (4n + 2n * ND)} domains; ${records} at ${hexText(FRO * 16n)}.`,
    PSI === 1n
      ? `Up to 2^${MAMV} pages can be invalidated at once.`
      : 'No pages can be invalidated by themselves, only domains or everything.',
    ...(CM === 1n
      ? ['Caching mode: a new mapping needs an invalidation, too. Only emulated units ask for it.']
      : []),
    ...(RWBF === 1n
      ? ['Software must flush write buffers before the unit sees what it wrote to the tables.']
      : []),
  ];
}

export function explainExtendedCapability(values: Values): string[] {
  const { C, PT, DT, IRO } = values;
  const flags = flagsSet(extendedCapability, values);
  return [
    flags.length === 0 ? 'Has none of the extended capabilities.' : `Has ${list(flags)}.`,
    PT === 1n
      ? 'iommu=pt can put devices in passthrough (PT).'
      : 'Without PT there is no passthrough in hardware, whatever iommu=pt says.',
    ...(DT === 0n ? ['Devices cannot keep translations of their own (no device TLB).'] : []),
    ...(C === 0n
      ? ['Page walks do not snoop the CPU caches: software flushes what it writes to tables.']
      : []),
    `IVA and IOTLB lie at ${hexText(IRO * 16n)} and ${hexText(IRO * 16n + 8n)}.`,
  ];
}

/** What single bits that are set stand for, least significant first. */
export const flagsSet = ({ ordered }: Layout, values: Values): string[] =>
  ordered
    .filter(({ name, high, low }: Field) => high === low && values[name] === 1n)
    .map(({ meaning }) => meaning)
    .reverse();

/** `a`, `a and b`, `a, b and c`. */
export const list = (parts: readonly string[]): string =>
  parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
