/** A fault in words, whether it comes from a fault recording register or from a kernel message. */
import { faultMessage } from '../../linux/log/messages.ts';
import { Fault, isInterruptFault } from '../../vtd/faults/fault-reason.ts';
import { bdf } from '../../vtd/source-id.ts';
import { codeText, faultReasonText } from './codes.ts';
import type { Explanation, Subject } from './decoded.ts';
import { likelyCauses, whereToLook } from './fault-advice.ts';
import { hexText } from './fields.ts';

type FaultFacts = {
  readonly device: string;
  readonly request: string;
  /** Page of the request, or index of an interrupt. */
  readonly at: bigint;
  readonly code: number;
};

/** The sentences, causes and places to look that belong to a fault. */
export function describeFault({ device, request, at, code }: FaultFacts) {
  const tried = isInterruptFault(code)
    ? `The interrupt request of ${device} with index ${hexText(at)} was refused`
    : `The ${request} of ${device} at ${hexText(at)} was refused`;
  return {
    means: [`${tried}: ${faultReasonText(code)} (${codeText(code)}).`],
    causes: likelyCauses(code),
    look: whereToLook(code, device),
  };
}

const requestNames = ['write', 'page request', 'read', 'AtomicOp'];
const addressTypes = ['', 'translation request', 'translated request'];

export function explainFaultRecord({ words, values }: Subject): Explanation {
  const { F, T1, T2, AT, FR, SID, FI } = values;
  const ifReserved = 'they read as 0; other revisions of the specification may use them';
  if (F === 0n) {
    return { means: ['Free: it holds no fault, and its other fields mean nothing.'], ifReserved };
  }
  const code = Number(FR);
  const isInterrupt = isInterruptFault(code);
  const { means, causes, look } = describeFault({
    device: bdf(Number(SID)),
    request: addressTypes[Number(AT)] || requestNames[Number(2n * T1 + T2)],
    at: isInterrupt ? FI >> 48n : FI,
    code,
  });
  const kernel = isInterrupt ? [] : [`Linux prints: ${faultMessage(words)}`];
  return { means: [...means, ...kernel], causes, look, ifReserved };
}

/** The permission whose lack a fault reports. */
const denied = new Map<number, 'read' | 'write'>([
  [Fault.NO_WRITE, 'write'],
  [Fault.NO_READ, 'read'],
  [0x85, 'write'],
  [0x86, 'read'],
]);

/** Linux tells reads from writes by one bit, so that other requests look like these. */
export function hiddenRequest(type: 'read' | 'write', code: number): string[] {
  const missing = denied.get(code);
  if (missing === undefined || missing === type) return [];
  return type === 'read'
    ? ['Linux prints an AtomicOp as a read; a read would not have needed write permission.']
    : ['Linux prints a page request as a write; a write would not have needed read permission.'];
}
