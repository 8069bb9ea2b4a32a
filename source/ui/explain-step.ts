/** A step of a translation in plain words: what was read, what it holds, and why it went on or ended there. */
import type { Transaction } from '../simulation/snapshot.ts';
import { Fault, faultReason } from '../vtd/faults/fault-reason.ts';
import { contextEntry, TranslationType } from '../vtd/formats/context-entry.ts';
import type { Layout } from '../vtd/formats/layout.ts';
import { levelName, pagingEntryLayout } from '../vtd/formats/paging-entry.ts';
import { rootEntry } from '../vtd/formats/root-entry.ts';
import type { Step } from '../vtd/translation/step.ts';
import { fieldsOf, type ShownField } from './entry-fields.ts';
import { explainInterruptEnd, explainInterruptStep } from './explain-interrupt.ts';
import {
  explainFirstStage,
  explainFirstStageCache,
  explainPasidCache,
  explainPasidDirectory,
  explainPasidTable,
  explainScalableContext,
  explainScalableRoot,
  forGuest,
  isScalableContext,
  isScalableRoot,
} from './explain-scalable.ts';
import { frame, plural, wordText } from './format.ts';
import { codeText, culprits, refusal } from './refusal.ts';
import { stepIndex } from './step-index.ts';

export type Request = Pick<Transaction, 'device' | 'bdf' | 'type' | 'address' | 'bytes'>;

export type Explained = {
  /** `root entry`, `PDPT[0]`. */
  readonly label: string;
  /** Where it was read; empty where nothing was. */
  readonly reads: string;
  readonly value: string;
  readonly meaning: string;
  readonly why: string;
  /** The format of the entry, to draw it; null where there is none. */
  readonly layout: Layout | null;
  /** The field that decided against the request; empty if none did. */
  readonly culprit: string;
  /** The words of the entry, where they are not those of the step as they stand. */
  readonly words?: readonly number[];
};

const nothing = { reads: '', value: '', layout: null, culprit: '' } as const;

export function explainStep(step: Step, request: Request): Explained {
  switch (step.stage) {
    case 'gate':
      return gate(step);
    case 'interrupt range':
      return interruptRange(step, request);
    case 'context cache':
      return isScalableContext(step) ? explainScalableContext(step, request) : contextCache(step, request);
    case 'root entry':
      return isScalableRoot(step) ? explainScalableRoot(step, request) : root(step, request);
    case 'context entry':
      return isScalableContext(step) ? explainScalableContext(step, request) : context(step, request);
    case 'pass-through':
      return passThrough(step, request);
    case 'width':
      return {
        ...nothing,
        label: 'width',
        value: request.address,
        meaning: step.fault === Fault.NOT_CANONICAL ? 'not canonical' : 'above the address width',
        why:
          step.fault === Fault.NOT_CANONICAL
            ? 'The bits above the first-stage tables are not all equal to the highest bit that they translate, so the unit refuses the address before any walk.'
            : 'The address has more bits than the tables of this device can translate, so the unit refuses it before any walk.',
      };
    case 'IOTLB':
      return iotlb(step);
    case 'paging-structure cache':
      return {
        ...nothing,
        label: `${levelName(step.level)} cache`,
        value: 'hit',
        meaning: `next table ${frame(step.address ?? 0)}`,
        why: `The way down to the ${levelName(step.level - 1)} is cached, so the entries above it need not be read again.${forGuest(step)}`,
      };
    case 'paging entry':
      return paging(step, request);
    case 'PASID cache':
      return explainPasidCache(step, request);
    case 'PASID directory entry':
      return explainPasidDirectory(step);
    case 'PASID table entry':
      return explainPasidTable(step, request);
    case 'first-stage cache':
      return explainFirstStageCache(step);
    case 'first-stage entry':
      return explainFirstStage(step, request);
    case 'translation request':
      return {
        ...nothing,
        label: 'answer',
        value: step.verdict === 'passed' ? frame(step.address ?? 0) : 'none',
        meaning: step.clause.split(': ').at(-1) ?? '',
        why:
          step.verdict === 'passed'
            ? `The unit tells ${request.device} where this page lies, how large it is and what may be done there. The device may keep that until it is told to forget it.`
            : `${request.device} gets no translation. Where paging alone knows no such page, that is an answer like any other and no fault.`,
      };
    case 'translated request':
      return {
        ...nothing,
        label: 'translated',
        value: request.address,
        meaning: step.fault === 0 ? 'address used unchanged' : faultReason(step.fault).meaning,
        why: 'The device says that it translated the address itself. The unit trusts it: no table says what the device may reach, which is why devices that are not trusted get no ATS.',
      };
    case 'page request':
      return {
        ...nothing,
        label: 'page request',
        meaning: 'goes into the page request queue',
        why: `${request.device} asks the system to make a page available. Software finds the request in a queue in memory and answers it.`,
      };
    case 'protected memory':
      return {
        ...nothing,
        label: 'protected?',
        reads: 'PMEN',
        value: 'EPM 1',
        meaning: 'a protected memory region',
        why: 'The address lies in a memory region that PMEN protects from all DMA, whatever the tables say. Nothing is recorded.',
      };
    case 'output':
      return {
        ...nothing,
        label: 'output',
        value: 'refused',
        meaning: 'lies in the interrupt range',
        why: 'The tables lead into 0xfeex_xxxx. Writes there are interrupts, so no translation may end there.',
      };
    case 'interrupt remapping':
    case 'interrupt request':
    case 'interrupt-entry cache':
    case 'interrupt-remapping entry':
    case 'source validation':
    case 'posted-interrupt descriptor':
    case 'interrupt':
      return explainInterruptStep(step, request);
  }
}

