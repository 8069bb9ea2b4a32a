/** A step of an interrupt request in plain words; see explain-step.ts for those of DMA. */
import type { Transaction } from '../simulation/snapshot.ts';
import { Fault } from '../vtd/faults/fault-reason.ts';
import { IS_REMAPPABLE, indexOfMessage, messageLayout } from '../vtd/formats/interrupt-message.ts';
import {
  deliveryModes,
  IS_POSTED,
  interruptEntryLayout,
  SourceValidation,
} from '../vtd/formats/interrupt-remapping-entry.ts';
import type { Layout } from '../vtd/formats/layout.ts';
import { postedInterruptDescriptor } from '../vtd/formats/posted-interrupt-descriptor.ts';
import { Delivery } from '../vtd/interrupts/interrupt-remapper.ts';
import { bdf } from '../vtd/source-id.ts';
import type { Step } from '../vtd/translation/step.ts';
import { fieldsOf } from './entry-fields.ts';
import type { Explained, Request } from './explain-step.ts';
import { frame, hexText, plural, wordText } from './format.ts';
import { refusal } from './refusal.ts';

const nothing = { reads: '', value: '', layout: null, culprit: '' } as const;

/** A step of a stage that only interrupt requests meet. */
export function explainInterruptStep(step: Step, request: Request): Explained {
  switch (step.stage) {
    case 'interrupt remapping':
      return {
        ...nothing,
        label: 'remapping on?',
        reads: 'GSTS',
        value: 'IRES 0',
        meaning: 'off: nothing is checked',
        why: 'Interrupt remapping is off (GSTS.IRES is 0). The write goes to the processor as it is: the device itself chooses vector and processor.',
      };
    case 'interrupt request':
      return message(step);
    case 'interrupt-entry cache':
      return cache(step);
    case 'interrupt-remapping entry':
      return tableEntry(step);
    case 'source validation':
      return sender(step, request);
    case 'posted-interrupt descriptor':
      return descriptor(step);
    default:
      return delivery(step);
  }
}

function message(step: Step): Explained {
  const [address = 0, data = 0] = step.words;
  if (step.words.length === 0) {
    return {
      ...nothing,
      label: 'message',
      value: 'refused',
      meaning: 'not four bytes',
      why: 'An interrupt is a write of exactly four bytes. Any other write to 0xfeex_xxxx is refused: there is no memory.',
    };
  }
  const shared = { ...nothing, label: 'message', value: hexText(data >>> 0), layout: messageLayout(address) };
  if ((address & IS_REMAPPABLE) === 0) {
    const isBlocked = step.verdict === 'blocked';
    return {
      ...shared,
      culprit: isBlocked ? 'format' : '',
      meaning: isBlocked ? 'compatibility format: refused' : 'compatibility format: passes',
      why: isBlocked
        ? 'The message names vector and processor itself (bit 4 is 0). With interrupt remapping on only messages that name an entry of the table are let through: fault 0x25.'
        : 'The message names vector and processor itself (bit 4 is 0), and GSTS.CFIS lets such messages pass.',
    };
  }
  if (step.verdict === 'blocked') {
    const culprit = step.fault === Fault.INTERRUPT_BEYOND_TABLE ? 'handleLow' : '';
    return { ...shared, ...refusal(step, 'the message'), culprit };
  }
  const index = hexText(indexOfMessage(address, data));
  return {
    ...shared,
    meaning: `entry ${index} of the table`,
    why: `The message is in the remappable format (bit 4 is 1): it names entry ${index} of the interrupt-remapping table, and nothing of what is in it.`,
  };
}

function cache(step: Step): Explained {
  if (step.verdict === 'blocked') {
    return {
      ...nothing,
      label: 'entry cache',
      value: 'hit',
      layout: layoutOf(step.words),
      ...refusal(step, 'the entry, cached as it was before it was put right,'),
    };
  }
  const isHit = step.verdict === 'hit';
  return {
    ...nothing,
    label: 'entry cache',
    value: step.verdict,
    meaning: isHit ? entryText(step.words) : 'read the table in memory',
    layout: isHit ? layoutOf(step.words) : null,
    why: isHit
      ? 'The unit still knows the entry, so it does not read the table. Linux invalidates it there whenever it changes the entry.'
      : 'The unit does not know the entry at the moment. It reads it from the table that IRTA points to.',
  };
}

function tableEntry(step: Step): Explained {
  const shared = {
    label: 'IRTE',
    reads: frame(step.address ?? 0),
    value: step.words.length === 0 ? 'unreadable' : wordText(step.words),
    layout: step.words.length === 0 ? null : layoutOf(step.words),
  };
  if (step.verdict === 'blocked') {
    const culprit = step.fault === Fault.INTERRUPT_ENTRY_NOT_PRESENT ? 'P' : '';
    return { ...shared, ...refusal(step, 'the entry of the interrupt-remapping table'), culprit };
  }
  return {
    ...shared,
    culprit: '',
    meaning: entryText(step.words),
    why: `The entry is present. It is the kernel's word on this interrupt: ${entryText(step.words)}.`,
  };
}

