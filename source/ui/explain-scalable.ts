/** The steps of scalable mode in plain words: PASID structures, first-stage entries, and what is nested. */
import { firstStageEntryLayout } from '../vtd/formats/first-stage-entry.ts';
import type { Layout } from '../vtd/formats/layout.ts';
import { levelName } from '../vtd/formats/paging-entry.ts';
import { pasidDirectoryEntry } from '../vtd/formats/pasid-directory-entry.ts';
import { PageTableType, pasidTableEntry } from '../vtd/formats/pasid-table-entry.ts';
import { scalableContextEntry } from '../vtd/formats/scalable-context-entry.ts';
import { scalableRootEntry } from '../vtd/formats/scalable-root-entry.ts';
import type { Step } from '../vtd/translation/step.ts';
import type { Explained, Request } from './explain-step.ts';
import { frame, iova, wordText } from './format.ts';
import { refusal } from './refusal.ts';
import { stepIndex } from './step-index.ts';

const nothing = { reads: '', value: '', layout: null, culprit: '' } as const;

/** A context entry of scalable mode has eight words, one of legacy mode four. */
export const isScalableContext = ({ words }: Step): boolean =>
  words.length === scalableContextEntry.bits / 32;

/** The root table of scalable mode is read half an entry at a time. */
export const isScalableRoot = ({ words }: Step): boolean => words.length === scalableRootEntry.bits / 64;

/** What was read: the entry at a place in memory. */
function readEntry(step: Step, layout: Layout, label: string) {
  const isRead = step.words.length > 0;
  return {
    label,
    reads: frame(step.address ?? 0),
    value: isRead ? wordText(step.words.slice(0, 2)) : 'unreadable',
    layout: isRead ? layout : null,
  };
}

export function explainScalableRoot(step: Step, { bdf }: Request): Explained {
  const isUpper = Number.parseInt(bdf.slice(3, 5), 16) >= 16;
  const words = isUpper ? [0, 0, ...step.words] : [...step.words, 0, 0];
  const shared = { ...readEntry(step, scalableRootEntry, 'root entry'), words };
  const half = isUpper ? 'upper half (devices 16 to 31)' : 'lower half (devices 0 to 15)';
  if (step.verdict === 'blocked') return { ...shared, ...refusal(step, `the ${half} of the root entry`) };
  const { LCTP, UCTP } = scalableRootEntry.decode(words);
  const table = frame(isUpper ? UCTP : LCTP);
  return {
    ...shared,
    culprit: '',
    meaning: `context table ${table}`,
    why: `Bus ${bdf.slice(0, 2)} chooses this entry of the root table, and the device its ${half}. It is present and points to a context table at ${table}.`,
  };
}

export function explainScalableContext(step: Step, { device, bdf }: Request): Explained {
  const isCached = step.stage === 'context cache';
  const shared = isCached
    ? { ...nothing, label: 'context cache', value: 'hit', layout: scalableContextEntry }
    : readEntry(step, scalableContextEntry, 'context entry');
  if (step.verdict === 'blocked') return { ...shared, ...refusal(step, `the context entry of ${device}`) };
  const { PASIDDIRPTR, PDTS, RID_PASID } = scalableContextEntry.decode(step.words);
  const directory = frame(PASIDDIRPTR);
  const how = isCached
    ? `The unit still knows the context entry of ${bdf}, so it reads neither root table nor context table.`
    : `Device and function ${bdf.slice(3)} choose this entry.`;
  return {
    ...shared,
    culprit: '',
    meaning: `PASID directory ${directory}`,
    why: `${how} In scalable mode it names no domain: it points to a PASID directory of ${2 ** (Number(PDTS) + 7)} entries at ${directory}. A request without PASID uses PASID ${RID_PASID}.`,
  };
}

export function explainPasidCache(step: Step, { device }: Request): Explained {
  const label = 'PASID cache';
  if (step.verdict === 'miss') {
    return {
      ...nothing,
      label,
      value: 'miss',
      meaning: 'look the PASID up in memory',
      why: `The unit does not know this PASID of ${device} at the moment. It reads the PASID directory, and then the PASID table.`,
    };
  }
  const shared = { ...nothing, label, value: 'hit', layout: pasidTableEntry };
  if (step.verdict === 'blocked')
    return { ...shared, ...refusal(step, `the PASID table entry of ${device}`) };
  return {
    ...shared,
    meaning: pasidText(step.words),
    why: `The unit still knows the PASID table entry of ${device}, so it reads neither directory nor table: ${pasidText(step.words)}.`,
  };
}

export function explainPasidDirectory(step: Step): Explained {
  const index = stepIndex(step);
  const shared = readEntry(step, pasidDirectoryEntry, 'directory');
  if (step.verdict === 'blocked') return { ...shared, ...refusal(step, 'the PASID directory entry') };
  const table = frame(pasidDirectoryEntry.decode(step.words).SMPTBLPTR);
  return {
    ...shared,
    culprit: '',
    meaning: `PASID table ${table}`,
    why: `Bits 19:6 of the PASID choose entry ${index} of the directory. It points to the PASID table at ${table}.`,
  };
}