/** How caching mode keeps an entry that lets nothing pass. */
const cachedAs = ({ clause }: Step): string =>
  clause.includes('malformed') ? 'cached as malformed' : 'cached as not present';

function passThrough({ clause, fault }: Step, { device, type }: Request): Explained {
  const isScalable = clause.includes('PGTT');
  const says = `The ${isScalable ? 'PASID table' : 'context'} entry says pass-through`;
  return {
    ...nothing,
    label: 'pass-through',
    value: isScalable ? 'PGTT = 100b' : 'TT = 10b',
    meaning: fault === 0 ? 'address used unchanged' : faultReason(fault).meaning,
    why:
      fault === 0
        ? `${says}, so the address is used unchanged and no table is walked: ${device} chooses where in memory it ${type === null ? 'reads or writes' : `${type}s`}.`
        : `${says}, but the address must be one that memory can have: ${faultReason(fault).meaning}.`,
  };
}

function gate(step: Step): Explained {
  const label = 'IOMMU on?';
  if (step.verdict === 'passed') {
    return {
      ...nothing,
      label,
      reads: 'GSTS',
      value: 'TES 0',
      meaning: 'off: nothing is looked up',
      why: 'Translation is off (GSTS.TES is 0). The unit looks at no request, so the address goes to memory as it is.',
    };
  }
  return {
    ...nothing,
    label,
    reads: 'RTADDR',
    value: 'TTM wrong',
    meaning: 'root table of an unknown kind',
    culprit: 'TTM',
    why: 'RTADDR names a kind of root table that this unit does not have, so every request is refused.',
  };
}

function interruptRange(step: Step, request: Request): Explained {
  const isInterrupt = step.verdict === 'go on';
  return {
    ...nothing,
    label: 'interrupt?',
    value: request.address,
    meaning: isInterrupt ? 'an interrupt, not memory' : 'only writes may go here',
    why: isInterrupt
      ? 'A write to 0xfeex_xxxx is a message-signalled interrupt. It is no memory access and is never translated as one.'
      : 'The address lies in 0xfeex_xxxx, where writes are interrupts. There is nothing to read.',
  };
}

function contextCache(step: Step, { device, bdf }: Request): Explained {
  const label = 'context cache';
  if (step.verdict === 'hit') {
    return {
      ...nothing,
      label,
      value: 'hit',
      meaning: contextText(step.words),
      layout: contextEntry,
      why: `The unit still knows the context entry of ${bdf}, so it reads neither root table nor context table: ${contextText(step.words)}.`,
    };
  }
  if (step.verdict === 'blocked') {
    return {
      ...nothing,
      label,
      value: 'hit',
      meaning: cachedAs(step),
      layout: contextEntry,
      culprit: culprits[step.fault] ?? '',
      why: `The unit has caching mode (CAP.CM is 1) and still knows the context entry of ${bdf}: ${cachedAs(step)}. Until software invalidates it, the tables in memory do not matter. The request ends here with fault ${codeText(step.fault)}.`,
    };
  }
  return {
    ...nothing,
    label,
    value: 'miss',
    meaning: 'look the device up in memory',
    why: `The unit does not know ${device} (${bdf}) at the moment. It reads the root table with the bus number, then the context table with device and function.`,
  };
}