const layoutOf = (words: readonly number[]): Layout => interruptEntryLayout(words[0] ?? 0);

/** `vector 0x24, processor 3` or `posted as vector 0x41`. */
function entryText(words: readonly number[]): string {
  const [low = 0] = words;
  const vector = hexText((low >>> 16) & 0xff);
  if ((low & IS_POSTED) !== 0) return `posted as vector ${vector}`;
  return `vector ${vector}, ${bdf((words[2] ?? 0) & 0xffff)} only`;
}

function sender(step: Step, { bdf: from }: Request): Explained {
  const value = (step.words[2] ?? 0) & 0xffff;
  const type = ((step.words[2] ?? 0) >>> 18) & 3;
  const shared = { ...nothing, label: 'sender', value: from, layout: layoutOf(step.words) };
  const owner =
    type === SourceValidation.BUS ? `buses ${hexText(value >>> 8)} to ${hexText(value & 0xff)}` : bdf(value);
  if (type === SourceValidation.NONE) {
    return {
      ...shared,
      meaning: 'not checked (SVT 0)',
      why: 'The entry does not say whose interrupt it is (SVT is 0), so any device may send it.',
    };
  }
  if (step.verdict === 'blocked') {
    return {
      ...shared,
      culprit: 'SID',
      meaning: `the entry is for ${owner}`,
      why: `The entry belongs to ${owner}, and the request came from ${from}. It ends here with fault 0x26: a device cannot send the interrupts of another.`,
    };
  }
  return {
    ...shared,
    meaning: `may use it: for ${owner}`,
    why: `The entry belongs to ${owner}, and the request came from ${from}.`,
  };
}

function descriptor(step: Step): Explained {
  const shared = {
    label: 'descriptor',
    reads: frame(step.address ?? 0),
    value: step.words.length === 0 ? 'unreadable' : wordText(step.words, 4),
    layout: step.words.length === 0 ? null : postedInterruptDescriptor,
  };
  if (step.verdict === 'blocked') return { ...shared, ...refusal(step, 'the posted-interrupt descriptor') };
  const fields = fieldsOf(postedInterruptDescriptor, step.words);
  const isOn = fields.find(({ name }) => name === 'ON')?.value === 1n;
  return {
    ...shared,
    culprit: '',
    meaning: isOn ? 'a notification is under way' : 'no notification is under way',
    why: `The unit sets the bit of the vector in the descriptor of the guest's processor. ${isOn ? 'ON is 1: the processor has been told and looks soon.' : 'ON is 0: it sets it, and tells the processor unless SN asks it not to.'}`,
  };
}

function delivery(step: Step): Explained {
  const [how = 0, vector = 0, destination = 0, mode = 0] = step.words;
  const target = `vector ${hexText(vector)} to processor ${destination >>> 0}`;
  const kind = deliveryModes[mode] === 'fixed' ? '' : `, ${deliveryModes[mode]}`;
  const shared = { ...nothing, label: 'delivery' };
  if (how === Delivery.POSTED) {
    return {
      ...shared,
      value: 'posted',
      meaning: 'noted, nobody is told',
      why: 'The interrupt waits in the descriptor. A notification is under way already, or is suppressed.',
    };
  }
  if (how === Delivery.POSTED_NOTIFIED) {
    return {
      ...shared,
      value: 'posted',
      meaning: `${target} tells it`,
      why: `The interrupt waits in the descriptor, and the notification ${target} tells the processor to look there: the guest gets it without its host.`,
    };
  }
  const isRemapped = how === Delivery.REMAPPED;
  return {
    ...shared,
    value: isRemapped ? 'remapped' : 'as written',
    meaning: `${target}${kind}`,
    why: isRemapped
      ? `The processor gets what the entry says, not what the device wrote: ${target}${kind}.`
      : `The processor gets what the device wrote: ${target}${kind}. Nobody asked whether it may.`,
  };
}

/** What an interrupt request came to. */
export function explainInterruptEnd({ steps, outcome, device }: Transaction): Explained {
  const reads = steps.at(-1)?.reads ?? 0;
  const cost = `It cost ${reads === 0 ? 'no memory read' : plural(reads, 'memory read')}.`;
  if (outcome === 'blocked') {
    return {
      ...nothing,
      label: 'processor',
      value: 'untouched',
      meaning: 'no interrupt',
      why: `Refused: no processor was interrupted. ${device} is not told, as a write has no answer. ${cost}`,
    };
  }
  return {
    ...nothing,
    label: 'processor',
    value: 'interrupted',
    meaning: 'the handler runs',
    why: `The write was an interrupt message and touched no memory of anybody. ${cost}`,
  };
}
