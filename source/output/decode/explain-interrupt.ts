/** What the formats of interrupt remapping say. */
import { Fault } from '../../vtd/faults/fault-reason.ts';
import { indexOfMessage, messageOfRte } from '../../vtd/formats/interrupt-message.ts';
import { deliveryModes } from '../../vtd/formats/interrupt-remapping-entry.ts';
import { bdf } from '../../vtd/source-id.ts';
import { faultText } from './codes.ts';
import type { Explanation, Subject } from './decoded.ts';
import { hexText } from './fields.ts';

type Values = Subject['values'];

const mode = (value: bigint): string => deliveryModes[Number(value)];

/** Who may use an entry. */
function senders({ SVT, SQ, SID }: Values): string {
  if (SVT === 0n) return 'The sender is not checked: any device may use it.';
  if (SVT === 3n) return 'SVT is reserved.';
  if (SVT === 2n) return `Only devices of buses ${hexText(SID >> 8n)} to ${hexText(SID & 0xffn)} may use it.`;
  const without = [
    '',
    ', whatever function bit 2 says',
    ', whatever function bits 2:1 say',
    ', any function of it',
  ];
  return `Only ${bdf(Number(SID))} may use it${without[Number(SQ)]}.`;
}

export function explainInterruptEntry({ values }: Subject): Explanation {
  const ifReserved = `an interrupt through it ends in ${faultText(Fault.INTERRUPT_ENTRY_INVALID)}`;
  if (values.P === 0n) {
    return {
      means: [
        `Not present: an interrupt through it ends in ${faultText(Fault.INTERRUPT_ENTRY_NOT_PRESENT)}.`,
      ],
      ifReserved: 'they do not matter while the entry is not present',
    };
  }
  const delivery =
    values.IM === 1n
      ? `Posted: vector ${hexText(values.VV)} is noted in the descriptor at ${hexText((values.PDAH << 32n) | (values.PDAL << 6n))}.`
      : remapped(values);
  const quiet = values.FPD === 1n ? ['Its faults are not recorded.'] : [];
  return { means: [delivery, senders(values), ...quiet], ifReserved };
}

function remapped({ V, DST, DM, DLM }: Values): string {
  const kind = DLM === 0n ? '' : `, ${mode(DLM)}`;
  const logical = DM === 1n ? 'logical destination' : 'processor';
  // In xAPIC mode the destination lies in bits 47:40.
  const xapic = (DST & ~0xff00n) === 0n && DST !== 0n ? ` (in xAPIC mode ${hexText(DST >> 8n)})` : '';
  return `Vector ${hexText(V)} to ${logical} ${hexText(DST)}${xapic}${kind}.`;
}

export function explainPostedDescriptor({ values: { PIR, ON, SN, NV, NDST } }: Subject): Explanation {
  const vectors = Array.from({ length: 256 }, (_, vector) => vector).filter(
    (vector) => ((PIR >> BigInt(vector)) & 1n) === 1n,
  );
  const waiting =
    vectors.length === 0
      ? 'No interrupt waits.'
      : `Waiting: ${vectors.map((vector) => `0x${vector.toString(16)}`).join(', ')}.`;
  const told =
    ON === 1n
      ? 'A notification is under way: the next interrupt sends none.'
      : SN === 1n
        ? 'Notifications are suppressed, but for urgent interrupts.'
        : `The next interrupt notifies with vector ${hexText(NV)} at processor ${hexText(NDST)}.`;
  return {
    means: [waiting, told],
    ifReserved: `an interrupt for it ends in ${faultText(Fault.POSTED_DESCRIPTOR_RESERVED)}`,
  };
}

export function explainMessage({ values, words }: Subject): Explanation {
  const ifReserved = `with interrupt remapping on the message ends in ${faultText(Fault.INTERRUPT_REQUEST_RESERVED)}`;
  const elsewhere =
    values.base === 0xfeen
      ? []
      : ['The address is not 0xfeex_xxxx, so this is an ordinary write and no interrupt.'];
  if (values.format === 1n) {
    const index = `0x${indexOfMessage(words[0], words[1]).toString(16)}`;
    return { means: [...elsewhere, `Asks for entry ${index} of the interrupt-remapping table.`], ifReserved };
  }
  return {
    means: [
      ...elsewhere,
      `Vector ${hexText(values.V)} to ${values.DM === 1n ? 'logical destination' : 'processor'} ${hexText(values.DST)}, ${mode(values.DLM)}, as the sender chose it.`,
      `With interrupt remapping on it ends in ${faultText(Fault.INTERRUPT_COMPATIBILITY)}, unless CFI lets it pass.`,
    ],
    ifReserved,
  };
}

export function explainRedirectionEntry({ values, words }: Subject): Explanation {
  const { address, data } = messageOfRte(words[1], words[0]);
  const target =
    values.format === 1n
      ? `Asks for entry ${hexText((values.indexHigh << 15n) | values.indexLow)} of the interrupt-remapping table.`
      : `Vector ${hexText(values.V)} to ${values.DM === 1n ? 'logical destination' : 'processor'} ${hexText(values.DST)}, ${mode(values.DLM)}.`;
  const masked = values.mask === 1n ? ['Masked: it sends nothing.'] : [];
  const sent = `The message is ${hexText(BigInt(address))} with data ${hexText(BigInt(data))}.`;
  return { means: [target, sent, ...masked], ifReserved: 'they must be 0' };
}