function root(step: Step, { bdf }: Request): Explained {
  const bus = bdf.slice(0, 2);
  const shared = {
    label: 'root entry',
    reads: frame(step.address ?? 0),
    value: entryText(step, rootEntry),
    layout: step.words.length > 0 ? rootEntry : null,
  };
  if (step.verdict === 'blocked') return { ...shared, ...refusal(step, 'the root entry') };
  const table = frame(field(fieldsOf(rootEntry, step.words), 'CTP').value);
  return {
    ...shared,
    culprit: '',
    meaning: `context table ${table}`,
    why: `Bus ${bus} chooses this entry of the root table. It is present and points to the context table of that bus at ${table}.`,
  };
}

function context(step: Step, { device, bdf }: Request): Explained {
  const shared = {
    label: 'context entry',
    reads: frame(step.address ?? 0),
    value: entryText(step, contextEntry),
    layout: step.words.length > 0 ? contextEntry : null,
  };
  if (step.verdict === 'blocked') return { ...shared, ...refusal(step, `the context entry of ${device}`) };
  const type = Number(field(fieldsOf(contextEntry, step.words), 'TT').value);
  const follows =
    type === TranslationType.PASS_THROUGH
      ? 'the domain is an identity domain and nothing is translated.'
      : 'its requests are translated by the tables of this domain.';
  return {
    ...shared,
    culprit: '',
    meaning: contextText(step.words),
    why: `Device and function ${bdf.slice(3)} choose this entry. It says how ${device} is treated: ${follows}`,
  };
}

/** `translated, 4 levels, domain 7`. */
export function contextText(words: readonly number[]): string {
  const fields = fieldsOf(contextEntry, words);
  if (field(fields, 'P').value === 0n) return 'not present';
  const type = field(fields, 'TT');
  const domain = `domain ${field(fields, 'DID').value}`;
  if (Number(type.value) === TranslationType.PASS_THROUGH) return `${type.meaning}, ${domain}`;
  const levels = /\d levels/.exec(field(fields, 'AW').meaning)?.[0] ?? 'no such width';
  return `${type.meaning}, ${levels}, ${domain}`;
}

function iotlb(step: Step): Explained {
  const did = step.words[0] ?? 0;
  const shared = { ...nothing, label: 'IOTLB', reads: `did ${did}`, value: step.verdict };
  if (step.verdict === 'hit') {
    const page = pageSize(step.level);
    return {
      ...shared,
      meaning: `${page} page, to ${frame(step.address ?? 0)}`,
      why: `The translation of this ${page} page is cached for domain ${did}. No table is read; if the page was unmapped a moment ago and not yet invalidated, the device still gets it.`,
    };
  }
  if (step.verdict === 'blocked') {
    return {
      ...shared,
      value: 'hit',
      meaning: cachedAs(step),
      why: `The unit has caching mode (CAP.CM is 1) and knows of domain ${did} that this page was ${cachedAs(step)}. Until software invalidates it, the tables in memory do not matter. The request ends here with fault ${codeText(step.fault)}.`,
    };
  }
  const isDenied = step.clause.includes('permission');
  return {
    ...shared,
    meaning: isDenied ? 'cached, but not for this access' : 'not cached: walk the tables',
    why: isDenied
      ? `The page is cached for domain ${did} without the permission that this request needs. The walk finds out which entry refuses.`
      : `No translation of this page is cached for domain ${did}, so the unit walks the tables in memory.`,
  };
}

const pageSize = (level: number): string => ['', '4 KiB', '2 MiB', '1 GiB'][level] ?? 'large';

function paging(step: Step, request: Request): Explained {
  const name = levelName(step.level);
  const index = stepIndex(step);
  const label = `${name}[${index}]`;
  const layout = step.words.length > 0 ? pagingEntryLayout(step.level, step.words[0]) : null;
  const shared = {
    label,
    reads: frame(step.address ?? 0),
    value: layout ? entryText(step, layout) : 'unreadable',
    layout,
  };
  if (step.verdict === 'blocked') {
    const what = step.guest === null ? `${label} on the way to the page` : `second-stage ${label}`;
    const refused = refusal(step, what);
    return { ...shared, ...refused, why: `${refused.why}${forGuest(step)}` };
  }
  const fields = layout ? fieldsOf(layout, step.words) : [];
  const target = frame(field(fields, 'ADDR').value);
  const may = rights(fields);
  // On the way to a table of the guest's it is the unit that reads.
  const wanted =
    step.guest !== null && step.guest.level > 0 ? { ...request, type: 'read' as const } : request;
  const isLeaf = step.level === 1 || field(fields, 'PS').value === 1n;
  if (isLeaf) {
    return {
      ...shared,
      culprit: '',
      meaning: `${may}  page ${target}`,
      why: `This is the page: ${pageSize(step.level)} at ${target}. ${allowed(fields, wanted)} The low bits of the address choose the byte in it.${forGuest(step)}`,
    };
  }
  const next = levelName(step.level - 1);
  const notLarge = step.level <= 3 ? `PS is 0, so this is not a ${pageSize(step.level)} page: it ` : 'It ';
  return {
    ...shared,
    culprit: '',
    meaning: `${may}  next table ${target}`,
    why: `${notLarge}points to the ${next} at ${target}. ${allowed(fields, wanted)} The next nine bits of the address choose an entry there.${forGuest(step)}`,
  };
}

