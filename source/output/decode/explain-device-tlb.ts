/** What has to do with device TLBs and page requests: descriptors, completions, entries of the page request queue. */

import { sizeBitsOf } from '../../vtd/formats/translation-completion.ts';
import { bdf } from '../../vtd/source-id.ts';
import { QueueError } from '../../vtd/unit/registers.ts';
import { queueErrorText } from './codes.ts';
import type { Explanation, Subject } from './decoded.ts';
import { hexText } from './fields.ts';

type Values = Subject['values'];

const stops = (code: number): string => `the queue stops at it (IQE: ${queueErrorText(code)})`;
const withoutDt = `On a unit without device TLBs (ECAP.DT = 0) ${stops(QueueError.TYPE)}.`;
export const inLegacy = `In legacy mode ${stops(QueueError.TABLE_MODE)}.`;

/** `everything`, or the range by its first and last address. */
function rangeOf(ADDR: bigint, S: bigint): string {
  const bits = sizeBitsOf(Number(BigInt.asIntN(32, ADDR >> 32n)), Number(BigInt.asIntN(32, ADDR)), S === 1n);
  if (bits >= 64) return 'everything';
  const first = (ADDR >> BigInt(bits)) << BigInt(bits);
  return `${hexText(first)} to ${hexText(first + (1n << BigInt(bits)) - 1n)}`;
}

export const deviceTlb = ({ values: { SID, S, ADDR } }: Subject): string[] => [
  `Asks ${bdf(Number(SID))} to drop ${rangeOf(ADDR, S)} from its own TLB.`,
  'A wait behind it is over only when the device has answered.',
  withoutDt,
];

export const pasidDeviceTlb = ({ values: { SID, PASID, G, S, ADDR } }: Subject): string[] => [
  `Asks ${bdf(Number(SID))} to drop ${rangeOf(ADDR, S)} of ${G === 1n ? 'all PASIDs' : `PASID ${PASID}`} from its own TLB.`,
  withoutDt,
  inLegacy,
];

const responses: Readonly<Record<string, string>> = {
  0: 'the pages are there (success)',
  1: 'the request is invalid',
  15: 'the request failed',
};

const ofPasid = ({ PP, PASID }: Values): string => (PP === 1n ? ` for PASID ${PASID}` : '');

export const pageResponse = ({ values }: Subject): string[] => [
  `Tells ${bdf(Number(values.RID))} about page request group ${values.PRGI}${ofPasid(values)}: ${
    responses[String(values.RC)] ?? `reserved response ${values.RC}`
  }.`,
  inLegacy,
];

export function explainPageRequest({ values }: Subject): Explanation {
  const { type, RID, R, W, EXE, ADDR, PRGI, LPIG } = values;
  const wants = [
    ...(R === 1n ? ['read'] : []),
    ...(W === 1n ? ['write'] : []),
    ...(EXE === 1n ? ['execute'] : []),
  ];
  const means =
    type === 1n
      ? [
          `${bdf(Number(RID))} would like to ${wants.join(' and ') || 'do nothing with'} the page at ${hexText(ADDR)}${ofPasid(values)}.`,
          LPIG === 1n
            ? `It is the last of group ${PRGI}, which is to be answered now.`
            : `More requests of group ${PRGI} follow.`,
        ]
      : ['Its type is not that of a page request.'];
  return { means, ifReserved: 'the unit does not set them' };
}

export function explainCompletion({ values: { R, W, U, EXE, S, ADDR } }: Subject): Explanation {
  const may = [
    ...(R === 1n ? ['reading'] : []),
    ...(W === 1n ? ['writing'] : []),
    ...(EXE === 1n ? ['executing'] : []),
  ];
  if (R === 0n && W === 0n)
    return { means: ['There is no translation: the device may not use the page.'], ifReserved: unread };
  return {
    means: [
      U === 1n
        ? 'The device must send such requests untranslated.'
        : `The page lies at ${rangeOf(ADDR, S)}, for ${may.join(' and ')}.`,
    ],
    ifReserved: unread,
  };
}

const unread = 'the device does not look at them';
