/** One request explained as plain text: the walk of the DMA view, for people and for programs. */
import type { Answer } from '../output/explain.ts';
import type { Transaction } from '../simulation/snapshot.ts';
import { faultReason } from '../vtd/faults/fault-reason.ts';
import { bytes, frame, iova } from './format.ts';
import { explainAll } from './parts/step-table.ts';
import { codeText } from './refusal.ts';
import { padded, wrap } from './rows.ts';

const columns = { number: 4, label: 17, width: 100 } as const;

/** What happened in a sentence, then each step with what was read and why it went on or ended there. */
export function explainedText({ boot, request, message }: Answer): string {
  const { device, bdf, type, bytes: size, address } = request;
  const asked = `${device} ${bdf} ${type}s ${bytes(size)} at ${iova(address)}`;
  const lines = [
    asked,
    `boot line: ${boot === '' ? '(no word about the IOMMU)' : boot}`,
    '',
    ...wrap(outcomeSentence(request), columns.width),
    ...(message === null ? [] : ['', message]),
    '',
  ];
  const steps = explainAll(request);
  const indent = columns.number + Math.max(columns.label, ...steps.map(({ label }) => label.length + 2));
  steps.forEach((step, i) => {
    const { label, reads, value, meaning, why } = step;
    const read = /^0x/.test(reads) && value !== '' ? `${reads}: ` : '';
    lines.push(
      `${String(i + 1).padStart(2)}  ${padded(label, indent - columns.number)}${read}${value}${value === '' ? '' : '  '}${meaning}`,
      ...wrap(why, columns.width - indent).map((line) => ' '.repeat(indent) + line),
    );
  });
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** The same for programs. */
export function explainedJson({ boot, request, message, refusals }: Answer): string {
  const { device, bdf, type, bytes: size, address, outcome, output, landed, corrupted, fault } = request;
  return `${JSON.stringify(
    {
      boot,
      device,
      bdf,
      type,
      bytes: size,
      address,
      outcome,
      output,
      landed,
      corrupted,
      fault: fault === 0 ? null : { reason: codeText(fault), meaning: faultReason(fault).meaning, message },
      steps: explainAll(request).map(({ label, reads, value, meaning, why }) => ({
        label,
        reads,
        value,
        meaning,
        why,
      })),
      refused: refusals,
    },
    null,
    2,
  )}\n`;
}

function outcomeSentence({ type, outcome, output, landed, corrupted, fault, address }: Transaction): string {
  if (outcome === 'interrupt') return 'It is an interrupt: a write to 0xfeex_xxxx is never DMA.';
  if (outcome === 'blocked' && fault === 0)
    return 'It is refused, but not by the IOMMU, which is off: only interrupts go there.';
  if (outcome === 'blocked')
    return `It is blocked with fault ${codeText(fault)}: ${faultReason(fault).meaning}.`;
  const at = `${frame(output ?? address)}${landed === null ? '' : ` (${landed})`}`;
  const how = {
    untranslated: 'the IOMMU is off, so nothing looked at it',
    passed: 'looked up and not translated',
    hit: 'translated by the IOTLB',
    walked: 'translated by a walk of the tables',
    'peer-to-peer': 'routed there before it came to the IOMMU',
  }[outcome];
  const spoiled = corrupted ? ' It corrupts that memory: nothing stopped it.' : '';
  return `It ${type}s ${at}: ${how}.${spoiled}`;
}
