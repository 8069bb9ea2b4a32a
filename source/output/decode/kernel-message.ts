/** Kernel messages about faults, in every form that Linux has printed them: `drivers/iommu/intel/dmar.c`. */

import { printable, quoted } from '../../commands/printable.ts';
import { bigToWords } from '../../vtd/bits.ts';
import { bdf, sourceId } from '../../vtd/source-id.ts';
import { faultStatus } from '../../vtd/unit/registers.ts';
import { codeText, faultReasonText } from './codes.ts';
import { type Decoded, type DecodedField, DecodeError } from './decoded.ts';
import { describeFault, hiddenRequest } from './explain-fault.ts';
import { explainFaultStatus } from './explain-register.ts';
import { decodeFields } from './fields.ts';

export const messageForms: readonly string[] = [
  "'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0xfffff000 [fault reason 0x05] …'",
  "'DMAR: [INTR-REMAP] Request device [03:00.0] fault index 0x2e [fault reason 0x22] …'",
  "'DMAR: DRHD: handling fault status reg 2'",
];

const device = String.raw`Request device \[{1,2}(?<device>[^\]]{1,20})\]`;
// The oldest kernels printed the reason on a line of its own.
const reason = String.raw`(?: ?(?:(?:dmar|DMAR|INTR-REMAP): ?)*\[fault reason (?<reason>(?:0x)?[0-9a-f]{1,4})\] ?.*)?$`;
const dma = new RegExp(
  String.raw`\[DMA (?<type>Read|Write)(?: NO_PASID| PASID (?<pasid>0x[0-9a-f]{1,8}))?\] ${device}` +
    `(?: PASID (?<oldPasid>[0-9a-f]{1,8}))? fault addr (?:0x)?(?<at>[0-9a-f]{1,16})${reason}`,
  'i',
);
const interrupt = new RegExp(
  String.raw`INTR-REMAP\]?:? ${device} fault index (?:0x)?(?<at>[0-9a-f]{1,16})${reason}`,
  'i',
);
const status = /handling fault status reg (?:0x)?(?<status>[0-9a-f]{1,8})$/i;

const LONGEST = 2000;
const SOURCE = 'Linux drivers/iommu/intel/dmar.c';

/**
 * Explain a line of the kernel log, with or without a time stamp.
 *
 * @returns null if it does not look like one
 * @throws DecodeError for one that is damaged, or for several
 */