export function explainPasidTable(step: Step, { device }: Request): Explained {
  if (step.address === null) {
    // The entry lets nothing like this request pass; which it is was found out before.
    return { ...nothing, label: 'PASID entry', ...refusal(step, `the PASID table entry of ${device}`) };
  }
  const shared = readEntry(step, pasidTableEntry, 'PASID entry');
  if (step.verdict === 'blocked')
    return { ...shared, ...refusal(step, `the PASID table entry of ${device}`) };
  return {
    ...shared,
    culprit: '',
    meaning: pasidText(step.words),
    why: `This entry says how ${device} is treated: ${followsFrom(step.words)}`,
  };
}

/** `nested, 4 over 5 levels, domain 7`. */
export function pasidText(words: readonly number[]): string {
  const { P, PGTT, AW, FSPM, DID } = pasidTableEntry.decode(words);
  if (P === 0n) return 'not present';
  const first = 4 + Number(FSPM);
  const second = Number(AW) + 2;
  switch (Number(PGTT)) {
    case PageTableType.FIRST_STAGE:
      return `first stage, ${first} levels, domain ${DID}`;
    case PageTableType.SECOND_STAGE:
      return `second stage, ${second} levels, domain ${DID}`;
    case PageTableType.NESTED:
      return `nested, ${first} over ${second} levels, domain ${DID}`;
    case PageTableType.PASS_THROUGH:
      return `pass-through, domain ${DID}`;
  }
  return 'a page-table type that does not exist';
}

function followsFrom(words: readonly number[]): string {
  const { PGTT, FSPTPTR, SSPTPTR } = pasidTableEntry.decode(words);
  switch (Number(PGTT)) {
    case PageTableType.FIRST_STAGE:
      return `PGTT is 001b, so first-stage tables translate its addresses, from ${frame(FSPTPTR)} on.`;
    case PageTableType.SECOND_STAGE:
      return `PGTT is 010b, so second-stage tables translate its addresses, from ${frame(SSPTPTR)} on.`;
    case PageTableType.NESTED:
      return `PGTT is 011b: the first stage is a guest's, its tables begin at guest-physical ${iova(FSPTPTR)}. Each address in them goes through the second stage at ${frame(SSPTPTR)}.`;
    default:
      return 'PGTT is 100b: an identity domain, nothing is translated.';
  }
}

export function explainFirstStageCache(step: Step): Explained {
  const space = step.guest === null ? '' : 'guest ';
  return {
    ...nothing,
    label: `${levelName(step.level)} cache`,
    value: 'hit',
    meaning: `next table ${space}${frame(step.address ?? 0)}`,
    why: `The first-stage way down to the ${levelName(step.level - 1)} is cached, so the entries above it need not be read again.`,
  };
}

export function explainFirstStage(step: Step, request: Request): Explained {
  const index = stepIndex(step);
  const label = `${levelName(step.level)}[${index}]`;
  const layout = firstStageEntryLayout(step.level, step.words[0] ?? 0);
  const shared = readEntry(step, layout, label);
  if (step.verdict === 'blocked') return { ...shared, ...refusal(step, `first-stage ${label}`) };
  const fields: Record<string, bigint> = layout.decode(step.words);
  const isLeaf = step.level === 1 || fields.PS === 1n;
  const isNested = step.guest !== null;
  const target = isNested ? `guest ${iova(fields.ADDR)}` : frame(fields.ADDR);
  const may = ['P', 'RW', 'US'].map((name) => (fields[name] === 1n ? name : '-')).join(' ');
  const allowed =
    request.type === 'write'
      ? 'RW is 1, so a write may go on.'
      : 'P is 1, and all that is present may be read.';
  const found = isNested
    ? `This entry lies at guest-physical ${iova(step.guest?.address ?? 0)}, which the second stage has just found. `
    : '';
  const then = isNested ? ', which is guest-physical, so the second stage comes next' : '';
  const next = levelName(step.level - 1);
  return {
    ...shared,
    culprit: '',
    meaning: `${may}  ${isLeaf ? 'page' : 'next'} ${target}`,
    why: isLeaf
      ? `${found}It maps the page at ${target}${then}. ${allowed}`
      : `${found}It points to the ${next} at ${target}${then}. ${allowed}`,
  };
}

/** What a second-stage step of a nested walk is for. */
export function forGuest({ guest }: Step): string {
  if (guest === null) return '';
  const what = guest.level === 0 ? 'the page' : `the guest's ${levelName(guest.level)} entry`;
  return ` This finds ${what} at guest-physical ${iova(guest.address)}.`;
}