const rights = (fields: readonly ShownField[]): string =>
  ['R', 'W'].map((name) => (field(fields, name).value === 1n ? name : '-')).join(' ');

function allowed(fields: readonly ShownField[], { type }: Request): string {
  const bit = type === 'write' ? 'W' : 'R';
  return field(fields, bit).value === 1n ? `${bit} is 1, so a ${type} may go on.` : '';
}

/** The half of an entry in which its address lies; reading it is what costs a memory access. */
const entryText = (step: Step, { bits }: Layout): string =>
  step.words.length === 0 ? 'unreadable' : wordText(step.words.slice(0, Math.min(2, bits / 32)));

const none: ShownField = {
  name: '',
  high: 0,
  low: 0,
  kind: 'value',
  value: 0n,
  text: '',
  meaning: '',
  values: false,
};

const field = (fields: readonly ShownField[], name: string): ShownField =>
  fields.find((each) => each.name === name) ?? none;

/** What a device learns of a refusal: PCI Express answers reads alone. */
function learned({ type, device, address }: Transaction): string {
  if (type === 'read') return `Nothing was read: ${device} gets Unsupported Request in place of data.`;
  const untouched = `${frame(address)} stays as it was.`;
  return type === null ? untouched : `${untouched} Writes are posted: nothing tells ${device} about it.`;
}

/** What the request met at the end of its way. */
export function explainEnd(request: Transaction): Explained {
  const { type, device, outcome, output, landed, steps } = request;
  if (request.interrupt !== undefined) return explainInterruptEnd(request);
  const reads = steps.at(-1)?.reads ?? 0;
  const cost = `It cost ${reads === 0 ? 'no memory read' : plural(reads, 'memory read')} before the access itself.`;
  const done = type === 'write' ? 'written' : 'read';
  const where = landed === null ? '' : `: ${landed}`;
  if (outcome === 'blocked' && request.fault === 0) {
    const why =
      'There is no memory at 0xfeex_xxxx, only interrupts, and the IOMMU is off: the request is unsupported.';
    return { ...nothing, label: 'memory', value: 'unsupported', meaning: 'no memory there', why };
  }
  if (outcome === 'blocked') {
    const { meaning } = faultReason(request.fault);
    return {
      ...nothing,
      label: 'memory',
      value: `fault ${codeText(request.fault)}`,
      meaning: `untouched: ${meaning}`,
      why: `Refused: ${meaning}. ${learned(request)}`,
    };
  }
  if (outcome === 'interrupt') {
    return {
      ...nothing,
      label: 'interrupt',
      meaning: 'delivered as an interrupt',
      why: `The write was an interrupt message. ${cost}`,
    };
  }
  if (outcome === 'peer-to-peer') {
    return {
      ...nothing,
      label: 'registers',
      reads: frame(output ?? request.address),
      value: done,
      meaning: landed ?? '',
      why: `The ${type ?? 'request'} reached ${frame(output ?? request.address)}${where}. PCI Express routes by address, and no port or slot on the way up redirects requests (ACS RR): it never came to the IOMMU, which counted nothing and could refuse nothing. Linux keeps both devices in one group for that.`,
    };
  }
  const spoiled = request.corrupted
    ? ` It overwrote memory that was not ${device}'s to write, and nothing checked it.`
    : '';
  return {
    ...nothing,
    label: 'memory',
    reads: frame(output ?? request.address),
    value: done,
    meaning: landed ?? '',
    why: `The ${type ?? 'request'} reached ${frame(output ?? request.address)}${where}.${spoiled} ${cost}`,
  };
}
