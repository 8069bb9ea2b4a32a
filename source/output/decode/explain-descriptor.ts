/** What a descriptor of the invalidation queue drops. */

import {
  contextDescriptor,
  descriptorLayout,
  deviceTlbDescriptor,
  Granularity,
  interruptEntryDescriptor,
  iotlbDescriptor,
  pageResponseDescriptor,
  pasidCacheDescriptor,
  pasidDeviceTlbDescriptor,
  pasidIotlbDescriptor,
  waitDescriptor,
} from '../../vtd/formats/invalidation-descriptor.ts';
import { bits, ignored, type Layout, layout } from '../../vtd/formats/layout.ts';
import { bdf } from '../../vtd/source-id.ts';
import { QueueError } from '../../vtd/unit/registers.ts';
import { queueErrorText } from './codes.ts';
import type { Explanation, Subject } from './decoded.ts';
import { deviceTlb, inLegacy, pageResponse, pasidDeviceTlb } from './explain-device-tlb.ts';
import { hexText } from './fields.ts';
import { isMisaligned, pagesText } from './pages.ts';
import { unitsWhere } from './reserved.ts';

/** A descriptor of a type that there is not. */
export const otherDescriptor = layout('descriptor of another type', 128, contextDescriptor.source, {
  type: bits(3, 0, 'descriptor type'),
  between: ignored(8, 4, 'depends on the type'),
  typeHigh: bits(11, 9, 'descriptor type, upper bits'),
  rest: ignored(127, 12, 'depends on the type'),
});

export const anyDescriptorLayout = (word: number): Layout => descriptorLayout(word) ?? otherDescriptor;

const stops = (code: number): string => `the queue stops at it (IQE: ${queueErrorText(code)})`;

/** Bits of the function number that FM leaves out of the comparison. */
const anyFunction = [
  '',
  ', functions compared without bit 2',
  ', functions compared by bit 0 only',
  ', all functions',
];

const zeroGranularity = [`Granularity 0 is reserved: ${stops(QueueError.RESERVED)}.`];

function context({ values: { G, DID, SID, FM } }: Subject): string[] {
  const then = 'Translations stay in the IOTLB until an IOTLB invalidation follows.';
  switch (Number(G)) {
    case Granularity.GLOBAL:
      return ['Drops every entry of the context cache.', then];
    case Granularity.DOMAIN:
      return [`Drops the context-cache entries of domain ${DID}.`, then];
    case Granularity.SELECTIVE: {
      const device = `${bdf(Number(SID))}${anyFunction[Number(FM)]}`;
      return [`Drops the context-cache entry of ${device}, which was in domain ${DID}.`, then];
    }
    default:
      return zeroGranularity;
  }
}

function iotlb({ values: { G, DW, DR, DID, AM, IH, ADDR } }: Subject): string[] {
  const drained = [...(DR === 1n ? ['reads'] : []), ...(DW === 1n ? ['writes'] : [])].join(' and ');
  const drain = drained === '' ? [] : [`Before it completes, ${drained} in flight are finished.`];
  switch (Number(G)) {
    case Granularity.GLOBAL:
      return ['Drops every translation from the IOTLB and the paging-structure caches.', ...drain];
    case Granularity.DOMAIN:
      return [`Drops every translation of domain ${DID} from the IOTLB.`, ...drain];
    case Granularity.SELECTIVE:
      return [
        `Drops the translations of ${pagesText(ADDR, AM)} in domain ${DID}.`,
        ...pageNotes(AM, IH, ADDR),
        ...drain,
      ];
    default:
      return zeroGranularity;
  }
}

function pageNotes(mask: bigint, hint: bigint, address: bigint): string[] {
  const tooMany = unitsWhere(({ capabilities: c }) => !c.pageSelective || mask > BigInt(c.maxAddressMask));
  return [
    ...(isMisaligned(address, mask)
      ? ['The address is not aligned to that many pages: its low bits are left out.']
      : []),
    ...(hint === 1n ? ['Only last-level entries changed (IH): the paging-structure caches may stay.'] : []),
    ...(tooMany === '' ? [] : [`On ${tooMany} ${stops(QueueError.RESERVED)}: AM is above CAP.MAMV.`]),
  ];
}

function interruptEntry({ values: { G, IM, IIDX } }: Subject): string[] {
  if (G === 0n) return ['Drops every entry of the interrupt-entry cache.'];
  const count = 1n << IM;
  const first = IIDX & -count;
  return [
    count === 1n
      ? `Drops entry ${hexText(IIDX)} of the interrupt-entry cache.`
      : `Drops the ${count} entries from ${hexText(first)} on of the interrupt-entry cache.`,
  ];
}

function wait({ values: { IF, SW, FN, PD, STDATA, STADDR } }: Subject): string[] {
  const before = 'When everything before it is done,';
  return [
    SW === 1n ? `${before} it writes ${hexText(STDATA)} to ${hexText(STADDR)}.` : 'Drops nothing.',
    ...(IF === 1n ? [`${before} it raises an invalidation-completion interrupt.`] : []),
    ...(FN === 1n ? ['Descriptors behind it start only then (fence).'] : []),
    ...(PD === 1n ? ['Page requests are drained, too.'] : []),
    ...(SW === 0n && IF === 0n ? ['It tells nobody that it is done: neither SW nor IF is set.'] : []),
  ];
}

function pasidIotlb({ values: { G, DID, PASID, AM, IH, ADDR } }: Subject): string[] {
  const whose = `of PASID ${PASID} in domain ${DID}`;
  return [
    G === 3n
      ? `Drops the translations of ${pagesText(ADDR, AM)} ${whose}.`
      : G === 2n
        ? `Drops every translation ${whose} from the IOTLB.`
        : `Granularity ${G} is reserved: ${stops(QueueError.RESERVED)}.`,
    ...(G === 3n && isMisaligned(ADDR, AM)
      ? ['The address is not aligned to that many pages: its low bits are left out.']
      : []),
    ...(G === 3n && IH === 1n
      ? ['Only last-level entries changed (IH): the paging-structure caches may stay.']
      : []),
    inLegacy,
  ];
}

const pasidCache = ({ values: { G, DID, PASID } }: Subject): string[] => [
  G === 0n
    ? `Drops the PASID-cache entries of domain ${DID}.`
    : G === 1n
      ? `Drops the PASID-cache entries of PASID ${PASID} in domain ${DID}.`
      : G === 3n
        ? 'Drops every entry of the PASID cache.'
        : `Granularity ${G} is reserved: ${stops(QueueError.RESERVED)}.`,
  'Translations stay in the IOTLB until an invalidation of it follows.',
  inLegacy,
];

const other = (): string[] => [`There is no such type: ${stops(QueueError.TYPE)}.`];

const sentences = new Map<Layout, (subject: Subject) => string[]>([
  [contextDescriptor, context],
  [iotlbDescriptor, iotlb],
  [interruptEntryDescriptor, interruptEntry],
  [waitDescriptor, wait],
  [pasidIotlbDescriptor, pasidIotlb],
  [pasidCacheDescriptor, pasidCache],
  [deviceTlbDescriptor, deviceTlb],
  [pasidDeviceTlbDescriptor, pasidDeviceTlb],
  [pageResponseDescriptor, pageResponse],
]);

export function explainDescriptor(subject: Subject): Explanation {
  const explain = sentences.get(subject.layout) ?? other;
  return { means: explain(subject), ifReserved: stops(QueueError.RESERVED) };
}