export function decodeMessage(whole: string): Decoded | null {
  // A message that was copied from a terminal may be broken in the middle.
  const text = whole.slice(0, LONGEST).replace(/\s+/g, ' ').trim();
  const count = text.match(/Request device|handling fault status reg/gi)?.length ?? 0;
  if (count === 0 && !/\bDMAR\b|\[fault reason|\bfault addr\b/i.test(text)) return null;
  if (count > 1) throw new DecodeError(`expected one message, got ${count}: ${quoted(text)}`);
  const found = (pattern: RegExp) => pattern.exec(text)?.groups;
  const groups = { status: found(status), dma: found(dma), interrupt: found(interrupt) };
  if (groups.status !== undefined) return statusMessage(text, groups.status.status);
  if (groups.dma !== undefined) return faultMessage(text, groups.dma, false);
  if (groups.interrupt !== undefined) return faultMessage(text, groups.interrupt, true);
  const forms = messageForms.map((form) => `  ${form}`).join('\n');
  const got = `got ${quoted(text)}${meantValues(text)}`;
  throw new DecodeError(`expected a whole message about a fault, ${got}\nSuch as:\n${forms}`);
}

function statusMessage(text: string, digits: string): Decoded {
  const words = bigToWords(BigInt(`0x${digits}`), 1);
  const values = faultStatus.decode(words);
  return {
    ...message(text, 'fault status'),
    fields: decodeFields(faultStatus, words),
    means: [
      ...explainFaultStatus(values),
      ...(values.PPF === 1n ? ['Linux prints a line for each recorded fault after this one.'] : []),
    ],
  };
}

/** Other messages hold values that can be decoded by themselves. */
function meantValues(text: string): string {
  const unit = /\bcap ([0-9a-f]{1,16}) ecap ([0-9a-f]{1,16})\b/i.exec(text);
  if (unit !== null) return `. Did you mean CAP 0x${unit[1]}, or ECAP 0x${unit[2]}?`;
  const queue = /\bqw0 = (0x[0-9a-f]{1,16}), qw1 = (0x[0-9a-f]{1,16})\b/i.exec(text);
  return queue === null ? '' : `. Did you mean descriptor ${queue[1]} ${queue[2]}?`;
}

type Groups = { readonly [name: string]: string | undefined };

function faultMessage(text: string, groups: Groups, isInterrupt: boolean): Decoded {
  const from = readDevice(groups.device ?? '');
  const at = BigInt(`0x${groups.at}`);
  const type = groups.type?.toLowerCase() === 'read' ? 'read' : 'write';
  const code = groups.reason === undefined ? null : readReason(groups.reason);
  const pasid = groups.pasid ?? groups.oldPasid;
  // All ones is how older kernels print that there is none.
  const hasPasid = pasid !== undefined && !/^(0x)?ffffffff$/i.test(pasid);
  const plain = (name: string, value: string, meaning: string): DecodedField => ({
    name,
    bits: null,
    value,
    meaning,
  });
  const fields = [
    plain('device', from, 'requester id: bus, device, function'),
    plain('type', isInterrupt ? 'interrupt' : type, isInterrupt ? 'interrupt request' : `DMA ${type}`),
    ...(hasPasid ? [plain('PASID', `0x${pasid.replace(/^0x/i, '')}`, 'process address space')] : []),
    isInterrupt
      ? plain('index', `0x${at.toString(16)}`, 'entry of the interrupt-remapping table')
      : plain('address', `0x${at.toString(16)}`, 'page that the device asked for'),
  ];
  if (code === null) {
    const means = [
      `The ${isInterrupt ? 'interrupt' : type} request of ${from} was refused. The reason is on the next line of the log.`,
    ];
    return { ...message(text, name(isInterrupt)), fields, means };
  }
  const decimal = !/^0x/i.test(groups.reason ?? '') && code > 9;
  const described = describeFault({ device: from, request: type, at, code });
  return {
    ...message(text, name(isInterrupt)),
    ...described,
    fields: [...fields, plain('reason', codeText(code), faultReasonText(code))],
    means: [
      ...described.means,
      ...(isInterrupt ? [] : hiddenRequest(type, code)),
      ...(decimal ? [`Older kernels print the reason in decimal: ${code} is ${codeText(code)}.`] : []),
    ],
  };
}

const name = (isInterrupt: boolean): string =>
  isInterrupt ? 'interrupt-remapping fault' : 'translation fault';

const message = (text: string, what: string) => ({
  kind: 'kernel-message',
  name: what,
  source: SOURCE,
  raw: [printable(text)],
  order: null,
  reserved: [],
  causes: [],
  look: [],
});

/** `03:00.0`, or `0x03:0x00.0` as Linux 5.14 to 5.16 print it. */
function readDevice(text: string): string {
  const match = /^(?:0x)?([0-9a-f]{1,2}):(?:0x)?([01]?[0-9a-f])\.([0-7])$/i.exec(text);
  if (match === null)
    throw new DecodeError(`expected a device such as [03:00.0], got ${quoted(`[${text}]`)}`);
  return bdf(sourceId(Number.parseInt(match[1], 16), Number.parseInt(match[2], 16), Number(match[3])));
}

/** Hexadecimal with 0x; without it decimal, as kernels before 5.14 print it. */
function readReason(text: string): number {
  const code = /^0x[0-9a-f]+$|^[0-9]+$/i.test(text) ? Number(text) : Number.NaN;
  if (!(code <= 0xff)) {
    throw new DecodeError(`expected a fault reason such as 0x05, or 05 in decimal, got ${quoted(text)}`);
  }
  return code;
}
